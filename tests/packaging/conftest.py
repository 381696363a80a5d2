"""What is handed out, built as a release builds it; needs no network, the builder is a development tool."""

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

DECOY = "raise SystemExit('the project\\'s own registry was imported')\n"


def built(kind: str, folder: Path, *, of: Path = ROOT) -> Path:
    """A distribution of a source tree."""
    pytest.importorskip("hatchling", reason="distributions are built by `make test`, which installs hatchling")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)],
        cwd=of,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    return built("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive."""
    return built("sdist", tmp_path_factory.mktemp("sdist"))


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel, with a project's folder to stand in."""

    bin: Path
    project: Path

    def run(self, program: str, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in the project's folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENTASK_", "PYTHON"))}
        return subprocess.run(
            [str(self.bin / program), *words],
            cwd=self.project,
            env={**kept, "HOME": str(self.project.parent), **(env or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed by pip into an empty environment, beside a project that has a `registry` of its own.

    Its dependencies are those of the environment that runs the tests: they are found behind what is
    installed here, so that no network is needed and a file left out of the wheel is still missing.
    """
    folder = tmp_path_factory.mktemp("installed")
    project = folder / "project"
    (project / "registry").mkdir(parents=True)
    (project / "registry" / "__init__.py").write_text(DECOY)
    venv.create(folder / "venv", with_pip=True, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    quiet = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    # -P: the working directory has a `registry`, and may have anything else.
    subprocess.run([str(python), "-P", "-m", "pip", "install", *quiet, str(wheel)], cwd=project, check=True)
    names = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    own = Path(sysconfig.get_path("purelib", vars=names))
    (own / "dependencies.pth").write_text(
        "".join(f"{sysconfig.get_path(kind)}\n" for kind in dict.fromkeys(("purelib", "platlib")))
    )
    return Installed(bin=python.parent, project=project)
