"""Prompts: what a person picks from a menu to begin, resume or tick work."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    GetPromptResult,
    ListPromptsResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from registry.core.names import nearest, shown


@dataclass(frozen=True, kw_only=True)
class _Prompt:
    """One prompt; `text` has its single argument as `{value}`, `needs` are the tools it speaks of."""

    title: str
    description: str
    argument: str
    argument_description: str
    needs: tuple[str, ...]
    text: str


_PROMPTS: Final[Mapping[str, _Prompt]] = {
    "author_workflow": _Prompt(
        title="Write a workflow",
        description="Write a reusable workflow file for a kind of job, and check it.",
        argument="goal",
        argument_description="The kind of job the workflow is for",
        needs=("validate_workflow",),
        text="""\
Write a reusable OpenTask workflow for this kind of job:

{value}

1. Settle what varies from run to run (declare it under `inputs`) and what a good result is.
2. Write Markdown with YAML front matter: workflowId, title, nodes (id, title, kind, needs, prompt, outputs). \
Kinds: session_turn (you do it), subagent (a child does it), wait, approval (a person decides), summary. \
Give independent work no common needs, so that it runs side by side; put an approval before anything that \
cannot be undone; end with a summary.
3. Make each prompt complete in itself: whoever gets it has seen nothing else. Keep out run ids, dates and \
absolute paths.
4. Call validate_workflow with workflow_text and mend every fault it names, until there is none.
5. Show me the file and say in two sentences how it would run. Save it under the registry's workflows/ as \
<workflowId>.task.md only when I agree.""",
    ),
    "resume_run": _Prompt(
        title="Resume a run",
        description="Go on with a run after a restart, a pause or a lost worker.",
        argument="run_id",
        argument_description="The run to go on with",
        needs=("get_run",),
        text="""\
Go on with the OpenTask run {value}.

1. Call get_run {{"run_id": "{value}"}}. It says what is done, what waits for whom, and `next`: \
the calls that are legal now.
2. Tell me in two sentences where it stands. If a person paused it, stop there and ask me.
3. If a node is held by a worker that you know is gone, release it with request_control; if you do not know, leave it.
4. Otherwise do what `next` says, one call at a time, until it is empty or something waits for me.""",
    ),
    "start_run": _Prompt(
        title="Start a run",
        description="Begin a long job as a run that survives restarts.",
        argument="goal",
        argument_description="What the job shall achieve",
        needs=("list_runs", "scaffold_run"),
        text="""\
Begin this job as an OpenTask run, so that it survives restarts and can be paused and taken over:

{value}

1. Call list_runs {{"status": "open"}}: if a run for this is open, go on with it instead of starting another.
2. Look for a fitting workflow with list_workflows. If there is none and the job is one step, use task_text; if it has \
several, write a short workflow_text (independent parts side by side, an approval before anything that cannot be \
undone).
3. Call scaffold_run with exactly one of workflow_path, workflow_text, task_text; when your host gives you a session \
key, pass it as source_session_key.
4. Then follow `next` in every answer: claim_node, do the work, finish_node with a report.
5. Ask me where a person's decision is needed; never approve for me.""",
    ),
    "tick": _Prompt(
        title="Tick a run",
        description="What a timer, cron job or heartbeat sends to wake the worker of a run.",
        argument="run_id",
        argument_description="The run to wake",
        needs=("tick_run",),
        text="""\
A timer woke you for the OpenTask run {value}.

1. Call tick_run {{"run_id": "{value}"}} once.
2. Follow messages from people in the answer. Carry out its effects with your own tools, then confirm them: \
tick_run with effects_done.
3. Do what `next` says. If it is empty, end your turn now, without a word unless something waits for a person.""",
    ),
    "work_queue": _Prompt(
        title="Work through a queue",
        description="Take work as an agent, one node after the other, until there is none.",
        argument="agent_id",
        argument_description="The agent whose queue it is",
        needs=("claim_node", "finish_node"),
        text="""\
Work as the agent {value} until there is nothing to do: P0 first and at once, P1 in order, P2 when idle.

1. Call claim_node {{"agent_id": "{value}"}}; it gives the most urgent first. If claimed is false, end \
your turn: answer with its `say`, which is the line HEARTBEAT_OK when there is nothing, or say in a sentence why not.
2. Read the brief, the inputs and the earlier attempts; do the work. Over ten minutes: heartbeat_node now and then; \
if it says stop, stop.
3. Call finish_node with the fence: completed with summary and report, or failed with error. Never leave a claim open.
4. Go on with 1.""",
    ),
}


class Prompts:
    """The prompts whose tools a server offers."""

    def __init__(self, *, served: Collection[str]) -> None:
        self._offered = {
            name: prompt for name, prompt in _PROMPTS.items() if all(tool in served for tool in prompt.needs)
        }

    def listing(self) -> ListPromptsResult:
        """All of them, sorted by name."""
        return ListPromptsResult(
            prompts=[
                Prompt(
                    name=name,
                    title=prompt.title,
                    description=prompt.description,
                    arguments=[
                        PromptArgument(name=prompt.argument, description=prompt.argument_description, required=True)
                    ],
                )
                for name, prompt in self._offered.items()
            ]
        )

    def get(self, name: str, arguments: Mapping[str, str]) -> GetPromptResult:
        """The message of a prompt with its argument filled in.

        Raises:
            MCPError: -32602, no such prompt here, or its argument is missing.
        """
        prompt = self._offered.get(name)
        if prompt is None:
            near = nearest(name, self._offered)
            mend = f"did you mean {near!r}?" if near else f"there are: {', '.join(self._offered) or 'none'}"
            raise MCPError(INVALID_PARAMS, f"no prompt {shown(name)!r}; {mend}")
        value = arguments.get(prompt.argument, "").strip()
        if not value:
            raise MCPError(INVALID_PARAMS, f"prompt {name!r} needs the argument {prompt.argument!r}")
        # `format` reads only our own text, so braces in a person's goal stay what they are.
        text = prompt.text.format(value=value)
        message = PromptMessage(role="user", content=TextContent(text=text))
        return GetPromptResult(description=prompt.description, messages=[message])
