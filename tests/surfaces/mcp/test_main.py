"""The options of `opentask-mcp`: what a person gets wrong when they add the server to a host."""

import subprocess
import sys
from pathlib import Path

import pytest

from opentask_mcp import __version__
from opentask_mcp.mcp.main import _chosen, _parser, main
from opentask_mcp.mcp.serving import Serving


def serving_of(*options: str, **environ: str) -> Serving:
    return _chosen(_parser(environ).parse_args(options))[1]


def test_the_version_names_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    """Other programs tell ours by it: an earlier package has scripts of the same names."""
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])

    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"opentask-mcp {__version__}\n"


def test_the_version_is_told_without_the_sdk() -> None:
    """It is asked by scripts that choose a program, and the SDK takes half a second."""
    code = "import sys; from opentask_mcp.mcp.main import _parser; _parser({}); print('mcp' in sys.modules)"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert printed.stdout == "False\n"


def test_the_default_is_the_core_toolset_open_to_relayed_decisions() -> None:
    """What a host gets that says nothing."""
    assert serving_of() == Serving()


def test_options_go_before_variables() -> None:
    """A host's configuration is written once, its environment changes."""
    environ = {
        "OPENTASK_TOOLSETS": "min",
        "OPENTASK_TOOLS": "doctor, validate_run",
        "OPENTASK_READ_ONLY": "1",
        "OPENTASK_APPROVALS": "elicit",
        "OPENTASK_AGENT_ID": "worker",
    }

    assert serving_of(**environ) == Serving(
        toolsets=("min",), tools=("doctor", "validate_run"), read_only=True, approvals="elicit", agent="worker"
    )
    assert serving_of("--toolsets", "core,admin", "--approvals", "operator", "--agent", "cc", **environ) == Serving(
        toolsets=("core", "admin"), tools=("doctor", "validate_run"), read_only=True, approvals="operator", agent="cc"
    )


@pytest.mark.parametrize(
    ("options", "environ", "told"),
    [
        (["--toolset", "core"], {}, "unrecognized arguments: --toolset core"),
        (["--approvals", "close"], {}, "invalid choice: 'close'"),
        (["--transport", "sse"], {}, "invalid choice: 'sse'"),
        (["--port", "9000"], {}, "--port goes with --transport http"),
        (["--allow-host", "box"], {"OPENTASK_TRANSPORT": "stdio"}, "--allow-host goes with --transport http"),
        (["--transport", "http", "--port", "0x50"], {}, "--port is '0x50'; it must be a number from 0"),
        (["--transport", "http"], {"OPENTASK_PORT": "65536"}, "--port is '65536'; it must be a number from 0"),
        (
            ["--transport", "http", "--host", "0.0.0.0"],
            {},
            "can be reached from other machines; set OPENTASK_HTTP_TOKEN",
        ),
        (["--transport", "http", "--host", "::"], {}, "can be reached from other machines; set OPENTASK_HTTP_TOKEN"),
        (
            ["--transport", "http"],
            {"OPENTASK_HTTP_TOKEN": "short"},
            "OPENTASK_HTTP_TOKEN must be at least 16 printable",
        ),
        (["--log-format", "xml"], {}, "invalid choice: 'xml'"),
        ([], {"OPENTASK_LOG_LEVEL": "loud"}, "OPENTASK_LOG_LEVEL is 'loud'; it must be one of debug, info, warning"),
        ([], {"OPENTASK_APPROVALS": "operater"}, "OPENTASK_APPROVALS is 'operater'; it must be one of open, elicit"),
        ([], {"OPENTASK_READ_ONLY": "ja"}, "OPENTASK_READ_ONLY is 'ja'; it must be 1 or 0"),
        (["--agent", "a b"], {}, "--agent is 'a b'; an id is letters, digits"),
        (["--toolsets", "cor"], {}, "no toolset 'cor'; did you mean 'core'?"),
        (["--tools", "get_rum"], {}, "no tool 'get_rum'; did you mean 'get_run'?"),
        (["--root", __file__], {}, "is a file; a registry is a folder"),
    ],
)
def test_a_wrong_option_stops_the_start_with_its_mend(
    *,
    options: list[str],
    environ: dict[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A server that starts otherwise than it was told is found out weeks later."""
    monkeypatch.chdir(tmp_path)
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit) as stopped:
        main(options)

    assert stopped.value.code == 2
    assert told in capsys.readouterr().err
