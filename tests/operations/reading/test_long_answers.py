"""However much a run holds, no answer is longer than what hosts show whole."""

import json

import pytest

from registry.core.record import Json
from registry.operations.fit import ANSWER_CHARS_MAX
from registry.registry import Registry
from tests.operations.reading.asking import Answer, Asker

_NODES = 300


@pytest.fixture
def ask(registry: Registry) -> Asker:
    """A run with much of everything: nodes, waits, inputs, messages, events, words."""
    asker, person = Asker(registry), Asker(registry, person=True)
    nodes = "".join(
        f"  - {{id: node-{n:03}, title: {'T' * 150}, kind: {'approval' if n % 2 else 'session_turn'}, "
        f"prompt: '{'p' * 600}{'{{ inputs.a }}' if n == 0 else ''}'}}\n"
        for n in range(_NODES)
    )
    text = f"---\nworkflowId: big\ntitle: Big\ninputs:\n  a: {{type: string}}\nnodes:\n{nodes}---\n"
    asker("scaffold_run", workflow_text=text, run_id="big-1", inputs={"a": "\n" * 30_000})
    for number in range(8):
        words = f"{number} " + '"\n' * 1_500
        person("request_control", run_id="big-1", action="send_message", message=words)
    fence = asker("claim_node", run_id="big-1", node_id="node-000")["fence"]
    report = '"quoted"\n' * 5_000
    asker(
        "finish_node", run_id="big-1", node_id="node-000", fence=fence, outcome="completed", summary="s" * 4_000,
        report=report, payload={"k": ["x"] * 500},
    )  # fmt: skip
    for number in range(30):
        asker("append_event", run_id="big-1", event="note.long", message="m" * 4_000, payload={"n": [number] * 500})
    return asker


def _shown(answer: Answer) -> int:
    return len(json.dumps(answer, indent=2, sort_keys=True, ensure_ascii=False))


@pytest.mark.parametrize(
    "arguments",
    [{}, {"view": "detailed"}, {"view": "events"}, {"view": "refs"}, {"node_id": "node-000"}, {"since_rev": 0}],
)
def test_no_view_of_a_big_run_is_cut_by_a_host(ask: Asker, arguments: dict[str, Json]) -> None:
    """What a host cuts is lost in the middle of a row, and nobody says so."""
    assert _shown(ask("get_run", {"run_id": "big-1", **arguments})) <= ANSWER_CHARS_MAX


def test_neither_ticks_nor_waits_nor_lists_are(ask: Asker) -> None:
    """The same holds for whatever else shows a run."""
    for answer in (
        ask("tick_run", run_id="big-1"),
        ask("wait_for_run", run_id="big-1", timeout_s=0, since_rev=0),
        ask("list_runs"),
        ask("validate_run", run_id="big-1"),
    ):
        assert _shown(answer) <= ANSWER_CHARS_MAX


def test_messages_without_room_come_when_the_first_were_read(ask: Asker) -> None:
    """A person's word may come late, but never not at all; and nothing unseen is said to be read."""
    seen: list[Json] = []
    for _ in range(8):
        answer = ask("get_run", run_id="big-1")
        assert isinstance(answer["messages"], list) and isinstance(answer["next"], list)
        if not answer["messages"]:
            break
        ids = [message["id"] for message in answer["messages"] if isinstance(message, dict)]
        call = answer["next"][0]
        assert isinstance(call, dict) and isinstance(call["args"], dict)
        assert (call["tool"], call["args"]["effects_done"]) == ("tick_run", ids)
        ask("tick_run", call["args"])
        seen += ids

    assert len(seen) == len(set(map(str, seen))) == 8
