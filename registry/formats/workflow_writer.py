"""A workflow as the text that reads back equal to it.

Keys stand in the order in which an author thinks of them, empty values are absent, prompts are
blocks of lines. What any YAML reader might take for something else than text is in quotes.
"""

from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from ..core.workflow import InputDeclaration, NodeDefinition, WaitFor, Workflow
from .frontmatter import join_front_matter
from .placed_yaml import plain_value

ALWAYS_WRITTEN: Final[dict[type[BaseModel], tuple[str, ...]]] = {
    InputDeclaration: ("type",),
    WaitFor: ("type",),
    NodeDefinition: ("id", "title", "kind"),
}
"""Fields that are written also where they are as by default, because the object says nothing without them."""

_TOP: Final = ("workflow_id", "title", "defaults", "driver", "inputs", "nodes")
_WIDTH: Final = 1 << 20
_ROW_CHARS_MAX: Final = 80


def write_workflow(workflow: Workflow) -> str:
    """Markdown with YAML front matter; `read_workflow` gives the same workflow back."""
    import yaml

    top: dict[str, object] = {}
    for name in _TOP:
        value = getattr(workflow, name)
        if name == "nodes" or value != Workflow.model_fields[name].get_default(call_default_factory=True):
            top[Workflow.model_fields[name].alias or name] = _as_written(value)
    top.update(workflow.extras)
    text: str = yaml.dump(
        top, Dumper=_dumper(), sort_keys=False, allow_unicode=True, default_flow_style=False, width=_WIDTH
    )
    return join_front_matter(text, workflow.body)


def _as_written(value: object) -> object:
    """Plain lists and objects with the file's keys, without what is as by default."""
    if isinstance(value, BaseModel):
        always = ALWAYS_WRITTEN.get(type(value), ())
        return {
            field.alias or name: _as_written(inner)
            for name, field in type(value).model_fields.items()
            if (inner := getattr(value, name)) != field.get_default(call_default_factory=True) or name in always
        }
    if isinstance(value, list | tuple):
        return [_as_written(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_written(item) for key, item in value.items()}
    return value


@cache
def _dumper() -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):  # type: ignore[misc]  # the base is known only once yaml is imported
        """Never aliases, and writes texts so that no reader takes them for anything else."""

        def ignore_aliases(self, _: object) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        style = None
        if "\n" in value and not any(line != line.rstrip() for line in value.split("\n")):
            style = "|"
        elif not isinstance(plain_value(value), str):
            style = "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    def number(dumper: Any, value: float) -> Any:
        # YAML 1.1 wants a dot where repr has none, as in 1e+16.
        written = repr(value)
        if "e" in written and "." not in written:
            written = written.replace("e", ".0e")
        return dumper.represent_scalar("tag:yaml.org,2002:float", written)

    def row(dumper: Any, value: list[object]) -> Any:
        # A short list of names reads best on one line: needs: [build, test].
        is_short = all(isinstance(item, str) for item in value) and len(str(value)) <= _ROW_CHARS_MAX
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=is_short)

    Dumper.add_representer(str, text)
    Dumper.add_representer(list, row)
    Dumper.add_representer(float, number)
    return Dumper
