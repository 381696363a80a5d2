"""Whatever hands and disks do to a run: it is said, mended, every byte is kept, and work goes on."""

import os
import stat
from pathlib import Path

import pytest

from registry.errors import RegistryError
from tests.doctor.damages import DAMAGES, Damage
from tests.doctor.given import OTHER, RUN, Given, statuses

AT_WORK = {"gather": "completed", "build": "running", "sum": "pending"}


def texts(folder: Path) -> list[bytes]:
    """The content of every plain file below a folder."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if stat.S_ISREG(path.lstat().st_mode):
                found.append(path.read_bytes())
    return found


every_damage = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)


@every_damage
def test_doctor_says_what_is_so_and_changes_nothing(work: Given, damage: Damage) -> None:
    """Whoever looks must learn all of it, and must not make anything worse by looking."""
    damage.do(work.folder)
    before = texts(work.root)

    answer = work.ask("doctor")

    assert {row["code"] for row in answer["findings"]} == damage.says
    assert answer["runs_checked"] == 2
    assert {row["run_id"] for row in answer["findings"]} <= {RUN}
    assert texts(work.root) == before
    # Whoever follows our words must not lose what a repair would have saved.
    assert [word for word in ("delet", "remove ", "rm ") if word in str(answer)] == []


@every_damage
def test_a_damaged_run_hides_no_other(work: Given, damage: Damage) -> None:
    """One broken folder must not take the whole registry down."""
    damage.do(work.folder)

    assert [row["run_id"] for row in work.ask("list_runs")["runs"] if row["run_id"] == OTHER] == [OTHER]
    assert work.ask("claim_node", run_id=OTHER)["claimed"]


@every_damage
def test_a_repair_keeps_every_byte_and_the_work_goes_on(work: Given, damage: Damage) -> None:
    """After a repair the worker hands in with the fence it had, and the run proves itself."""
    ours = texts(work.folder)
    damage.do(work.folder)
    theirs = [text for text in texts(work.folder) if text not in ours and damage.says]
    words = {line for text in theirs for line in text.split(b"\n")}

    answer = work.ask("repair_run", run_id=RUN)

    assert answer["ok"], answer
    assert [word for word in ("delet", "remove ", "rm ") if word in str(answer)] == []
    assert {row["code"] for row in answer["left"]} <= {"missing_output"}, answer
    assert answer["mended"] or damage.says <= {row["code"] for row in answer["left"]}, "mended in silence"
    kept = texts(work.root)
    assert [line for line in words if not any(line in text for text in kept)] == []
    if not damage.loses:
        assert statuses(work.ask("get_run", run_id=RUN)) == AT_WORK
    done = work.finish()
    assert done["run_status"] == "running"
    assert work.ask("validate_run", run_id=RUN)["errors"] == 0
    assert work.codes() <= {"missing_output"}
    assert work.ask("repair_run", run_id=RUN)["mended"] == []


@every_damage
def test_the_next_change_mends_it_or_says_who_does(work: Given, damage: Damage) -> None:
    """Most of it needs nobody; the rest is refused with the call that mends it, and nothing is half done."""
    damage.do(work.folder)
    if damage.stops:
        with pytest.raises(RegistryError) as refused:
            work.finish()
        assert "repair" in f"{refused.value.hint} {refused.value.next}", refused.value.message
        return

    assert work.finish()["run_status"] == "running"
    assert work.ask("validate_run", run_id=RUN)["ok"] != damage.hides
