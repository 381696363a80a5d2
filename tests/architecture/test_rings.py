"""The rules hold in the tree, and each of them can fail."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture import rules
from tests.architecture.rules import RULES, Rule
from tests.architecture.source import ROOT, Module, our_modules


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_two_packages_keep_every_rule(rule: Rule) -> None:
    """A rule that is only written down is kept until the first hurry."""
    assert [broken for module in our_modules() for broken in rule(module)] == []


BAD: list[tuple[Rule, str, str, list[str]]] = [
    (
        rules.imports_go_down,
        "registry/core/run.py",
        "from ..formats import snapshot",
        ["1: registry.core.run (ring 0) imports registry.formats.snapshot (ring 1); imports go down only"],
    ),
    (
        rules.imports_go_down,
        "registry/errors.py",
        "from . import Registry",
        ["1: registry.errors (ring 0) imports registry.Registry (ring 3); imports go down only"],
    ),
    (
        rules.imports_go_down,
        "registry/storage/files/__init__.py",
        "def lock() -> None:\n    from ...operations.table import OPERATIONS",
        [
            "2: registry.storage.files (ring 2) imports registry.operations.table.OPERATIONS (ring 4); "
            "imports go down only"
        ],
    ),
    (
        rules.imports_go_down,
        "registry/formats/snapshot.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..storage.port import Store",
        ["3: registry.formats.snapshot (ring 1) imports registry.storage.port.Store (ring 2); imports go down only"],
    ),
    (
        rules.imports_go_down,
        "registry/settings.py",
        "import opentask_mcp.cli",
        ["1: registry.settings (ring 3) imports opentask_mcp.cli (ring 5); imports go down only"],
    ),
    (
        rules.imports_go_down,
        "registry/extra.py",
        "",
        ["1: registry.extra has no ring: give it one in the table of tests/architecture/rules.py"],
    ),
    (
        rules.imports_inside_a_package_are_relative,
        "registry/core/run.py",
        "import registry.errors\nfrom registry.core.names import RunId",
        [
            "1: import registry.errors with leading dots inside registry",
            "2: import registry.core.names.RunId with leading dots inside registry",
        ],
    ),
    (
        rules.surfaces_use_public_names,
        "opentask_mcp/cli/main.py",
        "from registry.storage.files import log\nfrom registry.errors import _wording",
        [
            "1: a surface imports registry.storage.files.log; only the Registry knows its storage",
            "2: a surface imports registry.errors._wording, which is private to registry",
        ],
    ),
    (
        rules.libraries_stay_at_home,
        "registry/core/run.py",
        "import yaml\nimport requests\nfrom sqlite3 import connect",
        [
            "1: yaml is imported outside registry.formats",
            "2: requests is no dependency of ours",
            "3: sqlite3 is imported outside registry.storage",
        ],
    ),
    (
        rules.libraries_stay_at_home,
        "opentask_mcp/cli/main.py",
        "def serve() -> None:\n    import mcp.server",
        ["2: mcp is imported outside opentask_mcp.mcp and opentask_mcp.demo"],
    ),
    (
        rules.the_sdk_is_loaded_only_to_serve,
        "opentask_mcp/cli/main.py",
        "from ..mcp.main import main",
        ["1: opentask_mcp.mcp.main.main loads the MCP SDK: import it inside the function that serves"],
    ),
    (
        rules.the_inside_does_no_io,
        "registry/core/run.py",
        "import os.path\nfrom pathlib import Path\ntext = open(0).read()\nfolder.mkdir()",
        [
            "1: os.path does I/O or differs from call to call; storage does that",
            "2: pathlib.Path does I/O or differs from call to call; storage does that",
            "3: open() does I/O; storage does that",
            "4: .mkdir does I/O; storage does that",
        ],
    ),
    (
        rules.time_and_chance_come_from_the_clock,
        "opentask_mcp/mcp/feed.py",
        "import time as t\nfrom datetime import datetime as dt\nfrom uuid import uuid4\ndt.now()\nread = t.time",
        [
            "3: uuid.uuid4 is used outside registry/clock.py",
            "4: datetime.datetime.now is used outside registry/clock.py",
            "5: time.time is used outside registry/clock.py",
        ],
    ),
    (
        rules.time_and_chance_come_from_the_clock,
        "registry/storage/files/locks.py",
        "import datetime\nfrom time import time\ndatetime.date.today()",
        [
            "2: time.time is used outside registry/clock.py",
            "3: datetime.date.today is used outside registry/clock.py",
        ],
    ),
    (
        rules.only_the_edge_catches_everything,
        "registry/storage/files/log.py",
        "try:\n    pass\nexcept (OSError, Exception):\n    pass\ntry:\n    pass\nexcept:\n    raise ValueError",
        ["3: catches everything; only the edge may", "7: catches everything; only the edge may"],
    ),
    (
        rules.only_the_edge_catches_everything,
        "opentask_mcp/mcp/text.py",
        "import contextlib\nwith contextlib.suppress(BaseException):\n    pass",
        ["2: suppresses everything; only the edge may"],
    ),
    (
        rules.files_and_functions_fit_in_the_head,
        "opentask_mcp/mcp/text.py",
        "async def long() -> None:\n" + "    pass\n" * 60 + "#\n" * 340,
        ["1: 401 lines; a file has at most 400", "1: long has 61 lines; a function has at most 60"],
    ),
    (
        rules.what_is_decided_is_typed,
        "registry/operations/table.py",
        "import typing\nfrom typing import Any\nheld: dict[str, typing.Any] = {}",
        ["2: Any has no place in registry.operations.table", "3: Any has no place in registry.operations.table"],
    ),
]


@pytest.mark.parametrize(("rule", "path", "text", "broken"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_a_module_that_breaks_a_rule_is_named_with_its_line(
    rule: Rule, path: str, text: str, broken: list[str]
) -> None:
    """A checker that cannot fail checks nothing."""
    assert list(rule(Module(path, text))) == [f"{path}:{sentence}" for sentence in broken]


def test_every_rule_has_a_module_that_breaks_it() -> None:
    """A rule added without one may have been written wrong."""
    assert {rule for rule, *_ in BAD} == set(RULES)


GOOD: list[tuple[str, str]] = [
    ("registry/core/run.py", "from ..errors import NotFound\nfrom pathlib import PurePosixPath\nimport pydantic"),
    ("registry/formats/snapshot.py", "import io\nimport yaml\nfrom ..core import run"),
    (
        "registry/storage/files/log.py",
        "import os\nimport filelock\ntry:\n    pass\nexcept BaseException:\n    os.close(3)\n    raise",
    ),
    ("registry/clock.py", "import secrets\nfrom datetime import datetime\ndatetime.now()"),
    ("registry/core/names.py", "from datetime import datetime\ndatetime.fromisoformat('2026-01-02T03:04:05Z')"),
    ("opentask_mcp/cli/main.py", "import click\ndef serve() -> None:\n    from ..mcp.main import main"),
    ("opentask_mcp/mcp/tools.py", "import mcp\ntry:\n    pass\nexcept Exception:\n    pass"),
    ("opentask_mcp/mcp/text.py", "from typing import Any\n" + "#\n" * 399),
]


@pytest.mark.parametrize(("path", "text"), GOOD, ids=[path for path, _ in GOOD])
def test_a_module_that_keeps_the_rules_is_let_through(path: str, text: str) -> None:
    """A rule that stops right code is soon switched off."""
    assert [broken for rule in RULES for broken in rule(Module(path, text))] == []


# Written in two pieces so that this file may be searched too.
PRIVATE_PLACES = re.compile(r"(?<![\w.-])/" + r"work\b" + "|" + "shared" + "/spec")


def private_places(text: str) -> list[int]:
    """The lines of a text that name a place of the machine it was written on."""
    return [number for number, line in enumerate(text.splitlines(), start=1) if PRIVATE_PLACES.search(line)]


def files_of_the_repository() -> Iterator[Path]:
    """What is or would be tracked; every file, where the source came without its history."""
    # A checkout that belongs to another user is still ours to read.
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        paths = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if ".venv" not in path.parts]
    return (path for path in paths if path.is_file())


def test_no_file_names_a_place_of_the_machine_it_was_written_on() -> None:
    """A path that only the author has is worth nothing to whoever clones the repository."""
    named = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files_of_the_repository()
        for line in private_places(path.read_bytes().decode("utf-8", "replace"))
    ]

    assert named == []


def test_a_private_place_is_found_and_a_workflow_is_not_taken_for_one() -> None:
    """The search must find the folder and leave the many words that begin like it."""
    place = "/" + "work"
    text = f"cd {place}\n'{place}/main'\nroot{place}flows/a.task.md\n/{place[1:]}flows\nsee shared{'/'}spec/a.md"

    assert private_places(text) == [1, 2, 5]


def test_lazy_and_relative_imports_are_told_apart() -> None:
    """The rules lean on this reading of a module."""
    read: Callable[[str], list[tuple[str, bool]]] = lambda text: [  # noqa: E731 - one use, beside its answer
        (brought.target, brought.is_lazy) for brought in Module("registry/core/decide/nodes.py", text).imports
    ]

    assert read(
        "from ... import errors\n"
        "from .. import run as r, names\n"
        "from .plan import change\n"
        "def f():\n    import a.b\n"
        "class C:\n    import c\n"
        "if TYPE_CHECKING:\n    import d\nelse:\n    import e\n"
    ) == [
        ("registry.errors", False),
        ("registry.core.run", False),
        ("registry.core.names", False),
        ("registry.core.decide.plan.change", False),
        ("a.b", True),
        ("c", False),
        ("d", True),
        ("e", False),
    ]
