"""The only place that reads the clock or makes up ids."""

import secrets
import time
from datetime import UTC, datetime

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_SECRET_LETTERS = b"abcdefghijklmnopqrstuvwxyz234567" * 8
"""A base32 character for each value of a byte, each as often as the others."""


def now() -> datetime:
    """Current time, aware UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Seconds of a clock that never steps back, for measuring waits."""
    return time.monotonic()


def fresh_secret() -> str:
    """Eight base32 characters nobody can guess by accident: short enough for a small model to copy."""
    return secrets.token_bytes(8).translate(_SECRET_LETTERS).decode()


def fresh_id(prefix: str) -> str:
    """An id that sorts by time and does not collide: `<prefix>-<time><random>`.

    Nine base32hex characters of milliseconds, then six of chance.
    """
    value, text = time.time_ns() // 1_000_000, ""
    for _ in range(9):
        value, digit = divmod(value, 32)
        text = _ALPHABET[digit] + text
    return f"{prefix}-{text}{''.join(secrets.choice(_ALPHABET) for _ in range(6))}"
