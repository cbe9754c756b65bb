"""The nearest name to a misspelt one, for the parser's messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

import pytorch_lightning as pl
from jsonargparse import ArgumentParser
from torch import nn

from lightning_lossmeta.callbacks import MetaCallback
from lightning_lossmeta.evaluators import Evaluator
from lightning_lossmeta.families import LossFamily
from lightning_lossmeta.searchers import Searcher

_ROOTS: tuple[type, ...] = (
    LossFamily,
    Searcher,
    Evaluator,
    MetaCallback,
    pl.LightningModule,
    pl.LightningDataModule,
    nn.Module,
)


def with_hint(message: str, parser: ArgumentParser) -> str:
    """A parser's message, with the nearest class or option where it complains of one.

    Args:
        message: What the parser says.
        parser: Whose options are known.
    """
    for quoted in re.findall(r"['\"`]([\w.\-]+)['\"`]|(--[\w.\-]+)|:\s+([\w.]+)", message):
        word = next(filter(None, quoted))
        name = word.lstrip("-").rsplit(".", 1)[-1]
        near = difflib.get_close_matches(name, _known(parser), n=1, cutoff=0.75)
        if near and near[0] != name:
            return f"{message}\nDid you mean '{near[0]}'?"
    return message


def _known(parser: ArgumentParser) -> set[str]:
    options = {action.dest.rsplit(".", 1)[-1] for action in parser._actions}
    ours = {
        cls.__name__
        for root in _ROOTS
        for cls in _subclasses(root)
        if cls.__module__.startswith("lightning_lossmeta")
    }
    return options | ours


def _subclasses(cls: type) -> Iterable[type]:
    for child in cls.__subclasses__():
        yield child
        yield from _subclasses(child)
