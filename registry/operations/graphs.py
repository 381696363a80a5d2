"""A run's graph for people: as Mermaid text, and as lines for a terminal."""

from typing import Final

from ..core.graph import depths, topological
from ..core.names import shown
from ..core.run import NodeState, Run

_MARKS: Final = {
    "pending": "·",
    "ready": "○",
    "running": "▶",
    "waiting": "◷",
    "completed": "✔",
    "failed": "✘",
    "skipped": "↷",
}
_CLASSES: Final = (
    "classDef pending fill:#f4f4f5,stroke:#a1a1aa,color:#3f3f46",
    "classDef ready fill:#e0f2fe,stroke:#0284c7,color:#0c4a6e",
    "classDef running fill:#fef9c3,stroke:#ca8a04,color:#713f12",
    "classDef waiting fill:#f3e8ff,stroke:#9333ea,color:#581c87",
    "classDef completed fill:#dcfce7,stroke:#16a34a,color:#14532d",
    "classDef failed fill:#fee2e2,stroke:#dc2626,color:#7f1d1d",
    "classDef skipped fill:#fafafa,stroke:#d4d4d8,color:#71717a,stroke-dasharray:4",
)
_SHAPES: Final = {"approval": ("{{", "}}"), "wait": ("([", "])"), "subagent": ("[[", "]]"), "summary": ("[/", "/]")}
_TITLE_CHARS: Final = 60


def run_graph_mermaid(run: Run) -> str:
    """The graph as Mermaid. Nodes are named by number: an id such as `end` is a word of the language."""
    nodes = list(run.state.nodes.values())
    names = {node.id: f"n{place}" for place, node in enumerate(nodes)}
    lines = ["flowchart TD"]
    for node in nodes:
        opening, closing = _SHAPES.get(node.kind, ("[", "]"))
        label = f"{node.id}<br/>{_escaped(node.title)}<br/>{_standing(node)}"
        lines.append(f'    {names[node.id]}{opening}"{label}"{closing}:::{node.status}')
    lines += [f"    {names[need]} --> {names[node.id]}" for node in nodes for need in node.needs if need in names]
    return "\n".join([*lines, *(f"    {line}" for line in _CLASSES), ""])


def run_graph_text(run: Run) -> str:
    """One line a node, every need above what needs it, indented by how much comes before it."""
    nodes = run.state.nodes
    needs = {node.id: node.needs for node in nodes.values()}
    deep = depths(needs)
    order = sorted(topological(needs), key=lambda node_id: deep[node_id])
    lines = []
    for node_id in [*order, *(node_id for node_id in nodes if node_id not in deep)]:
        node = nodes[node_id]
        after = f"  <- {', '.join(node.needs)}" if node.needs else ""
        indent = "  " * (deep.get(node_id, 1) - 1)
        lines.append(
            f"{indent}{_MARKS[node.status]} {node_id}  {_standing(node)}  {shown(node.title, _TITLE_CHARS)}{after}"
        )
    return "\n".join([*lines, ""])


def _standing(node: NodeState) -> str:
    return f"{node.status} ({node.outcome})" if node.outcome else node.status


def _escaped(title: str) -> str:
    """A title that cannot end its quotes nor be read as markup."""
    plain = shown(title, _TITLE_CHARS)
    return "".join(char if char.isalnum() or char in " .,:-_/" else f"#{ord(char)};" for char in plain)
