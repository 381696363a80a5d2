"""Asking a person through the client, in both protocol eras.

Since 2026-07-28 a question is an `input_required` result: the client shows the form and sends the
same call again with the answer and our sealed state. Before, the server asks while the call is
under way. Either way the operation runs again with the answer, and the answer counts only for the
question it was given to: what the sealed state names must be what the operation asks now.
"""

import hashlib
import logging
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from registry.operations.caller import PersonAnswer, Question

_log: Final = logging.getLogger(__name__)
_FORM: Final = "decision"
STATE_TTL_S: Final = 86_400.0
"""How long a form may stay open before its answer no longer counts."""

Context = ServerRequestContext[Any, Any]


def can_ask(ctx: Context) -> bool:
    """Whether the client shows forms to a person."""
    capabilities = ctx.session.client_capabilities
    offered = capabilities.elicitation if capabilities else None
    if offered is None or (offered.form is None and offered.url is not None):
        return False
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS or ctx.session.can_send_request


async def ask(
    ctx: Context, params: CallToolRequestParams, question: Question
) -> PersonAnswer | InputRequiredResult | None:
    """What the person said; or the result that asks; or None where the client could not ask after all."""
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return _answer_brought(params, question) or _asking(question)
    try:
        result = await ctx.session.elicit_form(question.message, _schema(question), ctx.request_id)
    except MCPError as refused:
        # A client may declare forms and have nobody to show them to, as when it runs unattended.
        _log.warning("the client offers elicitation but refused to ask: %s", refused)
        return None
    return _said(result, question)


def _asking(question: Question) -> InputRequiredResult:
    form = ElicitRequestFormParams(message=question.message, requested_schema=_schema(question))
    return InputRequiredResult(input_requests={_FORM: ElicitRequest(params=form)}, request_state=_state(question))


def _answer_brought(params: CallToolRequestParams, question: Question) -> PersonAnswer | None:
    """The answer this call brings to exactly this question. The state was unsealed before it got here."""
    if params.request_state != _state(question) or not params.input_responses:
        return None
    response = params.input_responses.get(_FORM)
    return _said(response, question) if isinstance(response, ElicitResult) else None


def _state(question: Question) -> str:
    return "asked:" + hashlib.sha256(question.message.encode(errors="replace")).hexdigest()


def _schema(question: Question) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "decision": {"type": "string", "title": "Decision", "enum": [question.yes, question.no]},
            "comment": {"type": "string", "title": "Comment", "description": "Kept with the decision; may be empty."},
        },
        "required": ["decision"],
    }


def _said(result: ElicitResult, question: Question) -> PersonAnswer:
    """A form that was closed, declined or sent without a decision changes nothing."""
    content = result.content or {}
    comment = content.get("comment")
    said = content.get("decision") if result.action == "accept" else None
    words = comment.strip() if isinstance(comment, str) else ""
    if said == question.yes:
        return PersonAnswer(decision="approve", comment=words)
    if said == question.no:
        return PersonAnswer(decision="reject", comment=words)
    return PersonAnswer(decision="declined", comment=words)
