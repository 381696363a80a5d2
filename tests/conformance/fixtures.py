"""The tools, resources and prompts that the conformance suites call by name, put on a real server.

The server is the product's own `build_server`; what it answers for its own names stays. Nothing
here exists outside the tests.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from opentask_mcp.mcp.server import build_server
from opentask_mcp.mcp.serving import Serving
from registry.registry import Registry

Context = ServerRequestContext[Any, Any]
Tool = Callable[[Context, types.CallToolRequestParams], Awaitable[Any]]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = base64.b64encode(
    b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
    b"@\x1f\x00\x00@\x1f\x00\x00\x01\x00\x08\x00data\x00\x00\x00\x00"
).decode()
EMPTY = {"type": "object", "properties": {}}
SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
HEADERS_SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "query": {"type": "string"},
    },
}
TEMPLATE = "test://template/"


def conformance_server(registry: Registry) -> Server[None]:
    """The product's server with the fixtures beside its own."""
    bus = InMemorySubscriptionBus()
    server = build_server(registry, serving=Serving(toolsets=("all",)), bus=bus)
    tools = _Tools(bus)
    _put_tools(server, tools)
    _put_resources(server)
    _put_prompts(server)
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, _nothing)
    return server


def text(words: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=words)])


async def _nothing(ctx: Context, params: Any) -> types.EmptyResult:
    return types.EmptyResult()


def _form(message: str, properties: Mapping[str, Any], required: list[str] | None = None) -> types.ElicitRequest:
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    if required is not None:
        schema["required"] = required
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def _sampling(words: str, tokens: int) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=types.TextContent(text=words))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=tokens))


NAME_FORM = _form("What is your name?", {"name": {"type": "string"}}, ["name"])


def _need(requests: dict[str, Any], state: str | None = None) -> types.InputRequiredResult:
    return types.InputRequiredResult(input_requests=requests, request_state=state)


def _content(params: types.CallToolRequestParams, key: str) -> dict[str, Any] | None:
    """What a form that was accepted holds."""
    answer = (params.input_responses or {}).get(key)
    return dict(answer.content) if isinstance(answer, types.ElicitResult) and answer.content else None


