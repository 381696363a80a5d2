"""`workflow show` and `run graph`: documents that people read and other programs draw."""

import click

from ..building import command, params_of, shared_options
from ..commands import FORMS
from ..session import Session


def _show_workflow(workflow_path: str) -> int:
    from registry.operations.workflow_sources import source_of

    session = click.get_current_context().find_object(Session)
    assert session is not None
    source = source_of(session.caller("validate_workflow", {}), path=workflow_path, text=None)
    text = source.text if isinstance(source.text, str) else source.text.decode(errors="replace")
    if session.is_for_people:
        from ..show.plain import document

        document(text, language="markdown")
    else:
        session.write({"path": source.name, "text": text})
    return 0


def _graph(run_id: str, mermaid: bool) -> int:
    from registry.operations.graphs import run_graph_mermaid, run_graph_text
    from registry.operations.lookup import open_run

    session = click.get_current_context().find_object(Session)
    assert session is not None
    run = open_run(session.caller("get_run", {}), require_run_id(run_id)).run
    text = run_graph_mermaid(run) if mermaid else run_graph_text(run)
    if session.json:
        session.write({"runId": run.state.run_id, "format": "mermaid" if mermaid else "text", "graph": text})
    else:
        # A drawing is text for whoever draws it: `opentask run graph RUN --mermaid > run.mmd`.
        click.echo(text, nl=False)
    return 0


def require_run_id(run_id: str) -> str:
    """A run's id as every operation checks it.

    Raises:
        InvalidRequest: it is no id.
    """
    from registry.operations.parse import parse_request
    from registry.operations.table import OPERATIONS

    parse_request(OPERATIONS["get_run"], {"run_id": run_id})
    return run_id


show_workflow = click.Command(
    "show",
    params=[click.Argument(["workflow_path"]), *shared_options()],
    callback=_show_workflow,
    help="Print a workflow, named by its path, its file's name or its id.",
)
graph = command(
    "graph",
    params=[
        params_of(FORMS["run show"])[0],
        click.Option(["--mermaid"], is_flag=True, help="As Mermaid, for a page or an editor that draws it."),
    ],
    callback=_graph,
    about="Draw a run's graph with where each node stands: one line a node, needs above what needs them.",
)
