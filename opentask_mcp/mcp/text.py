"""The text block of an answer: byte for byte what `JSON.stringify(answer, null, 2)` prints.

Hosts differ in which of the two forms of an answer they show, and some show both whenever the
text is not exactly what JavaScript would print for the structured form. So numbers, key order
and escapes follow ECMAScript here, not Python.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, to_json

_INDENT: Final = "  "
_EXACT_WHOLE_MAX: Final = 2**53
_ARRAY_INDEX_MAX: Final = 2**32 - 2
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# What the serializer of pydantic prints otherwise than JavaScript does: fractions and exponents,
# whole numbers past 2^53, and keys that look like array indexes. A string holds neither a raw
# newline nor a raw quote, so a match begins at a real value or a real key. Patterns that begin
# with fixed characters are found ten times faster than one pattern of them all.
_NUMBER: Final = rb"-?(?:\d{16}|\d++[.eE])"
_UNLIKE_JAVASCRIPT: Final = (
    re.compile(rb'": ' + _NUMBER),
    re.compile(rb"\n *+" + _NUMBER),
    re.compile(rb'\n *+"\d++":'),
    re.compile(rb"\A" + _NUMBER),
)


def stringify(value: JsonValue) -> str:
    """The value as `JSON.stringify(value, null, 2)` prints it.

    Infinities and NaN become null and a lone surrogate its escape, as in JavaScript.
    """
    try:
        quick = to_json(value, indent=2, inf_nan_mode="null")
    except PydanticSerializationError:
        return "".join(_pieces(value, "\n"))
    if any(unlike.search(quick) for unlike in _UNLIKE_JAVASCRIPT):
        return "".join(_pieces(value, "\n"))
    return quick.decode()


def sendable(value: JsonValue) -> JsonValue:
    """The value with every lone surrogate replaced by U+FFFD: UTF-8 has no form for one."""
    try:
        to_json(value)
    except PydanticSerializationError:
        return _without_surrogates(value)
    return value


def _without_surrogates(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return _SURROGATE.sub("�", _paired(value))
    if isinstance(value, Mapping):
        return {str(_without_surrogates(key)): _without_surrogates(kept) for key, kept in value.items()}
    if isinstance(value, Sequence):
        return [_without_surrogates(item) for item in value]
    return value


def _pieces(value: JsonValue, newline: str) -> Iterator[str]:
    if isinstance(value, str):
        yield _string(value)
    elif value is None or isinstance(value, bool):
        yield json.dumps(value)
    elif isinstance(value, int | float):
        yield _number(value)
    elif isinstance(value, Mapping):
        yield from _object(value, newline)
    elif not value:
        yield "[]"
    else:
        inner = newline + _INDENT
        for place, item in enumerate(value):
            yield ("," if place else "[") + inner
            yield from _pieces(item, inner)
        yield newline + "]"


def _object(value: Mapping[str, JsonValue], newline: str) -> Iterator[str]:
    if not value:
        yield "{}"
        return
    inner = newline + _INDENT
    for place, key in enumerate(_as_javascript_orders(value)):
        yield f"{',' if place else '{'}{inner}{_string(key)}: "
        yield from _pieces(value[key], inner)
    yield newline + "}"


def _as_javascript_orders(keys: Mapping[str, JsonValue]) -> list[str]:
    """Keys that are array indexes first, by number; the others as they were written."""
    indexes = [key for key in keys if _is_array_index(key)]
    if not indexes:
        return list(keys)
    return sorted(indexes, key=int) + [key for key in keys if not _is_array_index(key)]


def _is_array_index(key: str) -> bool:
    if not (key.isascii() and key.isdigit() and len(key) <= len(str(_ARRAY_INDEX_MAX))):
        return False
    return (key == "0" or key[0] != "0") and int(key) <= _ARRAY_INDEX_MAX


def _string(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    if _SURROGATE.search(quoted):
        quoted = _SURROGATE.sub(lambda lone: f"\\u{ord(lone[0]):04x}", _paired(quoted))
    return quoted


def _paired(text: str) -> str:
    """The text with surrogates that stand in pairs made the one character they mean."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _number(value: int | float) -> str:
    """A number as ECMAScript's Number::toString prints it (JavaScript has doubles only)."""
    if isinstance(value, int) and abs(value) <= _EXACT_WHOLE_MAX:
        return str(value)
    try:
        double = float(value)
    except OverflowError:
        return "null"
    if not math.isfinite(double):
        return "null"
    if double == 0:
        return "0"
    sign = "-" if double < 0 else ""
    mantissa, _, exponent = repr(abs(double)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    # `point` is where the decimal point stands, counted from the first of the digits.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    power = point - 1
    fraction = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{fraction}e{'+' if power > 0 else '-'}{abs(power)}"
