"""Answers as people see them on a terminal. Loads rich, so only a terminal gets here."""
