"""`server.json`, which the MCP registry and clients that read it install from."""

import json
import re
import tomllib
from typing import Any

import pytest

from opentask_mcp.mcp.main import _parser
from tests.architecture.source import ROOT

INPUT = {"description", "isRequired", "format", "value", "isSecret", "default", "placeholder", "choices", "variables"}
PACKAGE = {
    "registryType", "registryBaseUrl", "identifier", "version", "fileSha256", "runtimeHint", "transport",
    "runtimeArguments", "packageArguments", "environmentVariables",
}  # fmt: skip


@pytest.fixture
def server() -> Any:
    """The document."""
    return json.loads((ROOT / "server.json").read_text())


def test_the_document_has_the_shape_of_its_schema(server: Any) -> None:
    """Publishing refuses it otherwise, after the release is out."""
    assert set(server) <= {
        "$schema", "name", "title", "description", "version", "repository", "websiteUrl", "icons", "packages",
        "remotes", "_meta",
    }  # fmt: skip
    assert server["$schema"].endswith("/2025-12-11/server.schema.json")
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", server["name"])
    assert 1 <= len(server["description"]) <= 100
    assert 1 <= len(server["title"]) <= 100
    (package,) = server["packages"]
    assert set(package) <= PACKAGE
    assert package["transport"] == {"type": "stdio"}
    for argument in package["packageArguments"]:
        assert (argument["type"], set(argument) - {"type", "name"} <= INPUT) == ("named", True)
    for variable in package["environmentVariables"]:
        assert set(variable) - {"name"} <= INPUT
        assert variable.get("format", "string") in {"string", "number", "boolean", "filepath"}


def test_the_package_is_ours(server: Any) -> None:
    """A client fetches what is named here and runs it."""
    (package,) = server["packages"]

    assert package["identifier"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    assert package["version"] == server["version"]
    # Where the package comes from is the client's choice; the type says which kind of index has it.
    assert "registryBaseUrl" not in package


def test_every_option_and_variable_is_one_of_the_server(server: Any) -> None:
    """A client offers them to the person as they stand."""
    (package,) = server["packages"]
    help_text = _parser({}).format_help()

    for argument in package["packageArguments"]:
        assert f"{argument['name']} " in help_text
    for variable in package["environmentVariables"]:
        assert variable["name"] in help_text


def test_the_page_of_the_package_says_whose_server_it_is(server: Any) -> None:
    """The registry looks for this line in the package's description before it takes the entry."""
    assert f"mcp-name: {server['name']}" in (ROOT / "README.md").read_text()
