"""The rules of the two packages, as tables and one function a rule.

A rule takes a module and gives a sentence for every place that breaks it. A new package, library
or edge is let in by a line in a table here, which is where its reviewer will look.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from typing import Final

from tests.architecture.source import Module, is_within

Rule = Callable[[Module], Iterator[str]]

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60

# Imports go down only. The longest name that fits is meant; `registry` itself is its public names.
RINGS: Final = {
    "registry.errors": 0,
    "registry.core": 0,
    "registry.formats": 1,
    "registry.storage": 2,
    "registry": 3,
    "registry.registry": 3,
    "registry.settings": 3,
    "registry.changing": 3,
    "registry.clock": 3,
    "registry.flows": 3,
    "registry.flow_answers": 3,
    "registry.flow_arguments": 3,
    "registry.operations": 4,
    "opentask_mcp": 5,
}

# Where a library may be imported: what stands between us and its next major version is one folder.
MCP_HOMES: Final = ("opentask_mcp.mcp", "opentask_mcp.demo")
LIBRARIES: Final[dict[str, tuple[str, ...]]] = {
    "pydantic": ("registry", "opentask_mcp"),
    "pydantic_core": ("registry", "opentask_mcp"),
    "yaml": ("registry.formats",),
    "filelock": ("registry.storage",),
    "sqlite3": ("registry.storage",),
    "psycopg": ("registry.storage",),
    "anyio": ("opentask_mcp",),
    "click": ("opentask_mcp.cli", "opentask_mcp.demo"),
    "rich": ("opentask_mcp.cli", "opentask_mcp.demo"),
    "mcp": MCP_HOMES,
    "mcp_types": MCP_HOMES,
    # What the SDK serves HTTP with and makes spans by; it brings them along.
    "uvicorn": ("opentask_mcp.mcp",),
    "starlette": ("opentask_mcp.mcp",),
    "opentelemetry": ("opentask_mcp.mcp",),
}

# Storage is the only I/O of the library: nothing here may touch the world.
WITHOUT_IO: Final = ("registry.errors", "registry.core", "registry.formats", "registry.operations")
IO_MODULES: Final = frozenset(
    {
        "_thread",
        "asyncio",
        "concurrent",
        "ctypes",
        "fcntl",
        "fileinput",
        "ftplib",
        "glob",
        "http",
        "io",
        "linecache",
        "logging",
        "mmap",
        "multiprocessing",
        "os",
        "random",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "socketserver",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib.request",
        "uuid",
    }
)
IO_BUILTINS: Final = frozenset({"open", "input", "print", "exec", "eval", "__import__", "breakpoint"})
IO_METHODS: Final = frozenset(
    {
        "read_text",
        "read_bytes",
        "write_text",
        "write_bytes",
        "mkdir",
        "rmdir",
        "unlink",
        "iterdir",
        "rglob",
        "symlink_to",
        "hardlink_to",
    }
)
IO_ALLOWED: Final[dict[str, frozenset[str]]] = {
    "registry.formats": frozenset({"io"}),  # a text in memory is no file
    "registry.operations": frozenset({"threading", "time"}),  # a wait sleeps
}
PURE_PATHS: Final = frozenset({"pathlib.PurePath", "pathlib.PurePosixPath", "pathlib.PureWindowsPath"})

# The wall clock and chance have one door, so that a test can stand in it.
CLOCK: Final = "registry/clock.py"
CHANCE_MODULES: Final = ("uuid", "secrets")
CLOCK_NAMES: Final = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "time.time",
        "time.time_ns",
    }
)

# The edge turns every fault into an answer; anywhere else such a handler hides one.
EDGES: Final = frozenset(
    {
        "opentask_mcp/cli/main.py",
        "opentask_mcp/mcp/feed.py",
        "opentask_mcp/mcp/tools.py",
    }
)
BROAD: Final = frozenset({"Exception", "BaseException", "builtins.Exception", "builtins.BaseException"})

WITHOUT_ANY: Final = ("registry.core", "registry.operations")
NAMES_OF_ANY: Final = frozenset({"typing.Any", "typing_extensions.Any"})


def ring_of(name: str) -> int | None:
    """The ring of one of our modules or names, None for what is not ours."""
    fitting = [package for package in RINGS if is_within(name, package)]
    return RINGS[max(fitting, key=len)] if fitting else None


def imports_go_down(module: Module) -> Iterator[str]:
    own = ring_of(module.name)
    if own is None or (module.name not in RINGS and not _is_below_a_ring(module.name)):
        yield module.at(1, f"{module.name} has no ring: give it one in the table of tests/architecture/rules.py")
        return
    for brought in module.imports:
        ring = ring_of(brought.target)
        if ring is not None and ring > own:
            yield module.at(
                brought.line, f"{module.name} (ring {own}) imports {brought.target} (ring {ring}); imports go down only"
            )


def imports_inside_a_package_are_relative(module: Module) -> Iterator[str]:
    """An absolute import of `registry` inside itself may find somebody else's package of that name."""
    package = module.name.split(".")[0]
    for brought in module.imports:
        if not brought.is_relative and is_within(brought.target, package):
            yield module.at(brought.line, f"import {brought.target} with leading dots inside {package}")


