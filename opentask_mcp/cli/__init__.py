"""The command line `opentask`: it translates words into operations and answers into text, and decides nothing.

`commands.py` is the list of commands as data, `forms.py` goes both ways between a command's words
and an operation's arguments, `building.py` makes click commands of it when one is called,
`session.py` makes the calls, `show/` is what people see on a terminal, `own/` holds the commands
that are more than one call.
"""
