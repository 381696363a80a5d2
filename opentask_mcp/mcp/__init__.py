"""The MCP surface. Only what is below imports the SDK, which takes half a second."""
