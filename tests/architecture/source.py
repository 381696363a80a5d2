"""A module of ours as the rules see it: what it imports, and what its names stand for."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("registry", "opentask_mcp")


@dataclass(frozen=True)
class Import:
    """One name that an import statement brings in.

    Args:
        target: Dotted and absolute: `from ..core import names` in registry/formats is
            `registry.core.names`.
        alias: The name it has in the module.
        is_relative: Written with leading dots.
        is_lazy: Carried out when a function is called or never, not when the module is imported.
    """

    target: str
    alias: str
    line: int
    is_relative: bool
    is_lazy: bool


@dataclass(frozen=True)
class Module:
    """A parsed file; `path` is relative to the repository, with forward slashes."""

    path: str
    text: str

    @cached_property
    def name(self) -> str:
        parts = PurePosixPath(self.path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(self._imports_below(self.tree, is_lazy=False))

    def at(self, line: int, sentence: str) -> str:
        return f"{self.path}:{line}: {sentence}"

    def walk(self) -> Iterator[ast.AST]:
        """Every node, in the order it is read."""
        pending: list[ast.AST] = [self.tree]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(reversed(list(ast.iter_child_nodes(node))))

    def meaning(self, node: ast.AST) -> str:
        """What a name or attribute chain stands for: `dt.now` after `from datetime import datetime as dt`
        is `datetime.datetime.now`. Empty for anything else."""
        if isinstance(node, ast.Attribute):
            before = self.meaning(node.value)
            return f"{before}.{node.attr}" if before else ""
        return self._meanings.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    @cached_property
    def _meanings(self) -> dict[str, str]:
        return {brought.alias: brought.target for brought in self.imports if "." not in brought.alias}

    def _imports_below(self, parent: ast.AST, *, is_lazy: bool) -> Iterator[Import]:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.Import):
                for name in node.names:
                    yield Import(name.name, name.asname or name.name, node.lineno, False, is_lazy)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                for name in node.names:
                    target = f"{base}.{name.name}" if base else name.name
                    yield Import(target, name.asname or name.name, node.lineno, node.level > 0, is_lazy)
            elif isinstance(node, ast.If) and self._is_type_checking(node.test):
                for child in node.body:
                    yield from self._imports_below(ast.Module([child], []), is_lazy=True)
                yield from self._imports_below(ast.Module(node.orelse, []), is_lazy=is_lazy)
            else:
                called_later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from self._imports_below(node, is_lazy=is_lazy or called_later)

    def _base(self, node: ast.ImportFrom) -> str:
        if node.level == 0:
            return node.module or ""
        package = self.name.split(".")
        if not self.path.endswith("__init__.py"):
            package = package[:-1]
        package = package[: len(package) - node.level + 1]
        return ".".join([*package, *([node.module] if node.module else [])])

    @staticmethod
    def _is_type_checking(test: ast.expr) -> bool:
        return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
            isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
        )


def is_within(name: str, packages: str | tuple[str, ...]) -> bool:
    """Whether a dotted name is one of the packages or something below it."""
    places = (packages,) if isinstance(packages, str) else packages
    return any(name == place or name.startswith(f"{place}.") for place in places)


def our_modules() -> list[Module]:
    """Every module of the two packages, by path."""
    paths = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return [Module(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]
