"""Histories by which faults were found once, each kept so that it stays mended.

A history is a few steps of the machine in `test_registry_machine.py`; after each of them all that
must be so at all times is looked at.
"""

import pytest

from .test_registry_machine import Life

HAND = b'{"event":"note.hand"}\n'
Step = tuple[str, dict[str, object]]
HISTORIES: dict[str, list[Step]] = {
    "lines of others are not heard twice when what told of them is damaged": [
        ("append_to_the_trail", {"text": HAND}),
        ("steer", {"action": "pause"}),
        ("append_to_the_trail", {"text": HAND}),
        ("damage_the_middle_of_the_trail", {"kind": "rotten", "place": 5}),
        ("repair", {}),
    ],
    "a cut trail that grew again to its old size is looked at again": [
        ("lose_the_end_of_the_trail", {"count": 2}),
        ("steer", {"action": "resume"}),
        ("lose_the_end_of_the_trail", {"count": 2}),
        ("be_killed", {"node": "b", "step": "lock.note", "torn": True, "what": "finish", "when": 4}),
    ],
    "an edited state beside a cut trail is no word of an earlier writer": [
        ("edit_a_projection", {"name": "state.json", "status": "cancelled"}),
        ("lose_the_end_of_the_trail", {"count": 2}),
        ("note", {}),
        ("repair", {}),
    ],
    "an edited state is kept by a repair of the trail": [
        ("note", {}),
        ("edit_a_projection", {"name": "state.json", "status": "completed"}),
        ("lose_the_end_of_the_trail", {"count": 1}),
        ("repair", {}),
        ("note", {}),
    ],
    "a plan that nothing proves is not taken for whole": [
        ("edit_the_plan", {}),
        ("repair", {}),
        ("lose_a_file", {"name": ".opentask"}),
        ("steer", {"action": "pause"}),
        ("damage_the_middle_of_the_trail", {"kind": "gone", "place": 0}),
        ("damage_the_middle_of_the_trail", {"kind": "gone", "place": 2}),
        ("lose_a_file", {"name": "workflow.lock.md"}),
        ("repair", {}),
    ],
    "prompts that only lost lines told are not missed silently": [
        ("lose_the_end_of_the_trail", {"count": 1}),
        ("lose_a_file", {"name": ".opentask"}),
        ("lose_a_file", {"name": "workflow.lock.md"}),
        ("repair", {}),
    ],
    "a line of ours that was moved is not heard as somebody's": [
        ("claim", {"node": "b", "lease_s": 0}),
        ("note", {}),
        ("move_the_clock", {"hours": -30}),
        ("claim", {"node": "a", "lease_s": 0}),
        ("edit_the_plan", {}),
        ("repair", {}),
        ("note", {}),
        ("damage_the_middle_of_the_trail", {"kind": "swapped", "place": 4}),
        ("claim", {"node": "c", "lease_s": 60}),
    ],
    "a line moved behind a repair is settled by the next one": [
        ("note", {}),
        ("write_into_the_inbox", {"action": "resume"}),
        ("edit_the_plan", {}),
        ("steer", {"action": "pause"}),
        ("lose_the_end_of_the_trail", {"count": 2}),
        ("note", {}),
        ("damage_the_middle_of_the_trail", {"kind": "swapped", "place": 5}),
        ("repair", {}),
    ],
    "an acknowledged change whose lines were moved is not taken for a torn one": [
        ("write_into_the_inbox", {"action": "pause"}),
        ("lose_the_end_of_the_trail", {"count": 2}),
        ("repair", {}),
        ("damage_the_middle_of_the_trail", {"kind": "swapped", "place": 0}),
        ("repair", {}),
    ],
    "a repair that finds no run changes nothing": [
        ("damage_the_middle_of_the_trail", {"kind": "rotten", "place": 0}),
        ("damage_the_middle_of_the_trail", {"kind": "rotten", "place": 2}),
        ("lose_a_file", {"name": "state.json"}),
        ("repair", {}),
        ("note", {}),
    ],
}
INVARIANTS = (
    "nothing_acknowledged_is_rolled_back",
    "every_note_is_there_once",
    "what_this_process_knows_is_what_the_files_tell",
)


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_a_history_that_broke_a_promise_once_keeps_it(history: list[Step]) -> None:
    """Whoever changes how damage is read must not bring back what was found with so much search."""
    life = Life()
    try:
        life.begin()
        for name, given in history:
            getattr(life, name)(**given)
            for invariant in INVARIANTS:
                getattr(life, invariant)()
    finally:
        life.teardown()
