"""Build the bundle that Claude Desktop installs with a double click: `python mcpb/build.py [FOLDER]`.

A bundle is a zip of manifest.json and the server. Its dependencies are not in it: pydantic is compiled for each
platform, so the host installs them with uv from the bundle's pyproject.toml. The same sources give the same
bytes, so that a signature can be checked against a build of one's own.
"""

import json
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
CHECKOUT: Final = HERE.parent
_PACKAGES: Final = ("registry", "opentask_mcp")
_SHARED: Final = (
    ("workflows", "opentask_mcp/share/workflows"),
    ("skills/opentask", "opentask_mcp/share/skills/opentask"),
)
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


def build(folder: Path) -> Path:
    """Write the bundle into a folder; its path."""
    version = version_of_package()
    path = folder / f"opentask-mcp-{version}.mcpb"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in sorted(contents(version).items()):
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, content)
    return path


def contents(version: str) -> dict[str, bytes]:
    """Every file of the bundle by its name there."""
    files = {
        "manifest.json": _json(manifest(version)),
        "pyproject.toml": pyproject(version).encode(),
        "start_server.py": (HERE / "start_server.py").read_bytes(),
        "LICENSE": (CHECKOUT / "LICENSE").read_bytes(),
    }
    for package in _PACKAGES:
        files |= dict(_below(package, package))
    for source, target in _SHARED:
        files |= dict(_below(source, target))
    return files


def manifest(version: str) -> dict[str, Any]:
    """The manifest with this version, and the tools as a person reads of them before installing."""
    document: dict[str, Any] = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
    offers = json.loads((CHECKOUT / "opentask_mcp" / "mcp" / "tools.json").read_text(encoding="utf-8"))
    tools = [
        {"name": name, "description": offer["tool"]["description"]}
        for name, offer in offers.items()
        if offer["toolset"] == "core"
    ]
    return {**document, "version": version, "tools": tools, "tools_generated": True}


def pyproject(version: str) -> str:
    """What uv reads: what to install, and that there is nothing to build."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        "[project]",
        f"name = {json.dumps(project['name'])}",
        f"version = {json.dumps(version)}",
        f"requires-python = {json.dumps(project['requires-python'])}",
        "dependencies = [",
        *(f"    {json.dumps(dependency)}," for dependency in project["dependencies"]),
        "]",
        "",
        "[tool.uv]",
        "package = false",
    ]
    return "\n".join(lines) + "\n"


def version_of_package() -> str:
    """The version that the program says of itself."""
    for line in (CHECKOUT / "opentask_mcp" / "__init__.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("__version__"):
            return line.split('"')[1]
    raise SystemExit("opentask_mcp/__init__.py names no version")


def _below(source: str, target: str) -> Iterator[tuple[str, bytes]]:
    folder = CHECKOUT / source
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{target}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    made = build(Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "dist")
    sys.stdout.write(f"{made}\n")
