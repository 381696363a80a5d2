"""Commands that are more than one call of one operation."""
