"""One module a command of ``lossmeta``; the first line of its docstring is its help."""
