"""What happens in the demonstration, step by step."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio

from .host import Host, command_name, started
from .telling import Teller, shortened

_CHANGES: Final = """\
# What changed in lighthouse

- `lamp/rotate.py`: the lamp turns twice as fast in fog.
- `horn/timer.py`: the horn's timer is now monotonic.
- `docs/`: spelling.
"""
_REVIEW: Final = """\
# Review

| change | what could break | how bad |
|---|---|---|
| lamp turns faster | the motor runs hotter | watch it for a night |
| monotonic timer | nothing; it mends the leap-second bug | - |

No blocker found.
"""
_NOTE: Final = """\
# lighthouse 2.4

The lamp turns twice as fast in fog, and the horn keeps time over leap seconds.
Reviewed; released with the keeper's word.
"""
_COLUMNS: Final = 100
_WORDS: Final = "Fine, but watch the motor tonight."


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where the demonstration takes place."""

    root: Path
    run_id: str
    workflow_path: str

    @property
    def run_dir(self) -> Path:
        """The run's folder."""
        return self.root / "runs" / self.run_id


async def play(scene: Scene, teller: Teller) -> None:
    """From a workflow file to a proven run."""
    teller.heading("OpenTask MCP: a run from workflow to report, over MCP stdio")
    teller.aside(f"registry: {scene.root}")
    teller.aside("The agents are scripted; client, servers, calls and files are real.")

    async def keeper(question: str) -> dict[str, str]:
        teller.person(f"sees a form: {shortened(question, 160)}")
        teller.person(f'answers: approve, "{_WORDS}"')
        return {"decision": "approve", "comment": _WORDS}

    async with started(name="root-agent", root=scene.root, teller=teller, person=keeper) as agent:
        await _begin(scene, teller, agent)
        await _gather(scene, teller, agent)
        await _delegate(scene, teller, agent)
        await _decide(scene, teller, agent)
        await _end(scene, teller, agent)
    _folder(scene, teller)
    _next(scene, teller)


async def _begin(scene: Scene, teller: Teller, agent: Host) -> None:
    teller.step("An MCP host starts opentask-mcp and connects over stdin and stdout")
    teller.aside(f"protocol {agent.era}, {len(await agent.tools())} tools")

    teller.step("The agent checks the workflow before it runs it")
    await agent.call(
        "validate_workflow",
        lambda a: (
            f"ok={_said(a['ok'])}, {a['node_count']} nodes, inputs: "
            + ", ".join(one["name"] for one in a.get("inputs", []))
        ),
        workflow_path=scene.workflow_path,
    )

    teller.step("It starts a run; the answer says what is ready and what to call next")
    await agent.call(
        "scaffold_run",
        lambda a: f"{a['run_id']} is {a['status']}; ready: {', '.join(a['became_ready'])}; next: {_calls(a)}",
        workflow_path=scene.workflow_path,
        run_id=scene.run_id,
    )


async def _gather(scene: Scene, teller: Teller, agent: Host) -> None:
    teller.step("It claims the first node: a lease, and a fence that guards it against late workers")
    claim = await _claim(agent, scene, "gather")

    teller.step("It says how far it is, then hands in its report; the review becomes ready")
    await agent.call(
        "heartbeat_node",
        lambda a: f"lease until {_clock(a['lease_expires_at'])}, stop={_said(a['stop'])}",
        run_id=scene.run_id,
        fence=claim["fence"],
        message="two of three folders read",
        percent=60,
    )
    await _finish(agent, scene, claim, summary="three changes, one of them to the motor", report=_CHANGES)


async def _delegate(scene: Scene, teller: Teller, agent: Host) -> None:
    teller.step("The review is for a sub-agent, so the agent writes it a brief: handoff.md")
    brief = await agent.call(
        "write_handoff",
        lambda a: f"wrote {a['path']}; child_prompt: {shortened(a['child_prompt'], 60)}",
        run_id=scene.run_id,
        node_id="review",
        goal="Say what could break, and how bad that is.",
        inputs=["nodes/gather/report.md"],
        rules=["Change no code."],
    )

    teller.step("The sub-agent is another process with a server of its own; the agent waits for it")
    async with anyio.create_task_group() as together:
        together.start_soon(_wait, agent, scene)
        async with started(name="sub-agent", root=scene.root, teller=teller) as child:
            teller.aside(f"sub-agent is told: {shortened(brief['child_prompt'], 78)}")
            claim = await _claim(child, scene, "review")
            await _finish(child, scene, claim, summary="no blocker; watch the motor", report=_REVIEW)


