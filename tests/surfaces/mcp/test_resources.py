"""Reading by address, paging, completion, prompts, and notices of change."""

from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated

from opentask_mcp.mcp.serving import Serving
from tests.surfaces.mcp.fixture import Shelf, Stage, server

ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])
REPORT = "opentask://runs/audit-1/nodes/gather/report.md"


@ERAS
async def test_a_document_is_read_by_its_address(mode: Any) -> None:
    """Hosts attach resources without spending a tool call."""
    async with Client(server(shelf=Shelf({REPORT: "# Report\n"})), mode=mode) as client:
        result = await client.read_resource(REPORT)

    assert result.contents == [types.TextResourceContents(uri=REPORT, mime_type="text/markdown", text="# Report\n")]


async def test_a_document_not_yet_written_is_an_empty_text_with_a_note() -> None:
    """Only an unknown run or node is an error; a node that has not reported is normal."""
    async with Client(server(shelf=Shelf({REPORT: ""}))) as client:
        (content,) = (await client.read_resource(REPORT)).contents

    assert isinstance(content, types.TextResourceContents)
    assert (content.text, content.meta) == ("", {"opentask/note": "not written yet"})


@ERAS
async def test_an_unknown_address_is_invalid_params_with_the_address(mode: Any) -> None:
    """The protocol's own form of not found."""
    async with Client(server(), mode=mode) as client:
        with pytest.raises(MCPError) as refused:
            await client.read_resource(REPORT)

    assert refused.value.code == types.INVALID_PARAMS
    assert refused.value.data == {"uri": REPORT, "code": "not_found"}
    assert refused.value.message == f"nothing at {REPORT}; list_runs shows all"


async def test_resources_are_listed_page_by_page() -> None:
    """A registry holds a hundred thousand runs."""
    shelf = Shelf({f"opentask://runs/run-{n}": "{}" for n in range(5)})
    uris, cursor = [], None
    async with Client(server(shelf=shelf)) as client:
        while True:
            page = await client.list_resources(cursor=cursor)
            uris.append([resource.uri.rpartition("/")[2] for resource in page.resources])
            cursor = page.next_cursor
            if cursor is None:
                break
        with pytest.raises(MCPError, match="cursor '99' is none of this list's"):
            await client.list_resources(cursor="99")

    assert uris == [["run", "run-0", "run-1"], ["run-2", "run-3"], ["run-4"]]  # our own page stands first


async def test_the_addresses_are_listed_as_templates() -> None:
    """A host fills them in without knowing the registry."""
    async with Client(server()) as client:
        templates = (await client.list_resource_templates()).resource_templates

    assert [template.uri_template for template in templates] == [
        "opentask://workflows/{workflow_id}",
        "opentask://runs/{run_id}",
        "opentask://runs/{run_id}/refs",
        "opentask://runs/{run_id}/events{?since_seq,limit}",
        "opentask://runs/{run_id}/control",
        "opentask://runs/{run_id}/workflow",
        "opentask://runs/{run_id}/graph",
        "opentask://runs/{run_id}/nodes/{node_id}",
        "opentask://runs/{run_id}/nodes/{node_id}/{name}",
        "opentask://agents/{agent_id}/queue",
        "opentask://tasks/{task_id}",
    ]


async def test_an_id_is_completed() -> None:
    """Nobody types a run id that sorts by time."""
    reference = types.ResourceTemplateReference(uri="opentask://runs/{run_id}")
    async with Client(server()) as client:
        few = await client.complete(reference, argument={"name": "run_id", "value": "run-14"})
        many = await client.complete(reference, argument={"name": "run_id", "value": ""})
        free = await client.complete(types.PromptReference(name="start_run"), argument={"name": "goal", "value": "a"})

    assert few.completion == types.Completion(
        values=["run-14", *(f"run-14{n}" for n in range(10))], total=11, has_more=False
    )
    assert (len(many.completion.values), many.completion.total, many.completion.has_more) == (100, 150, True)
    assert free.completion.values == []


async def test_a_prompt_holds_its_argument_as_it_was_given() -> None:
    """Braces in a person's goal are not ours to fill."""
    async with Client(server()) as client:
        listed = [prompt.name for prompt in (await client.list_prompts()).prompts]
    assert listed == []  # the fixture table has none of the tools that prompts speak of

    from opentask_mcp.mcp.prompts import Prompts

    prompts = Prompts(served=["list_runs", "scaffold_run", "get_run"])
    assert [prompt.name for prompt in prompts.listing().prompts] == ["resume_run", "start_run"]
    content = prompts.get("start_run", {"goal": "mend {value} and {x}"}).messages[0].content
    assert isinstance(content, types.TextContent)
    assert "mend {value} and {x}" in content.text
    assert 'list_runs {"status": "open"}' in content.text
    with pytest.raises(MCPError, match="needs the argument 'goal'"):
        prompts.get("start_run", {})
    with pytest.raises(MCPError, match="no prompt 'start'; did you mean 'start_run'"):
        prompts.get("start", {})


async def test_a_listening_client_is_told_what_changed() -> None:
    """Also when another process wrote it: nobody tells this one."""
    shelf = Shelf({REPORT: "", "opentask://runs/other": ""})
    async with Client(server(shelf=shelf)) as client:
        with anyio.fail_after(30):
            async with client.listen(resource_subscriptions=[REPORT], resources_list_changed=True) as changes:
                shelf.texts["opentask://runs/other"] = "changed, but nobody asked"
                shelf.texts[REPORT] = "# Report\n"
                shelf.texts["opentask://runs/new"] = ""
                told = {await anext(changes), await anext(changes)}

    assert told == {ResourceUpdated(REPORT), ResourcesListChanged()}


@pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")
async def test_a_subscriber_of_the_handshake_era_is_told_until_it_unsubscribes() -> None:
    """Today's hosts speak the old protocol."""
    shelf = Shelf({REPORT: "", "opentask://runs/other": ""})
    send, told = anyio.create_memory_object_stream[str](10)

    async def on_message(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            await send.send(message.params.uri)

    stage = Stage()
    async with send, told, Client(server(stage, shelf=shelf), mode="legacy", message_handler=on_message) as client:
        with anyio.fail_after(30):
            await client.session.subscribe_resource(REPORT)
            await client.session.subscribe_resource("opentask://runs/other")
            shelf.texts[REPORT] = "one"
            assert await told.receive() == REPORT
            await client.session.unsubscribe_resource(REPORT)
            shelf.texts[REPORT] = "two"
            shelf.texts["opentask://runs/other"] = "changed"
            assert await told.receive() == "opentask://runs/other"
        with pytest.raises(MCPError, match="addresses here begin with opentask://"):
            await client.session.subscribe_resource("file:///etc/passwd")


async def test_a_read_only_server_lists_no_prompt_that_writes() -> None:
    """A prompt that speaks of tools which are not there sends the model astray."""
    async with Client(server(serving=Serving(read_only=True))) as client:
        assert (await client.list_prompts()).prompts == []
