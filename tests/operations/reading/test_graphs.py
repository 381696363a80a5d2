"""A run's graph as text."""

from registry.core.workflow import NodeDefinition, Workflow
from registry.operations.graphs import run_graph_mermaid, run_graph_text
from tests.operations.reading.given import AUDIT, after, claim, given_run


def test_the_text_shows_every_need_above_what_needs_it() -> None:
    """On a terminal a person sees at a glance where the run is held up."""
    run = after(given_run(), claim("gather"))

    assert run_graph_text(run) == (
        "▶ gather  running  Gather the facts\n"
        "  · security  pending  Security review  <- gather\n"
        "    · gate  pending  May it be sent?  <- security\n"
        "      · summary  pending  Summary  <- gate\n"
    )


def test_mermaid_names_nodes_by_number_and_quotes_titles() -> None:
    """A node called `end`, or a title with quotes and markup, must not break or enter the drawing."""
    title = 'Say "hi" <img src=x>;\n click n0'
    nodes = (
        NodeDefinition(id="end", title=title, kind="session_turn", prompt="p"),
        NodeDefinition(id="graph.TD", title="T", kind="approval", needs=("end",)),
    )
    mermaid = run_graph_mermaid(given_run(Workflow(workflow_id="w", title="W", nodes=nodes)))

    lines = mermaid.splitlines()
    assert lines[:3] == [
        "flowchart TD",
        '    n0["end<br/>Say #34;hi#34; #60;img src#61;x#62;#59; click n0<br/>ready"]:::ready',
        '    n1{{"graph.TD<br/>T<br/>pending"}}:::pending',
    ]
    assert "    n0 --> n1" in lines


def test_a_line_stands_for_every_node() -> None:
    """A node that is left out of the picture is a node nobody works on."""
    assert len(run_graph_text(given_run(AUDIT)).splitlines()) == len(given_run(AUDIT).state.nodes)
