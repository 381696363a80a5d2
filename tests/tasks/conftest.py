"""The registries and the clock that operations are tested with."""

from tests.operations.conftest import Hands, caller, hands, registry

__all__ = ["Hands", "caller", "hands", "registry"]
