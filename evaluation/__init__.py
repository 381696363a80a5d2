"""Whether agents do it right: twelve jobs in plain words, and a scorer that looks at what became of the registry.

An agent is any program that talks MCP over stdio. It gets what a person would say and the address of a server; it
is judged by the run's files, the order in the trail, and the calls it made on the way. README.md tells how a
person runs it against a real model.
"""
