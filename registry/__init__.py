"""A registry of long agent jobs: a plain directory that many processes may write at once.

A run is an append-only trail of events with projections made from it. `Registry` changes and
reads runs; `errors` has every failure a caller can act on. The names here are loaded when they
are asked for, because importing one error must not cost the storage.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import errors
    from .registry import Registry

__all__ = ["Registry", "errors"]


def __getattr__(name: str) -> object:
    if name == "Registry":
        return import_module(".registry", __name__).Registry
    if name == "errors":
        return import_module(".errors", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
