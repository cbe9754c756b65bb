"""How the light subcommands talk: tables on standard output, one clean message for an error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lightning_lossmeta._machine import machine_trouble
from lightning_lossmeta.cli.endings import WRONG_INPUT, interrupted

if TYPE_CHECKING:
    from rich.console import Console

    from lightning_lossmeta.artifacts import ReadyLoss

# Columns of text that tables have where they go to a file or a pipe.
_WIDTH = 100
MAX_CLASSES = 100_000


def reported(program: str, work: Callable[[], None]) -> int:
    """Do something; tell what the user got wrong in one message, without a traceback.

    Args:
        program: Name of the command, which the message begins with.
        work: Raises an error of this package, or one of the file system.

    Returns:
        The exit status: 0, or 2 after an error.
    """
    from lightning_lossmeta.artifacts import ArtifactError, ExportError
    from lightning_lossmeta.artifacts.zoo import UnknownLossError

    try:
        work()
    except KeyboardInterrupt as stop:
        return interrupted(stop)
    except (ArtifactError, ExportError, UnknownLossError, OSError) as error:
        trouble = machine_trouble(error) if isinstance(error, OSError) else None
        print(f"{program}: {printable(trouble or str(error))}", file=sys.stderr)
        return WRONG_INPUT
    return 0


def console(width: int = _WIDTH) -> Console:
    """A console as wide as the terminal, or of ``width`` columns where there is no terminal."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=width)


def printable(text: str) -> str:
    r"""Text without control characters: a file may hold any, and a terminal obeys them.

    >>> printable("red \x1b[31m")
    'red ?[31m'
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def class_count(text: str) -> int:
    """An option's number of classes.

    Raises:
        ArgumentTypeError: If the text is no number from 2 to :data:`MAX_CLASSES`.
    """
    if not text.isdecimal() or not 2 <= int(text) <= MAX_CLASSES:
        raise argparse.ArgumentTypeError(f"expected a number from 2 to {MAX_CLASSES}, got '{text}'")
    return int(text)


def default_classes(losses: Sequence[ReadyLoss]) -> int:
    """The class count that the first learned loss was made for, else 10."""
    for ready in losses:
        if ready.artifact is None:
            continue
        count = ready.artifact.provenance.get("num_classes")
        if isinstance(count, int) and 2 <= count <= MAX_CLASSES:
            return count
        if ready.artifact.normalisation is not None:
            return ready.artifact.normalisation.num_classes
    return 10


def one_line(values: Mapping[str, Any]) -> str:
    """Nested names and values as a line; those without a value are left out.

    >>> one_line({"seed": 0, "images": None, "tasks": [{"data": "digits"}], "num_classes": 10})
    'seed 0; tasks (data digits); num classes 10'
    """
    parts = [
        f"{key.replace('_', ' ')} {_value(value)}"
        for key, value in values.items()
        if value is not None
    ]
    return "; ".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({one_line(value)})"
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
