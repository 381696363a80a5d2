"""The settings and limits pages."""

import ast
import inspect
from typing import Any, Final

from opentask_mcp.mcp import main as server
from registry import settings
from registry.core import limits
from registry.core.names import ID_RULE

from .markdown import block, code, document, table

_VARIABLES: Final = (
    ("OPENTASK_REGISTRY_ROOT", "both", "the registry's folder; `--root` goes before it"),
    ("OPENTASK_AGENT_ID", "both", "in whose name a call is made that does not say; `--agent` goes before it"),
    ("OPENTASK_APPROVALS", "server", "`--approvals`: how a person's decision comes in; only stricter than the setting"),
    ("OPENTASK_TOOLSETS", "server", "`--toolsets`"),
    ("OPENTASK_TOOLS", "server", "`--tools`"),
    ("OPENTASK_READ_ONLY", "server", "`--read-only`: 1 or 0"),
    ("OPENTASK_TRANSPORT", "server", "`--transport`: stdio or http"),
    ("OPENTASK_HOST", "server", "`--host`: where HTTP listens"),
    ("OPENTASK_PORT", "server", "`--port`"),
    ("OPENTASK_ALLOW_HOSTS", "server", "`--allow-host`: names that HTTP clients call this server by"),
    (
        "OPENTASK_HTTP_TOKEN",
        "server",
        "what every HTTP request must bring; it has no option, since others can see options",
    ),
    ("OPENTASK_LOG_FORMAT", "server", "`--log-format`: text or json, on stderr"),
    ("OPENTASK_LOG_LEVEL", "server", "`--log-level`"),
    ("OPENTASK_ALLOW_NETWORK_FS", "both", "`--allow-network-fs`: 1 or 0"),
    ("OPENTASK_JSON", "command", "`--json`: 1 or 0"),
    ("OPENTASK_DEBUG", "command", "1: show where a fault of OpenTask happened"),
)
_UNITS: Final = {
    "REQUEST_BYTES_MAX": "all arguments of a call together",
    "WORKFLOW_BYTES_MAX": "a workflow file",
    "NODES_MAX": "nodes of a run",
    "GRAPH_DEPTH_MAX": "the longest chain of needs",
    "PROMPT_BYTES_MAX": "a node's prompt",
    "MESSAGE_BYTES_MAX": "a message",
    "PAYLOAD_BYTES_MAX": "an event's payload",
    "RESULT_BYTES_MAX": "a node's result (`payload` of finish_node)",
    "BAG_BYTES_MAX": "a flow's state or wait, and a line of control.jsonl",
    "MUTATION_BYTES_MAX": "all lines of one change together",
    "ARTIFACT_BYTES_MAX": "a file of a node",
    "GOAL_BYTES_MAX": "a flow's goal",
    "TAGS_MAX": "tags",
    "DEPENDS_ON_MAX": "tasks that a task depends on",
    "NESTING_MAX": "levels of lists and objects in each other",
    "LEASE_S_DEFAULT": "a lease, where the claim does not say",
    "LEASE_S_MIN": "the shortest lease (0 is none at all)",
    "LEASE_S_MAX": "the longest lease",
    "PRIORITY_MIN": "the least urgent",
    "PRIORITY_MAX": "the most urgent",
    "PRIORITY_DEFAULT": "where nothing is said",
    "ATTEMPTS_KEPT": "ended attempts kept with a node",
    "CONTROL_IDS_KEPT": "ids of judged controls kept",
    "OPERATIONS_KEPT": "answers kept for repeats of a request_id",
    "OPERATIONS_KEPT_S": "how long such an answer is kept",
    "ANSWER_BYTES_MAX": "such an answer",
    "LOST_GRACE_S": "how long the session of a flow's child is gone before the child is lost",
    "LOST_GRACE_S_MAX": "the most that setting takes",
    "CLOCK_AHEAD_S_MAX": "a trail further ahead of the clock no longer drags new timestamps along",
    "TOOL_LOCK_WAIT_S": "how long a tool waits for others on the same run",
    "CLI_LOCK_WAIT_S": "how long a command waits",
}


_UNTOLD: Final = """
# Seconds that a tool waits for others on the same run.
# lock_wait_s = 5
"""
_ABOUT: Final = """\
Settings of a registry are in `opentask.toml` in its folder. Every one has a default, so the file may be empty;
`opentask init` writes it with its settings commented out, and no tool ever changes it."""
_ROOT: Final = """\
The registry is the folder that `--root` names, else `OPENTASK_REGISTRY_ROOT`, else the nearest parent of the working
directory that has `opentask.toml` or both `workflows/` and `runs/`, else the working directory. `/`, the home folder
and folders that cannot be written are refused unless they were named or marked so; network disks are refused unless
`--allow-network-fs` says that one machine alone writes there."""
_LIMITS: Final = f"""\
What a registry takes. Beyond a limit a call is refused with `limit_exceeded`, the limit and the size; nothing is cut
silently. Ids are {ID_RULE}."""


def settings_page() -> str:
    """docs/reference/settings.md."""
    _check_variables()
    return document(
        "Settings",
        _ABOUT,
        "## opentask.toml",
        block("toml", settings._FIRST_SETTINGS + _UNTOLD),
        "A misspelt key is refused with the nearest one. [Approvals](../how-to/approvals.md) explains `approvals`, "
        "[OpenClaw](../how-to/openclaw.md) `effects`.",
        "## The root",
        _ROOT,
        "## Variables",
        table(("variable", "read by", "meaning"), [(code(name), who, what) for name, who, what in _VARIABLES]),
    )


def _check_variables() -> None:
    """Every variable that the server names must be told of here."""
    told = {name for name, _, _ in _VARIABLES}
    named = {word.strip(".,") for word in server._EPILOG.split() if word.startswith("OPENTASK_")}
    assert named <= told, f"say what these variables do: {sorted(named - told)}"


def limits_page() -> str:
    """docs/reference/limits.md."""
    rows = [(_UNITS[name], _amount(name, value), code(name)) for name, value in _limits()]
    return document(
        "Limits",
        _LIMITS,
        table(("of what", "limit", "name in the code"), rows),
    )


def _limits() -> list[tuple[str, Any]]:
    names = [
        node.target.id
        for node in ast.parse(inspect.getsource(limits)).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    return [(name, getattr(limits, name)) for name in names]


def _amount(name: str, value: float) -> str:
    words = set(name.split("_"))
    if "BYTES" in words:
        size = int(value)
        return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
    return f"{value:,.0f}" + (" s" if "S" in words else "")
