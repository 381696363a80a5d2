"""The words and signs of a condition, each with its place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from .names import is_id, shown
from .record import Json

WHEN_CHARS_MAX: Final = 4_096

WORDS: Final = frozenset({"and", "or", "not", "in"})
LITERAL_WORDS: Final[dict[str, Json]] = {"true": True, "false": False, "null": None}
WORDS_OF_OTHER_LANGUAGES: Final = {
    "True": "true",
    "False": "false",
    "None": "null",
    "nil": "null",
    "undefined": "null",
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "IN": "in",
    "is": "==",
    "=": "==",
    "===": "==",
    "!==": "!=",
    "<>": "!=",
    "&&": "and",
    "||": "or",
    "!": "not",
}

_SPACE: Final = re.compile(r"[ \t\r\n]+")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})?(?![0-9A-Za-z_.])")
_STRING: Final = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t"}
_SIGN: Final = re.compile(r"===|!==|==|!=|<=|>=|<>|&&|\|\||[<>()\[\],=!]")
_ROOT: Final = re.compile(r"(inputs|nodes)(?=[.\[])")
_DOTTED: Final = re.compile(r"\.([A-Za-z0-9._-]*)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_RESULT: Final = re.compile(r"(.+)\.result\.([^.]+)")
_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class ExpressionFault(ValueError):
    """A condition that is not of the language.

    Args:
        offset: The character of the text, from 0, at which the fault stands.
        mend: What to write instead; empty when the message says it.
    """

    def __init__(self, message: str, *, offset: int, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.mend = mend


@dataclass(frozen=True)
class Token:
    """A piece of a condition; `path` is an input's name, or a node's id with the result's key."""

    kind: Literal["word", "sign", "literal", "input", "node", "end"]
    text: str
    offset: int
    value: Json = None
    path: tuple[str, ...] = ()


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a condition, the last of kind `end`.

    Raises:
        ExpressionFault: a character or word that the language does not have.
    """
    place = 0
    while True:
        space = _SPACE.match(text, place)
        place = space.end() if space else place
        if place == len(text):
            yield Token("end", "", place)
            return
        token, place = _token(text, place)
        yield token


def _token(text: str, start: int) -> tuple[Token, int]:
    if root := _ROOT.match(text, start):
        return _reference(text, start, root)
    if number := _NUMBER.match(text, start):
        return Token("literal", number[0], start, value=_number(number[0])), number.end()
    if text[start] in "'\"":
        return _string(text, start)
    if found := _SIGN.match(text, start) or _NAME.match(text, start):
        word = found[0]
        if word in LITERAL_WORDS:
            return Token("literal", word, start, value=LITERAL_WORDS[word]), found.end()
        if word in WORDS:
            return Token("word", word, start), found.end()
        if word in WORDS_OF_OTHER_LANGUAGES:
            raise ExpressionFault(
                f"{word!r} is not of this language", offset=start, mend=f"write {WORDS_OF_OTHER_LANGUAGES[word]}"
            )
        if not word[0].isalpha() and word[0] != "_":
            return Token("sign", word, start), found.end()
        raise ExpressionFault(
            f"{shown(word, 40)!r} means nothing here",
            offset=start,
            mend="write inputs.<name>, nodes.<id>.status, nodes.<id>.result.<key>, or put a string in quotes",
        )
    raise ExpressionFault(f"{shown(text[start:], 12)!r} cannot be read", offset=start)


def _number(text: str) -> int | float:
    return float(text) if any(sign in text for sign in ".eE") else int(text)


def _string(text: str, start: int) -> tuple[Token, int]:
    found = _STRING.match(text, start)
    if found is None:
        raise ExpressionFault("a string is not closed", offset=start, mend=f"end it with {text[start]}")
    raw = found[1] if found[1] is not None else found[2]
    for escape in _ESCAPE.finditer(raw):
        if escape[1] not in _ESCAPED:
            raise ExpressionFault(
                f"{shown(escape[0])!r} is not an escape",
                offset=start + 1 + escape.start(),
                mend="a backslash is written twice",
            )
    value = _ESCAPE.sub(lambda escape: _ESCAPED[escape[1]], raw)
    return Token("literal", found[0], start, value=value), found.end()


def _reference(text: str, start: int, root: re.Match[str]) -> tuple[Token, int]:
    """`inputs` or `nodes` with all that follows it: dotted names and quoted names in brackets."""
    parts: list[str] = []
    quoted = False
    place = root.end()
    while place < len(text):
        if text[place] == "[":
            name, place = _bracketed(text, place)
            quoted = True
            parts.append(name)
        elif dotted := _DOTTED.match(text, place):
            # A quoted name has said where it ends, so only what follows it may still be cut.
            parts.append(dotted[1])
            place = dotted.end()
        else:
            break
    whole = text[start:place]
    if root[0] == "inputs":
        if len(parts) != 1 or not (quoted or _KEY.fullmatch(parts[0])):
            raise ExpressionFault(f"{shown(whole)!r} names no input", offset=start, mend="write inputs.<name>")
        return Token("input", whole, start, path=(parts[0],)), place
    path = _node_path(parts, quoted_first=text[root.end()] == "[")
    if path is None:
        raise ExpressionFault(
            f"{shown(whole)!r} does not say what of the node",
            offset=start,
            mend="write nodes.<id>.status or nodes.<id>.result.<key>; a result has one level",
        )
    return Token("node", whole, start, path=path), place


def _bracketed(text: str, start: int) -> tuple[str, int]:
    if start + 1 >= len(text) or text[start + 1] not in "'\"":
        raise ExpressionFault("brackets hold a name in quotes", offset=start, mend='write nodes["<id>"].status')
    token, place = _string(text, start + 1)
    if text[place : place + 1] != "]":
        raise ExpressionFault("a bracket is not closed", offset=start, mend="end it with ]")
    return str(token.value), place + 1


def _node_path(parts: list[str], *, quoted_first: bool) -> tuple[str, ...] | None:
    """The node's id and, for a result, the key; None when it is neither form."""
    if not quoted_first and len(parts) == 1:
        if found := _RESULT.fullmatch(parts[0]):
            path: tuple[str, ...] = (found[1], found[2])
        elif parts[0].endswith(".status"):
            path = (parts[0].removesuffix(".status"),)
        else:
            return None
    elif not quoted_first and len(parts) == 2 and parts[0].endswith(".result"):
        path = (parts[0].removesuffix(".result"), parts[1])
    elif quoted_first and parts[1:] == ["status"]:
        path = (parts[0],)
    elif quoted_first and len(parts) == 2 and parts[1].startswith("result.") and parts[1].count(".") == 1:
        path = (parts[0], parts[1].removeprefix("result."))
    elif quoted_first and len(parts) == 3 and parts[1] == "result":
        path = (parts[0], parts[2])
    else:
        return None
    return path if is_id(path[0]) and path[-1] else None
