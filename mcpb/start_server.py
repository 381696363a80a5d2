"""Where Claude Desktop starts the server: beside it in the bundle lie the packages."""

import sys

from opentask_mcp.__main__ import opentask_mcp

sys.exit(opentask_mcp())
