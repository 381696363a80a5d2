"""A person's decision comes from a person: asked through the client's own form, in both eras."""

from typing import Any

import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client import ClientRequestContext

from tests.surfaces.mcp.fixture import server

ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])


class Person:
    """Answers forms, and remembers what was asked."""

    def __init__(self, action: Any, content: dict[str, Any] | None = None) -> None:
        self.answer = types.ElicitResult(action=action, content=content)
        self.asked: list[types.ElicitRequestFormParams] = []

    async def __call__(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        assert isinstance(params, types.ElicitRequestFormParams)
        self.asked.append(params)
        return self.answer


async def decided(mode: Any, callback: Any) -> Any:
    async with Client(server(), mode=mode, elicitation_callback=callback) as client:
        result = await client.call_tool("request_control", {"node_id": "gate"})
    assert result.is_error is False, result
    return result.structured_content


@ERAS
async def test_the_person_is_asked_and_the_decision_is_theirs(mode: Any) -> None:
    """The same operation runs behind both protocols' ways of asking."""
    person = Person("accept", {"decision": "approve", "comment": " looks fine "})

    assert await decided(mode, person) == {"decision": "approve", "comment": "looks fine"}
    (form,) = person.asked
    assert form.message == "The agent asks to approve 'gate'."
    assert form.requested_schema["properties"]["decision"]["enum"] == ["approve", "reject"]


@ERAS
async def test_an_accepted_form_that_says_reject_rejects(mode: Any) -> None:
    """Sending the form is not saying yes."""
    assert await decided(mode, Person("accept", {"decision": "reject"})) == {"decision": "reject"}


@ERAS
@pytest.mark.parametrize(
    "person", [Person("decline"), Person("cancel"), Person("accept"), Person("accept", {"decision": "maybe"})]
)
async def test_a_form_without_a_decision_changes_nothing(mode: Any, person: Person) -> None:
    """Closing a window must not approve."""
    assert await decided(mode, person) == {"decision": "declined"}


@ERAS
async def test_a_client_without_forms_is_not_asked(mode: Any) -> None:
    """The operation then decides by the setting: relayed or refused."""
    assert await decided(mode, None) == {"decision": "relayed"}


async def test_a_handshake_client_that_refuses_to_ask_counts_as_one_without_forms() -> None:
    """Hosts declare elicitation and run unattended; the call must not die of it."""

    async def refuse(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ErrorData:
        return types.ErrorData(code=types.INVALID_REQUEST, message="nobody is here")

    assert await decided("legacy", refuse) == {"decision": "relayed"}


async def test_an_answer_counts_only_for_the_call_that_asked() -> None:
    """The state is sealed: it cannot be forged, nor moved to another node's approval."""
    accepted: types.InputResponses = {"decision": types.ElicitResult(action="accept", content={"decision": "approve"})}
    gate, other = {"node_id": "gate"}, {"node_id": "other"}
    async with Client(server(), elicitation_callback=Person("cancel")) as client:
        session = client.session
        asking = await session.call_tool("request_control", gate, allow_input_required=True)
        assert isinstance(asking, types.InputRequiredResult)
        sealed = asking.request_state
        assert sealed is not None
        assert "asked" not in sealed

        async def send(
            arguments: dict[str, str], state: str | None
        ) -> types.CallToolResult | types.InputRequiredResult:
            return await session.call_tool(
                "request_control", arguments, input_responses=accepted, request_state=state, allow_input_required=True
            )

        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await send(other, sealed)
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await send(gate, "asked:made-up")
        unasked = await send(gate, None)
        answered = await send(gate, sealed)

    assert isinstance(unasked, types.InputRequiredResult)
    assert isinstance(answered, types.CallToolResult)
    assert answered.structured_content == {"decision": "approve"}