async def _wait(agent: Host, scene: Scene) -> None:
    await agent.call(
        "wait_for_run",
        lambda a: f"reached={_said(a['reached'])}: {a['why']}",
        run_id=scene.run_id,
        node_id="review",
        timeout_s=45,
    )


async def _decide(scene: Scene, teller: Teller, agent: Host) -> None:
    teller.step("Now the run waits for a person; the agent can see that and cannot go on")
    await agent.call(
        "get_run",
        lambda a: (
            f"{_counts(a)}; waits: " + "; ".join(f"{w['node_id']} for {w.get('who', '?')}" for w in a["waiting_for"])
        ),
        run_id=scene.run_id,
    )

    teller.step("It asks: the server shows the person a form (MCP elicitation), and only they decide")
    await agent.call(
        "request_control",
        lambda a: f"{a.get('decision')} by {a.get('decided_by')}; ready: {', '.join(a['became_ready'])}",
        run_id=scene.run_id,
        action="approve",
        node_id="release",
        message="The review found no blocker.",
    )


async def _end(scene: Scene, teller: Teller, agent: Host) -> None:
    teller.step("The last node; with its report the run is completed")
    claim = await _claim(agent, scene, "summary")
    await _finish(agent, scene, claim, summary="lighthouse 2.4 may go out", report=_NOTE)

    teller.step("Prove it: every file of the run is what its trail says")
    await agent.call(
        "validate_run",
        lambda a: f"ok={_said(a['ok'])}, {a['errors']} errors, {a['warnings']} warnings",
        run_id=scene.run_id,
    )


async def _claim(agent: Host, scene: Scene, node_id: str) -> dict[str, Any]:
    return await agent.call(
        "claim_node",
        lambda a: f"attempt {a['attempt']}, fence {a['fence']}, brief: {shortened(a['brief'], 50)}",
        run_id=scene.run_id,
        node_id=node_id,
    )


async def _finish(agent: Host, scene: Scene, claim: dict[str, Any], *, summary: str, report: str) -> None:
    await agent.call(
        "finish_node",
        lambda a: (
            f"{a['node_id']} {a['status']}; wrote {', '.join(a['written'])}; run {a['run_status']}"
            + (f"; ready: {', '.join(a['became_ready'])}" if a["became_ready"] else "")
        ),
        run_id=scene.run_id,
        fence=claim["fence"],
        outcome="completed",
        summary=summary,
        report=report,
    )


def _folder(scene: Scene, teller: Teller) -> None:
    teller.heading("What is on the disk: plain files")
    teller.text(f"{scene.run_dir}/")
    teller.text("\n".join(_tree(scene.run_dir)))

    teller.heading(f"$ cut -c1-{_COLUMNS} state.json      (made from the trail, for people and screens)")
    teller.text("\n".join(line[:_COLUMNS] for line in _lines(scene.run_dir / "state.json")))

    teller.heading(f"$ tail -n 4 events.jsonl | cut -c1-{_COLUMNS}      (the trail: what happened, never changed)")
    teller.text("\n".join(line[:_COLUMNS] for line in _lines(scene.run_dir / "events.jsonl")[-4:]))

    teller.heading("$ cat nodes/summary/report.md")
    teller.text((scene.run_dir / "nodes/summary/report.md").read_text(encoding="utf-8"))


def _next(scene: Scene, teller: Teller) -> None:
    command = f"{command_name()} --root {scene.root}"
    teller.heading("Try next")
    teller.text(f"{command} run show {scene.run_id}")
    teller.text(f"{command} run events {scene.run_id}")
    teller.text(f"{command} run graph {scene.run_id}")
    teller.text(f"{command_name()} mcp config claude     # how to add the server to Claude Code; also openclaw, ...")
    teller.text("")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _tree(folder: Path, before: str = "") -> list[str]:
    """A folder as lines; what only programs read is left out."""
    lines = []
    entries = sorted(
        (entry for entry in folder.iterdir() if not entry.name.startswith(".")),
        key=lambda entry: (entry.is_dir(), entry.name),
    )
    for entry in entries:
        last = entry is entries[-1]
        lines.append(f"{before}{'└── ' if last else '├── '}{entry.name}{'/' if entry.is_dir() else ''}")
        if entry.is_dir():
            lines += _tree(entry, before + ("    " if last else "│   "))
    return lines


def _calls(answer: dict[str, Any]) -> str:
    return ", ".join(f"{call['tool']} {call['args'].get('node_id', '')}".strip() for call in answer["next"][:2])


def _counts(answer: dict[str, Any]) -> str:
    return ", ".join(f"{number} {status}" for status, number in answer["counts"].items())


def _clock(moment: str) -> str:
    return moment[11:19]


def _said(value: object) -> str:
    return json.dumps(value)
