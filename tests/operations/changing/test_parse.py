"""From what callers send to a request: what is meant is taken, what is wrong is named, all at once."""

import json
from typing import Any

import pytest

from registry.errors import LimitExceeded, RegistryError
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS


def _first_line(tool: str, **arguments: Any) -> str:
    with pytest.raises(RegistryError) as caught:
        parse_request(OPERATIONS[tool], arguments)
    return caught.value.message


def _next(tool: str, **arguments: Any) -> dict[str, Any]:
    with pytest.raises(RegistryError) as caught:
        parse_request(OPERATIONS[tool], arguments)
    return dict(caught.value.next[0].args)


@pytest.mark.parametrize(
    ("tool", "guess", "meant"),
    [
        ("finish_node", "result", "outcome"),
        ("finish_node", "status", "outcome"),
        ("finish_node", "markdown", "report"),
        ("write_handoff", "text", "content"),
        ("write_handoff", "markdown", "content"),
        ("write_handoff", "body", "content"),
        ("write_artifact", "name", "path"),
        ("write_artifact", "filename", "path"),
        ("claim_node", "owner", "agent_id"),
        ("claim_node", "worker", "agent_id"),
        ("claim_node", "agent", "agent_id"),
        ("claim_node", "runId", "run_id"),
        ("claim_node", "lease", "lease_s"),
        ("heartbeat_node", "token", "fence"),
        ("append_event", "type", "event"),
        ("change_plan", "expected_revision", "expected_rev"),
        ("change_plan", "depends_on", "needs"),
        ("request_control", "reason", "message"),
        ("bind_session", "cron", "cron_job_id"),
    ],
)
def test_a_guessed_argument_is_answered_with_the_one_that_is_meant(tool: str, guess: str, meant: str) -> None:
    """Models call arguments what other servers call them; the mend costs them one call."""
    assert f"{tool} has no argument {guess!r}; did you mean {meant!r}?" in _first_line(tool, **{guess: "x"})
    assert _next(tool, **{guess: "x"})[meant] in ("x", f"<{meant}>")


def test_all_wrong_arguments_are_named_at_once() -> None:
    """One fault a call would cost a small model as many calls as it made mistakes."""
    told = _first_line("finish_node", run="audit-1", outcome="done", summary={"a": 1}, fence="<fence>", artifacts=[1])

    assert told == (
        "finish_node has no argument 'run'; did you mean 'run_id'?; "
        "fence is still the placeholder '<fence>'; use the value from claim_node; "
        "outcome is 'done'; it must be completed, failed, waiting or released; "
        "summary is an object; it must be a string; "
        "artifacts.0 is the number 1; it must be a string"
    )


def test_the_next_call_is_the_callers_own_call_mended() -> None:
    """A model copies it whole; values it got right must be in it, long ones need not be said again."""
    assert _next(
        "finish_node", run="audit-1", result="done", payload={"files": 3}, fence="1-aaaaaaaa", report="x" * 500
    ) == {
        "run_id": "audit-1",
        "outcome": "completed",
        "payload": {"files": 3},
        "fence": "1-aaaaaaaa",
        "report": "<report>",
    }


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("done", "completed"), ("Success", "completed"), ("error", "failed"), ("release", "released"), ("?", "<outcome>")],
)
def test_a_wrong_word_becomes_the_nearest_right_one(sent: str, meant: str) -> None:
    """The next call must be legal as it stands, or show what is open."""
    assert _next("finish_node", run_id="a", outcome=sent) == {"run_id": "a", "outcome": meant}


def test_null_is_left_out_and_one_string_is_a_list_of_one() -> None:
    """Small models fill every argument of a schema and forget brackets."""
    request = parse_request(
        OPERATIONS["finish_node"],
        {"run_id": "a", "outcome": "completed", "node_id": None, "summary": None, "artifacts": "b.csv"},
    )

    assert request.model_dump(include={"node_id", "summary", "artifacts"}) == {
        "node_id": None,
        "summary": None,
        "artifacts": ("b.csv",),
    }


