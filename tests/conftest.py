"""What every test shares; a fixture only some need lives beside them."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.tools import require_tool

# No test may depend on speed, so there is no deadline. Where changes are let in, the examples are
# the same each time: a change is not refused for a fault that was there before it.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs_tool"):
        require_tool(str(marker.args[0]))
