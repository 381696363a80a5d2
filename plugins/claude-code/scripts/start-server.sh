#!/bin/sh
# Starts the MCP server of whatever installation there is. The registry is the folder that
# OPENTASK_REGISTRY_ROOT names, else the project's: Claude Code starts servers in its folder.
set -u

is_ours() {
    # Another package has a program of this name.
    case "$("$1" --version 2>/dev/null)" in opentask-mcp\ *) return 0 ;; esac
    return 1
}

if command -v opentask-mcp >/dev/null 2>&1 && is_ours opentask-mcp; then
    exec opentask-mcp "$@"
fi
if command -v uvx >/dev/null 2>&1; then
    exec uvx opentask-mcp "$@"
fi
if command -v pipx >/dev/null 2>&1; then
    exec pipx run opentask-mcp "$@"
fi
echo "opentask: no opentask-mcp on PATH, and no uvx or pipx to start it with." >&2
echo "Install it (uv tool install opentask-mcp, or pipx install opentask-mcp) and restart Claude Code." >&2
exit 127
