"""The table of commands is the table of operations in other words, in both directions."""

import shlex
from typing import Any, get_args

import pytest

from opentask_mcp.cli.building import arguments_of, form_command
from opentask_mcp.cli.commands import FORMS, line_of
from opentask_mcp.cli.forms import Form, command_line
from opentask_mcp.cli.own.steps import _EVENTS
from opentask_mcp.cli.words import FIELD_HELP
from registry.core.commands import CONTROL_ACTIONS
from registry.core.decide.door import DOOR_EVENTS
from registry.core.run import NodeStatus
from registry.operations.table import OPERATIONS

FIELDS = sorted({name for operation in OPERATIONS.values() for name in operation.request.model_fields})


def _sample(name: str, annotation: Any) -> Any:
    """A value that a field of this type may have, with what shells trip over."""
    text = str(annotation)
    if "tuple" in text:
        return ["one", "two words"]
    if "bool" in text:
        return True
    if "dict" in text or "WaitFor" in text:
        return {"quote's": [1, {"ü": None}], "<x>": "$HOME"}
    return f"{name}'s <value> $1"


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.words)
def test_a_call_said_as_a_command_line_is_read_back_as_that_call(form: Form) -> None:
    """What an error suggests is pasted; it must ask for exactly what was meant."""
    fields = OPERATIONS[form.operation].request.model_fields
    offered = [name for name in fields if name not in form.says and name not in form.without]
    call = {**form.says, **{name: _sample(name, fields[name].annotation) for name in offered}}

    words = shlex.split(command_line(form, call))
    command = form_command(form)
    with command.make_context("x", words[1 + len(form.words.split()) :]) as context:
        read = arguments_of(form, context.params)

    assert words[: 1 + len(form.words.split())] == ["opentask", *form.words.split()]
    assert read == call


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_has_a_command_that_offers_all_of_it(name: str) -> None:
    """Nothing may be possible over MCP alone."""
    forms = [form for form in FORMS.values() if form.operation == name]
    offered = {
        field
        for form in forms
        for field in OPERATIONS[name].request.model_fields
        if field not in form.without or field in form.says
    }

    assert offered == set(OPERATIONS[name].request.model_fields)


@pytest.mark.parametrize(
    ("tool", "arguments", "line"),
    [
        ("get_run", {"run_id": "a-1"}, "opentask run show a-1"),
        ("get_run", {"run_id": "a-1", "view": "events"}, "opentask run events a-1"),
        ("get_run", {"run_id": "a-1", "node_id": "gate"}, "opentask node show a-1 gate"),
        ("request_control", {"run_id": "a-1", "action": "cancel"}, "opentask run cancel a-1"),
        (
            "request_control",
            {"run_id": "a-1", "action": "approve", "node_id": "gate", "message": "<the person's own words>"},
            """opentask control approve a-1 --node-id gate --message '<the person'"'"'s own words>'""",
        ),
        ("append_event", {"run_id": "a-1", "event": "run.progress", "message": "x"}, "opentask run progress a-1 x"),
        ("append_event", {"run_id": "a-1", "event": "note.x"}, "opentask event append a-1 note.x"),
        ("claim_node", {"agent_id": "cc"}, "opentask node claim --agent-id cc"),
        (
            "finish_node",
            {"run_id": "a-1", "fence": "1-x", "outcome": "completed"},
            "opentask node finish a-1 '<node_id>' completed --fence 1-x",
        ),
        ("list_runs", {"status": ["open"]}, "opentask run list --status open"),
        ("change_plan", {"run_id": "a", "action": "rewire_node", "node_id": "n", "needs": []},
         "opentask plan change a rewire_node n --needs-json '[]'"),
        ("host", {}, None),
    ],
)  # fmt: skip
def test_the_most_fitting_command_is_suggested(tool: str, arguments: dict[str, Any], line: str | None) -> None:
    """A person should see the command they would have typed themselves."""
    assert line_of(tool, arguments) == line


def test_controls_are_the_controls_there_are() -> None:
    """The list is written twice so that --help loads nothing; it must not drift."""
    named = [form.says["action"] for words, form in FORMS.items() if words.startswith("control ")]

    assert sorted(named) == sorted(CONTROL_ACTIONS)


def test_steps_lead_to_statuses_through_events_of_the_door() -> None:
    """`node transition` takes every status a node can be brought to, by an event that the door knows."""
    assert set(_EVENTS) == set(get_args(NodeStatus)) - {"pending"}
    assert set(_EVENTS.values()) <= set(DOOR_EVENTS)


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_explained(name: str) -> None:
    """An option without a word of help is found by nobody."""
    assert FIELD_HELP.get(name)
