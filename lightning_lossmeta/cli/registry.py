"""The commands that there are: each module of ``cli/commands`` is one, and none is imported."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from typing import cast

from lightning_lossmeta.cli import commands


def command_names() -> list[str]:
    """The name of each command, in alphabetical order: that of its module.

    >>> "zoo" in command_names()
    True
    """
    names = (module.name for module in pkgutil.iter_modules(commands.__path__))
    return sorted(name for name in names if not name.startswith("_"))


def command_help(name: str) -> str:
    """The first line of a command's docstring, read from its source without running it.

    Args:
        name: One of :func:`command_names`.

    Returns:
        The line without its full stop; empty where there is none, or where the source is no Python.

    >>> command_help("zoo")
    'List the losses that are ready to use'
    """
    spec = importlib.util.find_spec(_module(name))
    source = getattr(spec.loader, "get_source", _no_source)(spec.name) if spec else None
    try:
        text = ast.get_docstring(ast.parse(source or "")) or ""
    except SyntaxError:  # one broken command must not take the others with it
        return ""
    return text.split("\n", 1)[0].rstrip(".")


def command_main(name: str) -> Callable[[list[str]], int]:
    """Import a command.

    Args:
        name: One of :func:`command_names`.

    Returns:
        Its ``main``, which takes the arguments after the name and returns the exit status.
    """
    return cast("Callable[[list[str]], int]", importlib.import_module(_module(name)).main)


def _module(name: str) -> str:
    return f"{commands.__name__}.{name}"


def _no_source(name: str) -> None:
    """Stands in for ``get_source`` of a loader that has no sources to show."""
