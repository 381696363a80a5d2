"""A registry, its clock, and the flows of one owner."""

import pytest

from registry.flows import Flows
from registry.registry import Registry
from tests.flows.given import AGENT, OWNER
from tests.operations.conftest import caller, hands, registry

__all__ = ["caller", "flows", "hands", "registry"]


@pytest.fixture
def flows(registry: Registry) -> Flows:
    """The flows of one session, in memory and on disk."""
    return Flows(registry, actor=AGENT, owner_key=OWNER)
