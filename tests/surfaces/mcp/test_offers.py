"""The tool list is what every model pays for, in every turn; it is kept in tools.json and read in review."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from opentask_mcp.mcp.offers import KEPT, Offer, kept_offers, kept_text, offers_of
from opentask_mcp.mcp.serving import Serving, served_tools
from registry.operations.table import MIN_TOOLS, OPERATIONS

OFFERS = kept_offers()


def tokens(offers: dict[str, Offer]) -> int:
    """What a model pays for the list, by the rule of thumb of four bytes a token."""
    paid = ("name", "description", "inputSchema")
    return sum(len(json.dumps({key: offer.tool[key] for key in paid})) // 4 for offer in offers.values())


def schemas_within(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and every schema in it; names of properties are no schemas."""
    if isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            inner = value.values() if key == "properties" else value if isinstance(value, list) else [value]
            for one in inner:
                yield from schemas_within(one)


def test_the_kept_list_is_what_the_models_say() -> None:
    """It is served without looking at the models, so it must not fall behind them."""
    assert KEPT.read_text() == kept_text(offers_of(OPERATIONS)), (
        "tools.json is not what the request and result models say; look at the difference after "
        "`python -m opentask_mcp.mcp.offers`, and keep it if it is meant"
    )


def test_the_lists_stay_within_their_budgets() -> None:
    """A host gives a model no more room because our list grew."""
    assert len(served_tools(OFFERS, Serving())) == 19
    assert tokens(served_tools(OFFERS, Serving())) < 3_500
    assert tokens(served_tools(OFFERS, Serving(toolsets=("min",)))) < 1_800
    assert tokens(served_tools(OFFERS, Serving(toolsets=("all",)))) < 5_500


def test_the_small_list_holds_the_eight_that_a_whole_run_needs() -> None:
    """Small models get lost among more."""
    assert list(served_tools(OFFERS, Serving(toolsets=("min",)))) == sorted(MIN_TOOLS)


@pytest.mark.parametrize("name", OFFERS)
def test_a_tool_is_told_briefly_and_wholly(name: str) -> None:
    """Descriptions are cut by hosts, and generated keys say nothing to a model."""
    tool: Any = OFFERS[name].tool

    assert 40 < len(tool["description"]) < 1_000
    for schema in (tool["inputSchema"], tool["outputSchema"]):
        assert (schema["type"], type(schema["properties"])) == ("object", dict)
        for inner in schemas_within(schema):
            assert not {"$ref", "$defs", "pattern"} & set(inner)
            assert inner.get("additionalProperties", {}) not in (True, False)
            assert not isinstance(inner.get("title"), str)
            assert inner.get("default", 0) is not None
            # A change of a flow clears a field by null; a host that checks arguments must let it through.
            assert name == "update_flow" or {"type": "null"} not in inner.get("anyOf", [])


def test_annotations_say_what_a_host_may_do_without_asking() -> None:
    """A host runs a read-only tool unasked, and asks the person before a destructive one."""

    def hinted(hint: str) -> set[str]:
        tools: Any = {name: offer.tool for name, offer in OFFERS.items()}
        return {name for name, tool in tools.items() if tool["annotations"][hint]}

    reading = {
        "list_workflows", "validate_workflow", "list_runs", "get_run", "read_artifact", "validate_run", "doctor",
        "list_tasks", "get_task", "task_stats", "list_flows", "get_flow",
    }  # fmt: skip
    assert hinted("readOnlyHint") == reading
    assert hinted("destructiveHint") == {
        "request_control", "change_plan", "write_artifact", "cancel_task", "cancel_flow",
    }  # fmt: skip
    assert hinted("idempotentHint") == {*reading, "finish_node", "bind_session", "tick_run", "repair_run"}
    assert hinted("openWorldHint") == set()
