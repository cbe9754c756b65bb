"""What can be answered before PyTorch and Lightning are imported, which takes seconds.

The pages of ``cli/pages`` are what the parsers print at 80 columns. After a change of options
``python -m lightning_lossmeta.cli.make_pages`` writes them anew; a test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from lightning_lossmeta.cli.nearest import nearest, nearest_end

#: The page of the Trainer's options, which all commands that have one share.
TRAINER_PAGE = "trainer"

#: Commands whose parsers are slow to make, and whether they have the Trainer's options.
SLOW_COMMANDS = {
    "search": True,
    "fit": True,
    "validate": True,
    "test": True,
    "predict": True,
    "compare": False,
    "embed": False,
    "attack": False,
    "landscape": False,
}
_OPTION = re.compile(r"^ +(?:-\w[^,\n]*, )?(--[\w.+-]+)", re.MULTILINE)


def early_help(command: str, arguments: Sequence[str]) -> str | None:
    """The help that arguments ask for, if it depends on nothing else.

    Args:
        command: The command.
        arguments: What follows it.
    """
    if command not in SLOW_COMMANDS or len(arguments) != 1:
        return None
    if arguments[0] in ("-h", "--help"):
        return _page(command)
    if arguments[0] == "--help.trainer" and SLOW_COMMANDS[command]:
        return _page(TRAINER_PAGE).replace("lossmeta fit ", f"lossmeta {command} ", 1)
    return None


def early_complaint(command: str, arguments: Sequence[str]) -> str | None:
    r"""What is wrong with arguments as far as names alone tell: options and files.

    Args:
        command: The command.
        arguments: What follows it.

    >>> early_complaint("search", ["--seession.steps", "3"])
    "unrecognized arguments: --seession.steps\nDid you mean 'session.steps'?"
    """
    if command not in SLOW_COMMANDS:
        return None
    known = _options(command)
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if not name.startswith("--"):
            continue
        if not _is_known(name.rstrip("+"), known):
            word = name.removeprefix("--")
            options = {option.removeprefix("--") for option in known}
            hint = nearest(word, options) or nearest_end(word, options)
            return f"unrecognized arguments: {name}{hint}"
        value = value if equals else following
        if name in _whole_numbers(command) and not any(map(str.isdigit, value)):
            return f"Expected {name} to be a whole number, got '{value}'."
        is_file = name == "--config" and "\n" not in value and value.endswith((".yaml", ".yml"))
        if is_file and not Path(value).expanduser().is_file():
            return f"Expected a file after --config, found none at '{value}'."
        if name == "--resume" and not _has_run(value, arguments):
            return (
                f"Expected the folder of a run after --resume, with its config.yaml, got '{value}'."
            )
    return None


def _has_run(folder: str, arguments: Sequence[str]) -> bool:
    """Whether a folder tells how to go on with its run, or a configuration is given beside it."""
    given = any(argument.split("=")[0] in ("--config", "-c") for argument in arguments)
    return given or (Path(folder).expanduser() / "config.yaml").is_file()


def _is_known(name: str, known: frozenset[str]) -> bool:
    """Whether there is an option, or a class whose own option it may be."""
    if name in known:
        return True
    parts = name.split(".")
    prefixes = [".".join(parts[:cut]) for cut in range(1, len(parts))]
    return any(prefix in known and not _is_group(prefix, known) for prefix in prefixes)


def _is_group(name: str, known: frozenset[str]) -> bool:
    """Whether all that lies under a name is listed."""
    if f"{name}.help" in known:
        return False
    return any(option.startswith(f"{name}.") for option in known)


@cache
def _whole_numbers(command: str) -> frozenset[str]:
    """The options that take nothing but a whole number, as the page says."""
    starts = [match.start() for match in _OPTION.finditer(_page(command))]
    blocks = [_page(command)[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]
    return frozenset(
        _OPTION.findall(block)[0] for block in blocks if re.search(r"\(type:\s+int[,)]", block)
    )


@cache
def _options(command: str) -> frozenset[str]:
    pages = [_page(command), *([_page(TRAINER_PAGE)] if SLOW_COMMANDS[command] else [])]
    listed = {option for page in pages for option in _OPTION.findall(page)}
    return frozenset(listed | ({"--trust"} if command == "search" else set()))


def _page(name: str) -> str:
    return (files("lightning_lossmeta.cli") / "pages" / f"{name}.txt").read_text("utf-8")
