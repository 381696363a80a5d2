"""Texts made to hurt: each ends in one clear fault, found before anything large is built."""

import sys
from itertools import pairwise

import pytest

from registry.formats.workflow_file import read_workflow


def laughs() -> str:
    names = "abcdefghij"
    lines = [f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]" for before, name in pairwise(names)]
    return "\n".join([f"a: &a [{','.join('x' * 9)}]", *lines])


def front(yaml: str) -> str:
    return f"---\n{yaml}\n---\n"


LONG = 250 << 10

HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "a billion laughs": (front(laughs()), "7:8: aliases repeat over 262,144 characters"),
    "a long text repeated": (
        front(f"a: &a {'x' * 100_000}\nb: [*a, *a, *a]"),
        "3:13: aliases repeat over 262,144 characters",
    ),
    "a list that holds itself": (front("a: &a [*a]"), "2:8: alias *a has no finished anchor before it"),
    "an object tag": (
        front("a: !!python/object/apply:os.system [x]"),
        "2:4: the tag !!python/object/apply:os.system is refused; "
        "a workflow holds only text, numbers, lists and objects",
    ),
    "a tag of its own": (
        front("a: !secret x"),
        "2:4: the tag !secret is refused; a workflow holds only text, numbers, lists and objects",
    ),
    "ten megabytes of text": ("x" * (10 << 20), "1:1: the file is 10,485,760 bytes; the limit is 262,144"),
    "ten megabytes of bytes": (b"\xff" * (10 << 20), "1:1: the file is 10,485,760 bytes; the limit is 262,144"),
    "many bytes in few characters": ("ü" * 200_000, "1:1: the file is 400,000 bytes; the limit is 262,144"),
    "ten thousand levels": (
        front("a: " + "[" * 10_000 + "]" * 10_000),
        "2:43: the front matter is nested over 40 deep",
    ),
    "levels without end": (front("{" * LONG), "2:41: the front matter is nested over 40 deep"),
    "levels of lists": (front("- " * (LONG // 2)), "2:81: the front matter is nested over 40 deep"),
    "levels of keys": (front("? " * (LONG // 2)), "2:81: the front matter is nested over 40 deep"),
    "a NUL": (front("a: b\nb: c\0"), "3:5: holds a NUL character"),
    "a NUL in the body": ("---\na: 1\n---\n\0", "4:1: holds a NUL character"),
    "an escaped NUL": (front('a: "b\\0"'), "2:4: a text holds a NUL character"),
    "a control character": (front("a: 1\nb: \x01"), "3:4: YAML: the control character 0x01 is not allowed"),
    "half a surrogate pair": (front("a: \ud800"), "2:4: holds half of a surrogate pair, which is no text"),
    "latin-1": ("---\ntitle: café\n---\n".encode("latin-1"), "2:11: is not UTF-8: byte 0xe9"),
    "utf-16": ("---\ntitle: Demo\n---\n".encode("utf-16"), "1:1: is UTF-16, not UTF-8"),
    "nothing": ("", "1:1: the file does not begin with front matter"),
    "blanks": (front(" " * LONG), "2:1: the front matter is empty"),
    "a second document": (front("a: 1\n--- b"), "3:1: a second document begins here"),
    "a number with a wrong tag": (front("a: !!int ten"), "2:4: 'ten' is not what its tag says"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_gets_one_clear_fault(name: str) -> None:
    """A file from anywhere must not stop the server, and its author must learn what is wrong."""
    text, expected = HOSTILE[name]

    reading = read_workflow(text, source="w")

    assert [f"{fault.line}:{fault.column}: {fault.message}" for fault in reading.faults] == [expected]
    assert reading.workflow is None


def test_a_number_of_a_hundred_thousand_digits_is_text() -> None:
    """Python refuses to turn it into a number; that is no reason to fall over it."""
    reading = read_workflow(
        front(f"workflowId: {'1' * 100_000}\ntitle: Demo\nnodes: [{{id: a, title: A, kind: summary}}]")
    )

    assert [fault.message.split(";")[0][:20] for fault in reading.faults] == ["workflowId is '11111"]


def test_reading_stays_shallow_on_the_stack() -> None:
    """A server's worker thread has little stack left; forty levels are all that may be used."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    try:
        reading = read_workflow(front("x-a: " + "[" * 38 + "]" * 38 + "\nworkflowId: w\ntitle: W\nnodes: []"))
    finally:
        sys.setrecursionlimit(before)

    assert [fault.message for fault in reading.faults] == ["nodes is empty; a workflow has at least one"]
