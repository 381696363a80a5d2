"""`python -m evaluation`: the jobs, trying them, and the judgement."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .job import all_jobs
from .recording import record
from .running import run, server_entry
from .scoring import Score, score
from .stage import Stage, begin, prepare


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 where a job was done as it should be, 1 where not."""
    words = list(sys.argv[1:] if argv is None else argv)
    cut = words.index("--") if "--" in words else len(words)
    asked = _parser().parse_args(words[:cut])
    rest = words[cut + 1 :]
    if asked.command == "list":
        for job in all_jobs().values():
            print(f"{job.id:<16}{job.title}")
        return 0
    if asked.command == "record":
        return record(Stage(Path(asked.folder)), rest)
    if asked.command == "prepare":
        stage = prepare(all_jobs()[asked.job], Path(asked.folder))
        _tell_turn(stage, 1)
        return 0
    if asked.command == "turn":
        stage = Stage(Path(asked.folder))
        _tell_turn(stage, stage.turn + 1)
        return 0
    if asked.command == "score":
        return _tell(score(Stage(Path(asked.folder))), as_json=asked.json)
    return _try(asked, rest)


def _try(asked: argparse.Namespace, command: list[str]) -> int:
    if not command:
        print("name the agent's command behind --, such as: -- my-agent {mcp_config} {prompt_file}", file=sys.stderr)
        return 2
    jobs = all_jobs()
    status = 0
    for name in [*jobs] if asked.job == "all" else [asked.job]:
        folder = Path(asked.folder or tempfile.mkdtemp(prefix="opentask-evaluation-")) / name
        stage = prepare(jobs[name], folder)
        ended = run(stage, command, turn_s_max=asked.minutes * 60, options=asked.server_options.split())
        if any(ended):
            print(f"{name}: the agent ended with {ended}; see {folder}/output-*.txt", file=sys.stderr)
        status = max(status, _tell(score(stage), as_json=asked.json))
        print(f"  kept in {folder}\n", file=sys.stderr)
    return status


def _tell_turn(stage: Stage, number: int) -> None:
    """What a person does by hand: what to say, and how the client starts the server."""
    count = len(stage.job.turns)
    if number > count:
        print(f"that was the last turn; now: python -m evaluation score {stage.folder}")
        return
    print(f"Turn {number} of {count}, in a session that knows nothing of earlier ones. Say:\n")
    print(begin(stage, number).say)
    print(f"\nThe server:\n{json.dumps(server_entry(stage), indent=2)}")
    then = f"turn {stage.folder}" if number < count else f"score {stage.folder}"
    print(f"\nThen: python -m evaluation {then}")


def _tell(judged: Score, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({**asdict(judged), "passed": judged.passed}, indent=2, ensure_ascii=False))
        return 0 if judged.passed else 1
    for finding in judged.findings:
        print(f"  {'ok ' if finding.ok else 'NOT'}  {finding.what}" + (f": {finding.found}" if finding.found else ""))
    refused = ", ".join(f"{count} {code}" for code, count in judged.refused.items()) or "none"
    thrift = "" if judged.is_thrifty else "  (more than this job takes)"
    print(f"  calls {judged.calls}, refused: {refused}, bytes {judged.bytes_spent:,}{thrift}")
    print(f"{'passed' if judged.passed else 'FAILED'}  {judged.job}")
    return 0 if judged.passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="the jobs")
    one = commands.add_parser("run", help="have a program do a job, or all of them: run JOB -- COMMAND")
    one.add_argument("job", choices=[*all_jobs(), "all"], metavar="JOB")
    one.add_argument("--folder", metavar="DIR", help="where tries are kept (a temporary folder)")
    one.add_argument("--minutes", type=float, default=15, help="how long a turn may take (15)")
    one.add_argument("--server-options", default="", metavar="WORDS", help="such as: --toolsets min")
    one.add_argument("--json", action="store_true", help="the judgement as JSON")
    one = commands.add_parser("prepare", help="make the folder of a try, and say what to say first")
    one.add_argument("job", choices=all_jobs(), metavar="JOB")
    one.add_argument("folder", metavar="DIR")
    one = commands.add_parser("turn", help="begin the next turn of a try by hand")
    one.add_argument("folder", metavar="DIR")
    one = commands.add_parser("score", help="judge a try")
    one.add_argument("folder", metavar="DIR")
    one.add_argument("--json", action="store_true", help="the judgement as JSON")
    one = commands.add_parser("record", help="be the server of a try: record DIR [-- SERVER OPTIONS]")
    one.add_argument("folder", metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