def surfaces_use_public_names(module: Module) -> Iterator[str]:
    if not is_within(module.name, "opentask_mcp"):
        return
    for brought in module.imports:
        if not is_within(brought.target, "registry"):
            continue
        if is_within(brought.target, "registry.storage"):
            yield module.at(brought.line, f"a surface imports {brought.target}; only the Registry knows its storage")
        elif any(part.startswith("_") for part in brought.target.split(".")):
            yield module.at(brought.line, f"a surface imports {brought.target}, which is private to registry")


def libraries_stay_at_home(module: Module) -> Iterator[str]:
    for brought in module.imports:
        library = brought.target.split(".")[0]
        if ring_of(library) is not None or (library in sys.stdlib_module_names and library not in LIBRARIES):
            continue
        homes = LIBRARIES.get(library)
        if homes is None:
            yield module.at(brought.line, f"{library} is no dependency of ours")
        elif not is_within(module.name, homes):
            yield module.at(brought.line, f"{library} is imported outside {' and '.join(homes)}")


def the_sdk_is_loaded_only_to_serve(module: Module) -> Iterator[str]:
    """Importing the SDK takes longer than most commands."""
    if is_within(module.name, MCP_HOMES):
        return
    for brought in module.imports:
        if not brought.is_lazy and is_within(brought.target, MCP_HOMES):
            yield module.at(
                brought.line, f"{brought.target} loads the MCP SDK: import it inside the function that serves"
            )


def the_inside_does_no_io(module: Module) -> Iterator[str]:
    if not is_within(module.name, WITHOUT_IO):
        return
    package = ".".join(module.name.split(".")[:2])
    banned = tuple(IO_MODULES - IO_ALLOWED.get(package, frozenset()))
    for brought in module.imports:
        is_path = is_within(brought.target, "pathlib") and brought.target not in PURE_PATHS
        if is_path or is_within(brought.target, banned):
            yield module.at(brought.line, f"{brought.target} does I/O or differs from call to call; storage does that")
    for node in module.walk():
        if isinstance(node, ast.Name) and node.id in IO_BUILTINS:
            yield module.at(node.lineno, f"{node.id}() does I/O; storage does that")
        elif isinstance(node, ast.Attribute) and node.attr in IO_METHODS:
            yield module.at(node.lineno, f".{node.attr} does I/O; storage does that")


def time_and_chance_come_from_the_clock(module: Module) -> Iterator[str]:
    if module.path == CLOCK:
        return
    for brought in module.imports:
        if is_within(brought.target, CHANCE_MODULES) or brought.target in CLOCK_NAMES:
            yield module.at(brought.line, f"{brought.target} is used outside {CLOCK}")
    for node in module.walk():
        if isinstance(node, ast.Attribute) and module.meaning(node) in CLOCK_NAMES:
            yield module.at(node.lineno, f"{module.meaning(node)} is used outside {CLOCK}")


def only_the_edge_catches_everything(module: Module) -> Iterator[str]:
    """A handler that ends by raising again hides nothing and is let through."""
    if module.path in EDGES:
        return
    for node in module.walk():
        if isinstance(node, ast.ExceptHandler):
            ends_by_raising = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if _is_broad(module, node.type) and not ends_by_raising:
                yield module.at(node.lineno, "catches everything; only the edge may")
        elif isinstance(node, ast.Call) and module.meaning(node.func) == "contextlib.suppress":
            yield from (
                module.at(node.lineno, "suppresses everything; only the edge may")
                for argument in node.args
                if _is_broad(module, argument)
            )


def files_and_functions_fit_in_the_head(module: Module) -> Iterator[str]:
    lines = len(module.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield module.at(1, f"{lines} lines; a file has at most {FILE_LINES_MAX}")
    for node in module.walk():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield module.at(
                    node.lineno, f"{node.name} has {length} lines; a function has at most {FUNCTION_LINES_MAX}"
                )


def what_is_decided_is_typed(module: Module) -> Iterator[str]:
    if not is_within(module.name, WITHOUT_ANY):
        return
    for brought in module.imports:
        if brought.target in NAMES_OF_ANY:
            yield module.at(brought.line, f"Any has no place in {module.name}")
    for node in module.walk():
        if isinstance(node, ast.Attribute) and module.meaning(node) in NAMES_OF_ANY:
            yield module.at(node.lineno, f"Any has no place in {module.name}")


RULES: Final[tuple[Rule, ...]] = (
    imports_go_down,
    imports_inside_a_package_are_relative,
    surfaces_use_public_names,
    libraries_stay_at_home,
    the_sdk_is_loaded_only_to_serve,
    the_inside_does_no_io,
    time_and_chance_come_from_the_clock,
    only_the_edge_catches_everything,
    files_and_functions_fit_in_the_head,
    what_is_decided_is_typed,
)


def _is_below_a_ring(name: str) -> bool:
    """`registry` is a ring for its own names only: a new module in it has to be given one."""
    return any(is_within(name, package) for package in RINGS if package != "registry")


def _is_broad(module: Module, caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(module.meaning(kind) in BROAD for kind in kinds)