class _Tools:
    """Each method is a tool; its docstring is the description."""

    def __init__(self, bus: InMemorySubscriptionBus) -> None:
        self._bus = bus

    async def test_simple_text(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Say a text."""
        return text("This is a simple text response for testing.")

    async def test_image_content(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Give an image."""
        return types.CallToolResult(content=[types.ImageContent(data=PNG, mime_type="image/png")])

    async def test_audio_content(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Give a sound."""
        return types.CallToolResult(content=[types.AudioContent(data=WAV, mime_type="audio/wav")])

    async def test_embedded_resource(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Give a resource."""
        held = types.TextResourceContents(
            uri="test://embedded-resource", mime_type="text/plain", text="This is an embedded resource content."
        )
        return types.CallToolResult(content=[types.EmbeddedResource(resource=held)])

    async def test_multiple_content_types(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Give a text, an image and a resource."""
        held = types.TextResourceContents(
            uri="test://mixed-content-resource", mime_type="application/json", text='{"test":"data","value":123}'
        )
        return types.CallToolResult(
            content=[
                types.TextContent(text="Multiple content types test:"),
                types.ImageContent(data=PNG, mime_type="image/png"),
                types.EmbeddedResource(resource=held),
            ]
        )

    async def test_tool_with_logging(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Tell of its progress in log messages."""
        for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)
            await anyio.sleep(0.05)
        return text("logged")

    async def test_logging_tool(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Log where the request asks for it."""
        await ctx.session.send_log_message("info", "logged", related_request_id=ctx.request_id)
        return text("logged")

    async def test_error_handling(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Fail."""
        words = "This tool intentionally returns an error for testing"
        return types.CallToolResult(content=[types.TextContent(text=words)], is_error=True)

    async def test_tool_with_progress(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Report progress."""
        for done in (0, 50, 100):
            await ctx.session.report_progress(done, 100)
            await anyio.sleep(0.05)
        return text("done")

    async def test_sampling(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Ask the client's model."""
        words = str((params.arguments or {}).get("prompt", ""))
        message = types.SamplingMessage(role="user", content=types.TextContent(text=words))
        said = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
        return text(f"LLM response: {said.content}")

    async def test_elicitation(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Ask a person."""
        schema = {
            "type": "object",
            "properties": {
                "username": {"type": "string", "description": "User's response"},
                "email": {"type": "string", "description": "User's email address"},
            },
            "required": ["username", "email"],
        }
        message = str((params.arguments or {}).get("message", ""))
        return await _ask(ctx, message, schema, "User response")

    async def test_elicitation_sep1034_defaults(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Ask with defaults."""
        schema = {
            "type": "object",
            "properties": {
                "name": {"type": "string", "default": "John Doe"},
                "age": {"type": "integer", "default": 30},
                "score": {"type": "number", "default": 95.5},
                "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
                "verified": {"type": "boolean", "default": True},
            },
        }
        return await _ask(ctx, "Please say", schema, "Elicitation completed")

    async def test_elicitation_sep1330_enums(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Ask with every kind of choice."""
        options = ["option1", "option2", "option3"]
        titled = [{"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second"), 1)]
        schema = {
            "type": "object",
            "properties": {
                "untitledSingle": {"type": "string", "enum": options},
                "titledSingle": {"type": "string", "oneOf": titled},
                "legacyEnum": {
                    "type": "string",
                    "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"],
                },
                "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
                "titledMulti": {"type": "array", "items": {"anyOf": titled}},
            },
        }
        return await _ask(ctx, "Please choose", schema, "Elicitation completed")

    async def test_reconnection(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Close the stream of this request where it can be taken up again, then answer."""
        if ctx.close_sse_stream is not None:
            await ctx.close_sse_stream()
        await anyio.sleep(0.1)
        return text("Reconnection test completed successfully.")

    async def json_schema_2020_12_tool(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Tool with JSON Schema 2020-12 features."""
        return text("read")

    async def test_custom_headers(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Take an argument in a header."""
        return text("read")

    async def test_missing_capability(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Need the client's model."""
        known = ctx.session.client_capabilities
        if known is None or known.sampling is None:
            raise MCPError(
                types.MISSING_REQUIRED_CLIENT_CAPABILITY,
                "this tool needs sampling",
                {"requiredCapabilities": {"sampling": {}}},
            )
        return text("declared")

    async def test_streaming_elicitation(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Ask a person in the result."""
        return _need({"user_name": NAME_FORM})

    async def test_trigger_tool_change(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Say that the tools changed."""
        await self._bus.publish(ToolsListChanged())
        return text("told")

    async def test_trigger_prompt_change(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Say that the prompts changed."""
        await self._bus.publish(PromptsListChanged())
        return text("told")

    async def test_input_required_result_elicitation(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Ask for a name."""
        said = _content(params, "user_name")
        return text(f"Hello, {said['name']}!") if said and "name" in said else _need({"user_name": NAME_FORM})

    async def test_input_required_result_sampling(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Ask the client's model."""
        said = (params.input_responses or {}).get("capital_question")
        if isinstance(said, types.CreateMessageResult):
            return text(f"The model says: {said.content}")
        return _need({"capital_question": _sampling("What is the capital of France?", 100)})

    async def test_input_required_result_list_roots(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Ask for the client's folders."""
        said = (params.input_responses or {}).get("client_roots")
        if isinstance(said, types.ListRootsResult):
            return text(f"Roots: {[str(root.uri) for root in said.roots]}")
        return _need({"client_roots": types.ListRootsRequest()})

    async def test_input_required_result_request_state(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Ask, and know the question again."""
        if _content(params, "confirm") is not None and params.request_state == "asked":
            return text("state-ok")
        return _need({"confirm": _form("Please confirm", {"ok": {"type": "boolean"}}, ["ok"])}, "asked")

    async def test_input_required_result_tampered_state(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """The same; the seal is the server's."""
        return await self.test_input_required_result_request_state(ctx, params)

    async def test_input_required_result_multiple_inputs(
        self, ctx: Context, params: types.CallToolRequestParams
    ) -> Any:
        """Ask three things at once."""
        requests: dict[str, Any] = {
            "user_name": NAME_FORM,
            "greeting": _sampling("Generate a greeting", 50),
            "client_roots": types.ListRootsRequest(),
        }
        if requests.keys() <= (params.input_responses or {}).keys() and params.request_state == "asked":
            return text("all three")
        return _need(requests, "asked")

    async def test_input_required_result_multi_round(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Ask twice, one after the other."""
        if params.request_state == "color" and (said := _content(params, "step2")):
            return text(f"Done: {said}")
        if params.request_state == "name" and _content(params, "step1"):
            form = _form("Step 2: What is your favorite color?", {"color": {"type": "string"}}, ["color"])
            return _need({"step2": form}, "color")
        return _need({"step1": _form("Step 1: What is your name?", {"name": {"type": "string"}}, ["name"])}, "name")

    async def test_input_required_result_capabilities(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Ask only what the client can answer."""
        known = ctx.session.client_capabilities or types.ClientCapabilities()
        requests: dict[str, Any] = {}
        if known.elicitation is not None:
            requests["user_name"] = NAME_FORM
        if known.sampling is not None:
            requests["greeting"] = _sampling("Generate a greeting", 50)
        return _need(requests)


async def _ask(ctx: Context, message: str, schema: dict[str, Any], said: str) -> Any:
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        form = types.ElicitRequestFormParams(message=message, requested_schema=schema)
        return _need({"form": types.ElicitRequest(params=form)})
    result = await ctx.session.elicit_form(message, schema, ctx.request_id)
    return text(f"{said}: action={result.action}, content={json.dumps(result.content)}")


SCHEMAS: dict[str, dict[str, Any]] = {
    "json_schema_2020_12_tool": SCHEMA_2020_12,
    "test_custom_headers": HEADERS_SCHEMA,
    "test_sampling": {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
    "test_elicitation": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
}


def _handler(server: Server[None], method: str) -> Callable[[Context, Any], Awaitable[Any]]:
    entry = server.get_request_handler(method)
    assert entry is not None
    return entry.handler


def _put_tools(server: Server[None], tools: _Tools) -> None:
    named: dict[str, Tool] = {
        name: getattr(tools, name) for name in dir(tools) if name.startswith(("test_", "json_schema_"))
    }
    own_list, own_call = _handler(server, "tools/list"), _handler(server, "tools/call")
    own_schema = server.get_tool_input_schema
    assert own_schema is not None

    async def list_tools(ctx: Context, params: types.PaginatedRequestParams) -> Any:
        listed = dict(await own_list(ctx, params))
        listed["tools"] = listed["tools"] + [
            {"name": name, "description": tool.__doc__, "inputSchema": SCHEMAS.get(name, EMPTY)}
            for name, tool in named.items()
        ]
        return listed

    async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> Any:
        tool: Tool = named.get(params.name, own_call)
        return await tool(ctx, params)

    server.add_request_handler("tools/list", types.PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    server.get_tool_input_schema = lambda name: SCHEMAS.get(name, EMPTY) if name in named else own_schema(name)


def _put_resources(server: Server[None]) -> None:
    own_list, own_read = _handler(server, "resources/list"), _handler(server, "resources/read")
    own_templates = _handler(server, "resources/templates/list")
    own_subscribe, own_unsubscribe = (_handler(server, f"resources/{verb}subscribe") for verb in ("", "un"))
    fixed: dict[str, types.TextResourceContents | types.BlobResourceContents] = {
        uri: types.TextResourceContents(uri=uri, mime_type="text/plain", text=words)
        for uri, words in (
            ("test://static-text", "This is the content of the static text resource."),
            ("test://watched-resource", "Watched."),
        )
    }
    fixed["test://static-binary"] = types.BlobResourceContents(
        uri="test://static-binary", mime_type="image/png", blob=PNG
    )

    async def list_resources(ctx: Context, params: Any) -> Any:
        listed = await own_list(ctx, params)
        rows = [
            types.Resource(uri=uri, name=uri, description=uri, mime_type=held.mime_type) for uri, held in fixed.items()
        ]
        return listed.model_copy(update={"resources": [*listed.resources, *rows]})

    async def list_templates(ctx: Context, params: Any) -> Any:
        listed = await own_templates(ctx, params)
        row = types.ResourceTemplate(uri_template=TEMPLATE + "{id}/data", name="template", mime_type="application/json")
        return listed.model_copy(update={"resource_templates": [*listed.resource_templates, row]})

    async def read_resource(ctx: Context, params: types.ReadResourceRequestParams) -> Any:
        uri = str(params.uri)
        if uri in fixed:
            return types.ReadResourceResult(contents=[fixed[uri]])
        if uri.startswith(TEMPLATE):
            asked = uri.removeprefix(TEMPLATE).removesuffix("/data")
            words = json.dumps({"id": asked, "templateTest": True, "data": f"Data for ID: {asked}"})
            held = types.TextResourceContents(uri=uri, mime_type="application/json", text=words)
            return types.ReadResourceResult(contents=[held])
        return await own_read(ctx, params)

    async def subscribe(ctx: Context, params: types.SubscribeRequestParams) -> Any:
        return types.EmptyResult() if str(params.uri) in fixed else await own_subscribe(ctx, params)

    async def unsubscribe(ctx: Context, params: types.UnsubscribeRequestParams) -> Any:
        return types.EmptyResult() if str(params.uri) in fixed else await own_unsubscribe(ctx, params)

    add = server.add_request_handler
    add("resources/list", types.PaginatedRequestParams, list_resources)
    add("resources/templates/list", types.PaginatedRequestParams, list_templates)
    add("resources/read", types.ReadResourceRequestParams, read_resource)
    add("resources/subscribe", types.SubscribeRequestParams, subscribe)
    add("resources/unsubscribe", types.UnsubscribeRequestParams, unsubscribe)


def _put_prompts(server: Server[None]) -> None:
    own_list, own_get = _handler(server, "prompts/list"), _handler(server, "prompts/get")
    own_complete = _handler(server, "completion/complete")
    arguments = {
        "test_simple_prompt": (),
        "test_prompt_with_arguments": ("arg1", "arg2"),
        "test_prompt_with_embedded_resource": ("resourceUri",),
        "test_prompt_with_image": (),
        "test_input_required_result_prompt": (),
    }

    async def list_prompts(ctx: Context, params: Any) -> Any:
        listed = await own_list(ctx, params)
        rows = [
            types.Prompt(
                name=name,
                description=f"A prompt of the suite: {name}",
                arguments=[types.PromptArgument(name=word, description=word, required=True) for word in words],
            )
            for name, words in arguments.items()
        ]
        return listed.model_copy(update={"prompts": [*listed.prompts, *rows]})

    async def get_prompt(ctx: Context, params: types.GetPromptRequestParams) -> Any:
        if params.name not in arguments:
            return await own_get(ctx, params)
        if params.name == "test_input_required_result_prompt" and not params.input_responses:
            form = _form("What context should the prompt use?", {"context": {"type": "string"}}, ["context"])
            return _need({"user_context": form})
        blocks = _prompt_blocks(params.name, params.arguments or {})
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=block) for block in blocks])

    async def complete(ctx: Context, params: types.CompleteRequestParams) -> Any:
        if isinstance(params.ref, types.PromptReference) and params.ref.name in arguments:
            return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))
        return await own_complete(ctx, params)

    server.add_request_handler("prompts/list", types.PaginatedRequestParams, list_prompts)
    server.add_request_handler("prompts/get", types.GetPromptRequestParams, get_prompt)
    server.add_request_handler("completion/complete", types.CompleteRequestParams, complete)


def _prompt_blocks(name: str, given: Mapping[str, str]) -> list[types.ContentBlock]:
    if name == "test_prompt_with_arguments":
        words = f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"
        return [types.TextContent(text=words)]
    if name == "test_prompt_with_embedded_resource":
        held = types.TextResourceContents(
            uri=given.get("resourceUri", "test://none"),
            mime_type="text/plain",
            text="Embedded resource content for testing.",
        )
        return [
            types.EmbeddedResource(resource=held),
            types.TextContent(text="Please process the embedded resource above."),
        ]
    if name == "test_prompt_with_image":
        return [
            types.ImageContent(data=PNG, mime_type="image/png"),
            types.TextContent(text="Please analyze the image above."),
        ]
    return [types.TextContent(text="This is a simple prompt for testing.")]
