"""A schema is paid for in every turn of every session, so it holds nothing that says nothing."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, JsonValue, StringConstraints

from opentask_mcp.mcp.schemas import input_schema, output_schema

Id = Annotated[str, StringConstraints(pattern=r"[a-z]+", max_length=128)]


class Inner(BaseModel):
    """An inner model."""

    title: str = Field(description="Its title.")
    size: int | None = None


class Outer(BaseModel):
    """The tool's own description."""

    run_id: Id = Field(description="Which run.")
    title: str | None = Field(None, description="A field that is called as a keyword of JSON schema.")
    status: str | tuple[str, ...] | None = None
    action: Literal["pause", "resume"]
    view: Literal["concise", "refs"] = "concise"
    only: Literal["x"] = "x"
    limit: int = Field(20, ge=1, le=100)
    priority: int | str = 5
    inputs: dict[str, JsonValue] = {}
    tags: tuple[str, ...] = ()
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    anything: JsonValue = None
    cleared: Annotated[str | None, Field(json_schema_extra={"nullable": True})] = None


def test_a_model_becomes_the_smallest_schema_that_says_the_same() -> None:
    """Titles, null arms, references, patterns and empty defaults are for programs, not for models."""
    inner = {
        "type": "object",
        "description": "An inner model.",
        "properties": {"title": {"type": "string", "description": "Its title."}, "size": {"type": "integer"}},
        "required": ["title"],
    }
    assert input_schema(Outer) == {
        "type": "object",
        "properties": {
            "run_id": {"type": "string", "description": "Which run."},
            "title": {"type": "string", "description": "A field that is called as a keyword of JSON schema."},
            "status": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "action": {"type": "string", "enum": ["pause", "resume"]},
            "view": {"type": "string", "enum": ["concise", "refs"], "default": "concise"},
            "only": {"type": "string", "enum": ["x"], "default": "x"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            "priority": {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 5},
            "inputs": {"type": "object"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "inner": inner,
            "inners": {"type": "array", "items": inner},
            "anything": {},
            "cleared": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["run_id", "action"],
    }


def test_a_model_without_fields_is_still_an_object() -> None:
    """Some hosts refuse a tool whose schema has no properties."""

    class Empty(BaseModel):
        pass

    assert input_schema(Empty) == {"type": "object", "properties": {}}


class Tree(BaseModel):
    name: str
    children: tuple["Tree", ...] = ()


def test_a_model_that_contains_itself_is_told_one_level_deep() -> None:
    """Without references there is no other end."""
    assert output_schema(Tree) == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {}}},
        "required": ["name"],
    }
