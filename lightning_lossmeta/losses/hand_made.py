"""The hand-made losses by name: every class in the package ``losses`` that needs no argument."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

from lightning_lossmeta import losses
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.links import Identity, Sigmoid, Softmax

_LINKS = (Softmax, Sigmoid, Identity)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def hand_made_losses() -> dict[str, type[LossFunction]]:
    """The losses that can be made without arguments, by name, grouped by what they are for.

    A class in a new file of ``lightning_lossmeta/losses`` is among them without a change elsewhere.

    >>> hand_made_losses()["nce_and_mae"].__name__
    'NCEAndMAE'
    """
    found = [
        cls
        for module in sorted(info.name for info in pkgutil.iter_modules(losses.__path__))
        for cls in _classes(importlib.import_module(f"{losses.__name__}.{module}"))
    ]
    return {_snake_case(cls.__name__): cls for cls in sorted(found, key=_rank)}


def _classes(module: object) -> list[type[LossFunction]]:
    return [
        cls
        for cls in vars(module).values()
        if inspect.isclass(cls)
        and issubclass(cls, LossFunction)
        and cls.__module__ == getattr(module, "__name__", None)
        and not inspect.isabstract(cls)
        and not _needs_arguments(cls)
    ]


def _needs_arguments(cls: type) -> bool:
    try:
        inspect.signature(cls).bind()
    except TypeError:
        return True
    return False


def _rank(cls: type[LossFunction]) -> int:
    """Losses of classes first, then binary ones, then those of regression, then others."""
    link = cls().link
    ranks = [place for place, kind in enumerate(_LINKS) if isinstance(link, kind)]
    return ranks[0] if ranks else len(_LINKS)


def _snake_case(name: str) -> str:
    return _WORDS.sub("_", name).lower()
