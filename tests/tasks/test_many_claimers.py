"""Many processes on one queue, some of them killed: each task goes to one, in the order of the queue."""

import os
import random
import signal
from pathlib import Path

from tests.tasks.claimers import fill, judge, start

LONG = os.environ.get("CRASH_TESTS") == "long"
TASKS, WORKERS, KILLS = (10_000, 8, 40) if LONG else (120, 8, 6)


def test_of_eight_processes_each_task_goes_to_one_though_some_are_killed(tmp_path: Path) -> None:
    """Two workers on one task do it twice; a task that nobody gets is never done."""
    order = fill(tmp_path, TASKS, seed=7)
    chance = random.Random(11)
    workers = [start(tmp_path) for _ in range(WORKERS)]
    for _ in range(KILLS):
        victim = chance.randrange(WORKERS)
        stdout = workers[victim].stdout
        assert stdout is not None
        # After a claim it holds a task, or is finishing it, or is at its next claim: any of these may be cut short.
        for _ in range(chance.randint(1, max(2, TASKS // (WORKERS * KILLS)))):
            stdout.readline()
        workers[victim].send_signal(signal.SIGKILL)
        workers[victim].communicate()
        workers[victim] = start(tmp_path)

    for worker in workers:
        worker.communicate(timeout=3_000 if LONG else 240)

    assert [worker.returncode for worker in workers] == [0] * WORKERS
    judge(tmp_path, order, killed=KILLS)
