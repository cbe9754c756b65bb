"""The nearest name to a misspelt one, for the parser's messages."""

from __future__ import annotations

import inspect
import re
import sys

import pytorch_lightning as pl
from jsonargparse import ArgumentParser
from torch import nn

from lightning_lossmeta._subclasses import all_subclasses
from lightning_lossmeta.callbacks import MetaCallback
from lightning_lossmeta.cli.nearest import nearest, nearest_end
from lightning_lossmeta.evaluators import Evaluator
from lightning_lossmeta.families import LossFamily
from lightning_lossmeta.local_search import Refiner
from lightning_lossmeta.search import Allocation
from lightning_lossmeta.searchers import Searcher

_ROOTS: tuple[type, ...] = (
    LossFamily,
    Searcher,
    Evaluator,
    MetaCallback,
    Refiner,
    Allocation,
    pl.LightningModule,
    pl.LightningDataModule,
    nn.Module,
)


def with_hint(message: str, parser: ArgumentParser) -> str:
    """A parser's message, with the nearest class or option where it complains of one.

    Args:
        message: What the parser says.
        parser: The parser, whose options may be meant.
    """
    if "Did you mean" in message:
        return message
    if match := re.search(r"arguments: --([\w.]+)", message):
        options = {action.dest for action in parser._actions}
        return message + (nearest(match[1], options) or nearest_end(match[1], options))
    if match := re.search(r"Option '(\w+)' is not accepted", message):
        return message + (_owners(match[1]) or nearest(match[1], _arguments()))
    if match := re.search(r"Given value: ([\w.]+)\s*$", message):
        return message + nearest(match[1].rpartition(".")[2], _classes(match[1]))
    return message


def _classes(path: str) -> set[str]:
    """Classes in the module that a path names, where it was imported; else this package's."""
    module = sys.modules.get(path.rpartition(".")[0])
    if module is not None:
        return {name for name, value in vars(module).items() if isinstance(value, type)}
    return {cls.__name__ for cls in _ours()}


def _arguments() -> set[str]:
    """What the constructors of this package's classes take."""
    return {name for cls in _ours() for name in inspect.signature(cls).parameters}


def _owners(argument: str) -> str:
    """A line that names the classes of this package that do take an argument; empty if none."""
    owners = sorted(
        cls.__name__ for cls in _ours() if argument in inspect.signature(cls).parameters
    )
    return f"\nIt is an argument of {', '.join(owners[:4])}." if owners else ""


def _ours() -> set[type]:
    subclasses = (cls for root in _ROOTS for cls in all_subclasses(root))
    return {cls for cls in subclasses if cls.__module__.startswith("lightning_lossmeta")}
