"""Every command once, in the form that people and scripts use."""

import json
from pathlib import Path

import pytest

from opentask_mcp.cli.commands import FORMS, GROUPS, OWN
from opentask_mcp.cli.main import main
from tests.surfaces.cli.fixture import AUDIT, Cli


@pytest.mark.parametrize("words", ["", *GROUPS, *dict.fromkeys([*FORMS, *OWN])])
def test_every_command_says_what_it_is_for(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody reads a manual first; a command that fails to load would show here."""
    assert main([*words.split(), "--help"]) == 0

    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: opentask {words}".strip())


def test_without_words_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A stranger types the name and nothing else."""
    assert main([]) == 0

    assert "opentask demo" in capsys.readouterr().out


def test_the_version_names_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    """Another package has a script of this name; scripts tell the two apart by this line."""
    assert main(["--version"]) == 0

    assert capsys.readouterr().out.startswith("opentask-mcp 0.")


def test_init_makes_a_registry_and_leaves_what_is_there(cli: Cli, tmp_path: Path) -> None:
    """It is run again by people who are not sure whether they did."""
    fresh = tmp_path / "fresh"

    first, again = cli("init").answer, cli("init").answer

    assert first == {"root": str(cli.root), "made": ["opentask.toml", "workflows/", "runs/"]}
    assert again == {"root": str(cli.root), "made": []}
    assert main(["init", str(fresh)]) == 0
    assert (fresh / "opentask.toml").is_file()


def test_init_without_a_name_refuses_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every folder below the home folder would belong to that registry."""
    monkeypatch.chdir(Path.home())

    assert main(["init"]) == 2

    assert json.loads(capsys.readouterr().err)["error"]["code"] == "forbidden"


def test_workflows_are_listed_checked_and_shown(cli: Cli) -> None:
    """What can be started, whether it would, and what it says."""
    cli.audit()

    listed = cli("workflow", "list").answer
    checked = cli("workflow", "validate", "audit").answer
    shown = cli("workflow", "show", "audit").answer

    assert [row["workflowId"] for row in listed["workflows"]] == ["audit"]
    assert (checked["ok"], checked["nodeCount"], checked["faults"]) == (True, 4, [])
    assert shown["text"] == AUDIT


def test_a_faulty_workflow_ends_with_the_status_of_an_invalid_request(cli: Cli, tmp_path: Path) -> None:
    """`opentask workflow validate x && deploy` must stop."""
    faulty = tmp_path / "faulty.task.md"
    faulty.write_text(AUDIT.replace("needs: [gather]", "needs: [gathr]"), encoding="utf-8")

    ran = cli("workflow", "validate", str(faulty))

    assert (ran.status, json.loads(ran.out)["ok"]) == (2, False)


def test_a_run_is_made_of_any_file_with_inputs_by_name(cli: Cli, tmp_path: Path) -> None:
    """The command line may take a file from anywhere; numbers are told from text by `:=`."""
    path = tmp_path / "elsewhere.task.md"
    path.write_text(AUDIT, encoding="utf-8")

    made = cli(
        "run", "create", "--workflow-path", str(path), "--run-id", "a-1", "--input", "project=beacon",
        "--input", "depth:=3", "--tag", "weekly", "--source-session-key", "agent:main:chat:7",
    ).answer  # fmt: skip

    assert (made["created"], made["status"], made["becameReady"]) == (True, "running", ["gather"])
    state = json.loads((cli.root / "runs/a-1/state.json").read_text())
    assert state["inputs"] == {"project": "beacon", "depth": 3}
    assert (state["tags"], state["sourceAgentId"]) == (["weekly"], "main")


@pytest.mark.parametrize(
    "words",
    [
        ("--workflow-markdown", AUDIT),
        ("--workflow-markdown-file", "FILE"),
        ("--task-text", "Look at the horn."),
        ("--workflow-markdown", AUDIT, "--inputs-json", '{"project": "horn"}'),
        (
            "--workflow-markdown", AUDIT, "--title", "Mine", "--source-agent-id", "main", "--root-session-key",
            "agent:main:root", "--planner-session-key", "p", "--driver-session-key", "d",
            "--delivery-context-json", '{"channel": "slack", "to": "#ops"}',
        ),
    ],
)  # fmt: skip
def test_the_earlier_forms_of_run_create_are_kept(cli: Cli, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Scripts written for the earlier command line go on working."""
    (tmp_path / "w.md").write_text(AUDIT, encoding="utf-8")
    given = [str(tmp_path / "w.md") if word == "FILE" else word for word in words]

    assert cli("run", "create", "--run-id", "a-1", *given).answer["runId"] == "a-1"


def test_where_a_run_stands_is_shown_in_every_way(cli: Cli) -> None:
    """A person, a script and a drawing program each look at the same run."""
    run_id = cli.audit()

    shown = cli("run", "show", run_id).answer
    node = cli("node", "show", run_id, "gather").answer
    refs = cli("run", "show", run_id, "--view", "refs").answer
    events = cli("run", "events", run_id).answer
    listed = cli("run", "list", "--status", "open", "--text", "lighthouse").answer

    assert (shown["title"], shown["counts"]) == ("Audit of lighthouse", {"ready": 1, "pending": 3})
    assert node["prompt"] == "Look at lighthouse, 1 deep."
    assert refs["bindings"]["sourceSessionKey"].startswith("agent:")
    assert [event["event"] for event in events["events"]] == ["node.ready", "run.created"]
    assert [row["runId"] for row in listed["runs"]] == [run_id]
    assert "gather" in cli("run", "graph", run_id).out
    assert cli("run", "graph", run_id, "--mermaid").out.startswith("flowchart TD\n")
    assert cli("run", "graph", run_id, "--json").answer["format"] == "text"


def test_a_node_is_claimed_kept_and_finished(cli: Cli) -> None:
    """The path of every worker that has a shell and no MCP."""
    run_id = cli.audit()

    claim = cli("--agent", "cc", "node", "claim", run_id, "--lease-s", "60").answer
    beat = cli(
        "node", "heartbeat", run_id, "gather", "--fence", claim["fence"], "--message", "half", "--percent", "50"
    ).answer
    done = cli(
        "node", "finish", run_id, "gather", "completed", "--fence", claim["fence"], "--summary", "three changes",
        "--report", "# Three", "--payload-json", '{"count": 3}', "--artifact", "https://example.org/log",
    ).answer  # fmt: skip

    assert (claim["nodeId"], claim["owner"], claim["attempt"]) == ("gather", "cc", 1)
    assert (beat["stop"], beat["attempt"]) == (False, 1)
    assert (done["status"], done["becameReady"]) == ("completed", ["review"])
    result = json.loads((cli.root / f"runs/{run_id}/nodes/gather/result.json").read_text())
    assert result["payload"] == {"count": 3, "attempt": 1}


def test_a_handoff_is_written_from_its_parts_and_from_a_file(cli: Cli, tmp_path: Path) -> None:
    """A brief longer than a line comes from a file."""
    run_id = cli.audit()
    (tmp_path / "brief.md").write_text("Review with care.", encoding="utf-8")

    cli(
        "node", "handoff", run_id, "review", "--goal", "Find faults", "--rule", "change nothing", "--input", "report.md"
    )
    from_file = cli("node", "handoff", run_id, "review", "--content-file", str(tmp_path / "brief.md")).answer

    assert from_file["path"] == "nodes/review/handoff.md"
    assert "Review with care." in (cli.root / f"runs/{run_id}/nodes/review/handoff.md").read_text()


def test_an_artifact_is_written_and_read_back_whole(cli: Cli) -> None:
    """JSON for programs, and with --raw the very bytes for a pipe, however long."""
    run_id = cli.audit()
    text = "".join(f"line {number} äöü\n" for number in range(3_000))

    cli("artifact", "write", run_id, "gather", "findings.md", "--content", text)
    cli("artifact", "write", run_id, "gather", "findings.md", "--content", "end", "--mode", "append")

    slice_ = cli("artifact", "read", run_id, "nodes/gather/findings.md", "--limit", "6").answer
    assert (slice_["content"], slice_["nextOffset"]) == ("line 0", 6)
    assert cli("artifact", "read", run_id, "findings.md", "--node-id", "gather", "--raw").out == text + "end"


def test_events_and_progress_are_recorded(cli: Cli) -> None:
    """A note in the trail, and a line that everybody sees."""
    run_id = cli.audit()

    note = cli("event", "append", run_id, "note.decision", "--message", "we go on", "--payload-json", "[]")
    kept = cli(
        "event", "append", run_id, "note.decision", "--node-id", "gather", "--payload-json", '{"why": "time"}'
    ).answer
    cli("run", "progress", run_id, "half way")

    assert note.error["message"] == "payload is a list; it must be an object"
    assert (kept["kind"], kept["event"]) == ("note", "note.decision")
    assert cli("run", "show", run_id).answer["lastProgress"]["message"] == "half way"


def test_a_run_is_steered(cli: Cli) -> None:
    """Each control once; an agent's approval is recorded as passed on."""
    run_id = cli.at_gate()

    assert cli("control", "pause", run_id, "--message", "wait").answer["runStatus"] == "paused"
    assert cli("control", "resume", run_id).answer["runStatus"] == "running"
    approved = cli("control", "approve", run_id, "--node-id", "gate", "--message", "go").answer
    assert (approved["decision"], approved["relayed"], approved["becameReady"]) == ("approved", True, ["wrap"])
    assert cli("control", "send_message", run_id, "--message", "soon done").answer["applied"] is True
    claim = cli("node", "claim", run_id, "wrap").answer
    assert cli("control", "release", run_id, "--node-id", "wrap").answer["applied"] is True
    late = cli("node", "finish", run_id, "wrap", "completed", "--fence", claim["fence"], "--summary", "late")
    assert (late.status, late.error["code"]) == (4, "lease_lost")
    cli("node", "transition", run_id, "wrap", "running")
    assert cli("node", "transition", run_id, "wrap", "failed").answer["runStatus"] == "failed"
    assert cli("control", "retry", run_id, "--node-id", "wrap").answer["runStatus"] == "running"
    cli("run", "bind", run_id, "--cron-job-id", "job-1")
    patched = cli("control", "patch_cron", run_id, "--patch-json", '{"schedule": "*/9 * * * *"}').answer
    assert [effect["kind"] for effect in patched["effects"]] == ["message.send", "cron.update"]
    effect = patched["effects"][1]["effectId"]
    left = cli("run", "tick", run_id, "--effect-done", effect).answer["effects"]
    assert [effect["kind"] for effect in left] == ["message.send"]
    assert cli("run", "cancel", run_id, "--message", "enough").answer["runStatus"] == "cancelled"


def test_an_approval_can_be_rejected(cli: Cli) -> None:
    """No is an answer too."""
    run_id = cli.at_gate()

    rejected = cli("control", "reject", run_id, "--node-id", "gate", "--message", "not yet").answer

    assert (rejected["decision"], rejected["runStatus"]) == ("rejected", "failed")


def test_the_plan_is_changed(cli: Cli) -> None:
    """Work that nobody foresaw."""
    run_id = cli.audit()
    node = json.dumps({"title": "Extra", "kind": "session_turn", "prompt": "More."})

    added = cli(
        "plan", "change", run_id, "add_node", "extra", "--node-json", node, "--needs", "gather", "--needed-by", "gate"
    )
    rewired = cli("plan", "change", run_id, "rewire_node", "extra", "--needs-json", "[]")
    removed = cli("plan", "change", run_id, "remove_node", "extra")

    assert added.answer["runId"] == run_id
    assert rewired.answer["becameReady"] == ["extra"]
    assert removed.answer["runStatus"] == "running"


def test_waiting_ends_when_the_run_does_and_says_when_it_did_not(cli: Cli) -> None:
    """`run wait` is what shell scripts branch on."""
    run_id = cli.audit()

    in_vain = cli("run", "wait", run_id, "--timeout-s", "0")
    cli("run", "cancel", run_id)
    reached = cli("run", "wait", run_id, "--timeout-s", "3600")
    never = cli("run", "wait", run_id, "--status", "completed", "--timeout-s", "5")

    assert (in_vain.status, json.loads(in_vain.out)["reached"]) == (5, False)
    assert reached.answer["why"] == "the run is cancelled"
    assert (never.status, json.loads(never.out)["reached"]) == (4, False)


def test_a_run_is_proved(cli: Cli) -> None:
    """The state equals the trail, or the exit status says damaged data."""
    run_id = cli.audit()

    assert cli("run", "validate", run_id).answer["ok"] is True
    (cli.root / f"runs/{run_id}/refs.json").write_text("{}")
    ran = cli("run", "validate", run_id)

    assert (ran.status, json.loads(ran.out)["ok"], ran.err) == (7, False, "")


@pytest.mark.parametrize(
    ("kind", "node", "path"),
    [
        ("cron", (), ("cronJobId",)),
        ("driver-run", (), ("driverRunId",)),
        ("node-session", ("--node-id", "gather"), ("nodes", 0, "sessionKey")),
        ("child-session", ("--node-id", "gather"), ("nodes", 0, "childSessionKey")),
        ("node-run", ("--node-id", "gather"), ("nodes", 0, "workerRunId")),
    ],
)
def test_the_earlier_form_of_run_bind_is_kept(
    cli: Cli, kind: str, node: tuple[str, ...], path: tuple[str | int, ...]
) -> None:
    """`run bind RUN KIND --value ID` is in scripts that nobody wants to touch."""
    run_id = cli.audit()

    bound = cli("run", "bind", run_id, kind, *node, "--value", "x-1", "--message", "bound by hand").answer

    assert bound["runStatus"] == "running"
    found = cli("run", "show", run_id, "--view", "refs").answer["bindings"]
    for step in path:
        found = found[step]
    assert found == "x-1"
    assert cli("run", "events", run_id).answer["events"][0]["message"] == "bound by hand"


def test_a_run_is_bound_by_named_options(cli: Cli) -> None:
    """The form of the earlier command line for the sessions around a run."""
    run_id = cli.audit()

    bound = cli(
        "run", "bind", run_id, "--source-session-key", "agent:ops:main", "--source-agent-id", "ops",
        "--root-session-key", "agent:ops:root", "--delivery-context-json", '{"channel": "slack", "to": "#ops"}',
    ).answer  # fmt: skip

    assert bound["runId"] == run_id
    found = cli("run", "show", run_id, "--view", "refs").answer["bindings"]
    assert (found["sourceAgentId"], found["rootSessionKey"]) == ("ops", "agent:ops:root")
    assert found["deliveryContext"] == {"channel": "slack", "to": "#ops"}


def test_nodes_go_by_transitions_without_a_claim(cli: Cli) -> None:
    """The earlier way: a script says where a node stands."""
    run_id = cli.audit()

    started = cli("node", "transition", run_id, "gather", "running", "--message", "off we go").answer
    waiting = cli(
        "node", "transition", run_id, "gather", "waiting", "--payload-json", '{"waitFor": {"type": "manual"}}'
    ).answer
    back = cli("node", "transition", run_id, "gather", "ready").answer
    cli("node", "transition", run_id, "gather", "running")
    failed = cli("node", "transition", run_id, "gather", "failed", "--message", "no time").answer
    skipped = cli("node", "transition", run_id, "gather", "skipped").answer
    again = cli("node", "transition", run_id, "gather", "ready").answer

    assert [one["status"] for one in (started, waiting, back, failed, skipped, again)] == [
        "running", "waiting", "ready", "failed", "skipped", "ready",
    ]  # fmt: skip
    wrong = cli("node", "transition", run_id, "gather", "done")
    assert (wrong.status, wrong.error["code"]) == (2, "invalid_request")


def test_a_result_is_handed_in_with_its_sessions(cli: Cli) -> None:
    """The earlier way to end a node, sessions and artifacts at once."""
    run_id = cli.audit()
    cli("node", "transition", run_id, "gather", "running")

    done = cli(
        "node", "result", run_id, "gather", "completed", "--summary", "three", "--report", "# Three",
        "--artifacts-json", '["report.md"]', "--payload-json", '{"count": 3}',
        "--session-key", "agent:a:1", "--child-session-key", "agent:a:2",
    ).answer  # fmt: skip

    assert done["status"] == "completed"
    result = json.loads((cli.root / f"runs/{run_id}/nodes/gather/result.json").read_text())
    assert (result["sessionKey"], result["childSessionKey"]) == ("agent:a:1", "agent:a:2")
    assert result["artifacts"] == ["nodes/gather/report.md"]


def test_options_may_stand_behind_the_command_too(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """People add --json at the end of the line they just typed."""
    run_id = cli.audit()
    capsys.readouterr()

    assert main(["run", "show", run_id, "--json", "--root", str(cli.root), "--agent", "cc"]) == 0

    assert json.loads(capsys.readouterr().out)["runId"] == run_id


def test_the_agent_is_named_by_option_or_variable(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trail must say which agent it was."""
    run_id = cli.audit()

    monkeypatch.setenv("OPENTASK_AGENT_ID", "from-variable")
    cli("run", "progress", run_id, "one")
    cli("run", "progress", run_id, "two", "--agent", "from-option")

    actors = [event["by"] for event in cli("run", "events", run_id).answer["events"][:2]]
    assert [(actor["id"], actor["kind"], actor["via"], actor["verified"]) for actor in actors] == [
        ("from-option", "agent", "cli", False),
        ("from-variable", "agent", "cli", False),
    ]
    wrong = cli("run", "show", run_id, "--agent", "no good")
    assert wrong.error["message"].startswith("--agent is 'no good'; an id is")
