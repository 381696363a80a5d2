"""The documentation holds together: links lead somewhere, translations keep up, reference pages are current."""

import re

import pytest

from docs.generate import PAGES, REFERENCE
from opentask_mcp.mcp.offers import kept_offers
from tests.docs.pages import ROOT, Page, pages

_PAGES = {page.name: page for page in pages()}
_TRANSLATED = sorted(name for name in _PAGES if name.endswith(".zh.md"))
_ELSEWHERE = re.compile(r"^(https?|mailto):")
_CALL = re.compile(r"^(?:[<>] )?([a-z]+(?:_[a-z]+)+) \{(.*)\}$")


@pytest.mark.parametrize("name", _PAGES)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(name: str) -> None:
    """A reader who follows a dead link is on their own."""
    page = _PAGES[name]
    dead = []
    for row, target in page.links():
        if _ELSEWHERE.match(target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.path.parent / path).resolve() if path else page.path
        if not file.exists() or (anchor and anchor not in Page(file).anchors()):
            dead.append(f"{name}:{row}: {target}")

    assert dead == []


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    """`python -m docs.generate` writes them; nobody edits them."""
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name]()


def test_there_is_no_reference_page_that_nothing_makes() -> None:
    """A page of something that is gone would still be believed."""
    assert sorted(path.name for path in REFERENCE.iterdir()) == sorted(PAGES)


@pytest.mark.parametrize("name", _TRANSLATED)
def test_a_translation_has_the_headings_and_the_blocks_of_its_original(name: str) -> None:
    """Commands are tested in the English page; the Chinese one must not say others."""
    translated, original = _PAGES[name], _PAGES[name.replace(".zh.md", ".md")]

    assert [level for level, _ in translated.headings()] == [level for level, _ in original.headings()]
    assert [(b.language, b.path, b.rows) for b in translated.blocks()] == [
        (b.language, b.path, b.rows) for b in original.blocks()
    ]


@pytest.mark.parametrize("name", _PAGES)
def test_a_page_names_no_machine_and_no_package_registry(name: str) -> None:
    """What is true on one machine, or of one mirror, is no documentation."""
    found = re.findall(r"(?<![\w./])/(?:work|root|tmp/(?!opentask-demo))\b|pypi\.|npmjs", _PAGES[name].text)

    assert found == []


@pytest.mark.parametrize("name", _PAGES)
def test_a_call_that_a_page_shows_has_the_arguments_of_its_tool(name: str) -> None:
    """Models read these pages too, and copy."""
    tools = {tool: offer.tool["inputSchema"] for tool, offer in kept_offers().items()}
    wrong = []
    for block in _PAGES[name].blocks():
        for row in block.rows:
            match = _CALL.match(row)
            if match is None:
                continue
            schema = tools.get(match[1])
            assert isinstance(schema, dict), f"{name}: no tool {match[1]!r}"
            known = schema["properties"]
            assert isinstance(known, dict)
            depth0 = re.sub(r"\{.*\}|\[.*\]", "", match[2])
            wrong += [f"{name}: {match[1]} has no {key}" for key in re.findall(r'"(\w+)":', depth0) if key not in known]

    assert wrong == []


def test_every_page_is_reached_from_the_readme() -> None:
    """A page that nothing links to is not read."""
    seen: set[str] = set()
    ahead = ["README.md"]
    while ahead:
        page = _PAGES[ahead.pop()]
        for _, target in page.links():
            path = (page.path.parent / target.partition("#")[0]).resolve()
            if path.suffix == ".md" and path.is_relative_to(ROOT):
                name = path.relative_to(ROOT).as_posix()
                if name in _PAGES and name not in seen:
                    seen.add(name)
                    ahead.append(name)

    assert {name for name in _PAGES if name != "README.md"} - seen == set()
