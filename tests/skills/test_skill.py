"""What the skill tells agents is so: its front matter, its links, every call and every command in it."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from runpy import run_path
from typing import Any

import click
import pytest
import yaml

from opentask_mcp.cli.main import opentask
from opentask_mcp.cli.session import Session
from registry.errors import RegistryError
from registry.formats.workflow_file import read_workflow
from registry.operations.parse import parse_request
from registry.operations.table import OPERATIONS

SKILL = Path(__file__).parents[2] / "skills" / "opentask"
PAGES = ("SKILL.md", "SKILL.zh.md", "references/orchestrator.md", "references/registry.md", "references/operations.md")
HOST_TOOLS = {"sessions_spawn", "session_status", "sessions_list", "automations"}

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)]+)\)")
_CALL = re.compile(r"([a-z]+(?:_[a-z]+)+) (\{.*\})")


def page(name: str) -> str:
    return (SKILL / name).read_text(encoding="utf-8")


def front_matter() -> Mapping[str, Any]:
    _, text, _ = page("SKILL.md").split("---\n", 2)
    read: Mapping[str, Any] = yaml.safe_load(text)
    return read


def fenced(name: str, language: str) -> list[str]:
    return [text for found, text in _FENCED.findall(page(name)) if found == language]


def in_code(name: str) -> Iterator[str]:
    for line in _FENCED.sub("", page(name)).splitlines():
        yield from _CODE.findall(line)


def calls(name: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Every call with its arguments that a page shows, fenced or in a line."""
    for text in fenced(name, "json"):
        shown = json.loads(text)
        if "tool" in shown:
            assert set(shown) == {"tool", "args"}
            yield shown["tool"], shown["args"]
    for words in in_code(name):
        found = _CALL.fullmatch(words)
        if found and found[1] not in HOST_TOOLS:
            yield found[1], json.loads(found[2])


def test_the_front_matter_is_what_hosts_read() -> None:
    """A skill with a broken head is not loaded, and nobody is told."""
    head = front_matter()
    lines = page("SKILL.md").split("---\n", 2)[1].splitlines()

    assert list(head) == ["name", "description", "metadata"]
    assert [line.partition(":")[0] for line in lines] == list(head)
    assert head["name"] == SKILL.name == "opentask"
    assert isinstance(head["description"], str) and 40 < len(head["description"]) < 160
    assert head["metadata"] == {"openclaw": {"requires": {"bins": [], "env": [], "config": ["mcp.servers.opentask"]}}}


def test_the_skill_is_short() -> None:
    """It is read whole into every session that uses it."""
    assert len(page("SKILL.md").splitlines()) < 150
    assert len(page("SKILL.md")) < 10_000


def test_only_one_page_is_a_skill() -> None:
    """A second head would be a second skill of the same name to some hosts."""
    assert [name for name in PAGES if page(name).startswith("---\n")] == ["SKILL.md"]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    """An agent that follows a dead link guesses instead."""
    for link in _LINK.findall(page(name)):
        assert ((SKILL / name).parent / link).is_file(), link


def test_every_page_is_reached_from_the_skill() -> None:
    """What nothing leads to is never read."""
    assert set(_LINK.findall(page("SKILL.md"))) == set(PAGES) - {"SKILL.md"}
    assert "{baseDir}/scripts/registry_helper.py" in page("SKILL.md")


@pytest.mark.parametrize("name", PAGES)
def test_every_call_that_is_shown_would_be_taken(name: str) -> None:
    """Examples are copied; one that is refused costs an agent its trust in the others."""
    for tool, arguments in calls(name):
        try:
            parse_request(OPERATIONS[tool], arguments)
        except RegistryError as refusal:
            pytest.fail(f"{tool} {json.dumps(arguments)}: {refusal.message}")


@pytest.mark.parametrize("name", PAGES)
def test_every_name_in_code_is_a_tool_a_field_or_a_code(name: str) -> None:
    """A tool that was renamed must be renamed here too."""
    fields = {
        field for tool in OPERATIONS.values() for field in (*tool.request.model_fields, *tool.result.model_fields)
    }
    fields |= {
        "last_heard_at",
        "child_prompt",
        "session_target",
        "not_before",
        "next_tick",
        "file_exists",
        "session_turn",
    }
    fields |= {"timed_out", "condition_false", "resume_run", "add_node"}
    codes = {one.code for one in _below(RegistryError)}
    for words in in_code(name):
        for word in re.findall(r"(?<![\w/.-])[a-z]+(?:_[a-z]+)+(?![\w/.-])", words):
            assert word in {*OPERATIONS, *fields, *codes, *HOST_TOOLS}, f"{name}: {word}"


def _below(kind: type[RegistryError]) -> Iterator[type[RegistryError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _below(one)


@pytest.mark.parametrize("name", PAGES)
def test_no_page_knows_a_machine(name: str) -> None:
    """Paths of whoever wrote it mean nothing to whoever reads it."""
    assert not re.search(r"(?<![\w.<])/(?:home|work|root|tmp|Users|usr|opt|var)/", page(name))


def test_the_example_of_a_workflow_is_one() -> None:
    """It is what agents copy when they write their first."""
    (text,) = fenced("references/registry.md", "yaml")
    reading = read_workflow(text)

    assert [str(fault) for fault in (*reading.faults, *reading.warnings)] == []


def commands() -> list[str]:
    """Every command of the helper that the pages show, with something in the place of what varies."""
    found = []
    for name in PAGES:
        for words in in_code(name):
            if words.startswith("H ") and words != "H cli":
                found.append(words.removeprefix("H ").replace("[NODE]", "NODE").replace("{...}", "{}"))
    return found


@pytest.mark.parametrize("line", commands())
def test_every_command_that_is_shown_can_be_said(line: str) -> None:
    """Without the server's tools these are all an agent has."""
    helper = run_path(str(SKILL / "scripts" / "registry_helper.py"))
    asked = helper["parser"]().parse_args(shlex.split(line))
    if asked.command != "cli":
        return
    context = click.Context(opentask(), obj=Session())
    group = opentask()
    words = list(asked.words)
    while isinstance(group, click.Group):
        name, command, words = group.resolve_command(context, words)
        assert command is not None
        context = click.Context(command, info_name=name, parent=context, obj=Session())
        if not isinstance(command, click.Group):
            command.parse_args(context, words)
            return
        group = command
    raise AssertionError(line)


def test_every_tool_that_is_on_by_default_is_spoken_of() -> None:
    """What is not named is not used."""
    told = "".join(page(name) for name in PAGES)

    assert [tool for tool in OPERATIONS if OPERATIONS[tool].toolset == "core" and tool not in told] == []