def test_json_sent_as_a_string_is_what_it_says() -> None:
    """Some hosts send every nested value as text."""
    request = parse_request(
        OPERATIONS["finish_node"],
        {"run_id": "a", "outcome": "waiting", "payload": '{"files": 3}', "artifacts": '["a", "b"]'},
    )

    assert request.model_dump(include={"payload", "artifacts"}) == {"payload": {"files": 3}, "artifacts": ("a", "b")}


def test_text_that_only_looks_like_json_stays_text() -> None:
    """A report may begin with a bracket."""
    request = parse_request(
        OPERATIONS["finish_node"], {"run_id": "a", "outcome": "completed", "report": '{"a": 1}', "artifacts": "[a"}
    )

    assert request.model_dump(include={"report", "artifacts"}) == {"report": '{"a": 1}', "artifacts": ("[a",)}


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"run_id": "my run"}, "run_id is 'my run'; an id is letters, digits, '.', '_' and '-', beginning with a "
         "letter or digit, at most 128, no dot at the end; for example 'my-run'"),
        ({"run_id": "../../etc"}, "run_id is '../../etc'; an id is letters, digits, '.', '_' and '-', beginning with "
         "a letter or digit, at most 128, no dot at the end; for example 'etc'"),
        ({"run_id": ""}, "run_id is empty"),
        ({"agent_id": "agent:main:chat"}, "agent_id is 'agent:main:chat', a session key; send agent_id 'main'"),
        ({"run_id": "a", "min_priority": "P3"},
         "min_priority is 'P3'; it must be 1 to 10 (10 is most urgent), or P0, P1, P2"),
        ({"run_id": "a", "min_priority": True},
         "min_priority is True; it must be 1 to 10 (10 is most urgent), or P0, P1, P2"),
        ({"run_id": "a", "request_id": " "}, "request_id is empty"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_its_mend(sent: dict[str, Any], told: str) -> None:
    """Hostile or careless, the sentence is the same, and nothing was opened for it."""
    assert _first_line("claim_node", **sent) == told


def test_half_characters_and_bottomless_objects_are_refused() -> None:
    """No file can hold the one, and no reader should have to follow the other."""
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"a": deep}

    assert _first_line("append_event", run_id="a", event="note.x", message="\ud83d") == (
        "message of append_event holds half a character (a lone surrogate), which no file can hold"
    )
    assert "payload" in _first_line("append_event", run_id="a", event="note.x", payload=deep)
    assert _first_line("append_event", run_id="a", event="note.x", payload={"a": float("nan")}) == (
        "payload holds NaN or an infinity, which JSON has no form for; send null or a string"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"message": "x" * 5_000}, "message is 5,000 bytes; the limit is 4,096"),
        ({"payload": {"a": "x" * 70_000}}, "payload is 70,008 bytes; the limit is 65,536"),
        ({"message": "x" * 2_000_000}, "the request to append_event is 2,000,044 bytes; the limit is 1,048,576"),
    ],
)
def test_what_is_too_large_is_refused_with_limit_and_size(arguments: dict[str, Any], told: str) -> None:
    """The caller can cut it to measure."""
    with pytest.raises(LimitExceeded) as caught:
        parse_request(OPERATIONS["append_event"], {"run_id": "a", "event": "note.x", **arguments})

    assert caught.value.message == told


def test_a_flood_of_wrong_arguments_makes_no_flood_of_an_answer() -> None:
    """An error is read by a model that pays for every word."""
    told = _first_line("claim_node", **{f"argument_{number}": number for number in range(500)})

    assert told.endswith("; and 488 more")
    assert len(told) < 2_000


def test_a_mended_call_is_taken() -> None:
    """A mend that is itself refused would send the model round in a circle."""
    mended = _next("finish_node", run="audit-1", result="ok", body="# R", token="1-aaaaaaaa")

    parsed = parse_request(OPERATIONS["finish_node"], json.loads(json.dumps(mended)))
    assert parsed.model_dump(exclude_defaults=True) == {
        "run_id": "audit-1",
        "fence": "1-aaaaaaaa",
        "outcome": "completed",
        "report": "# R",
    }
