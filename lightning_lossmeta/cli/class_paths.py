"""What the ``class_path`` entries of a configuration name, and where that is looked for."""

from __future__ import annotations

import inspect
import os
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
from jsonargparse import Namespace
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import Dataset

#: What a function may make that stands where a class is expected, as torchvision's ``resnet18``.
_PRODUCTS = (nn.Module, Optimizer, LRScheduler, Dataset, pl.LightningDataModule, pl.Callback)
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def add_current_folder() -> None:
    """Let class paths name the modules of the folder that a command runs in.

    It comes last, so that no file in it, as a ``torch.py``, takes the place of an installed module.
    """
    here = os.getcwd()
    if not getattr(sys.flags, "safe_path", False) and here not in sys.path:
        sys.path.append(here)


def refuse_functions(config: Any) -> None:
    """Refuse each ``class_path`` that names a function, as ``os.system``, before it is called.

    The parser calls whatever a ``class_path`` names where a ``Callable`` is expected. A function
    passes if it is annotated to return a network, optimiser, schedule, data set, data module or
    callback.

    Args:
        config: A parsed configuration, none of it made yet.

    Raises:
        ValueError: If there is such a path; the message names the first.
    """
    for path in class_paths(config):
        named = _imported(path)
        if callable(named) and not inspect.isclass(named) and not _makes_a_product(named):
            raise ValueError(
                f"Expected each `class_path` to name a class, got '{path}', a function that may do "
                "anything: name a class, or annotate what your function returns."
            )


def class_paths(config: Any) -> Iterator[str]:
    """Every value of a ``class_path``, however deep it lies.

    >>> list(class_paths({"a": [{"class_path": "torch.nn.ReLU"}], "b.class_path": "os.system"}))
    ['torch.nn.ReLU', 'os.system']
    """
    for key, value in _entries(config):
        if isinstance(value, str) and key.rpartition(".")[2] == "class_path":
            yield value


def importable(config: Any) -> list[str]:
    """What of a configuration may be imported: class paths, and all else that reads like one.

    Where a class or function is expected, its bare path will do, so that any dotted name counts.

    Args:
        config: A configuration as it was read, not parsed yet.

    Returns:
        Each once, in alphabetical order.

    >>> importable({"evaluator": "my.Evaluator", "loss": {"class_path": "Focal"}, "mode": "max"})
    ['Focal', 'my.Evaluator']
    """
    dotted = {
        value
        for _, value in _entries(config)
        if isinstance(value, str) and _DOTTED.fullmatch(value)
    }
    return sorted(dotted | set(class_paths(config)))


def _entries(config: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Key and value of each leaf; the items of a list go by the list's key."""
    if isinstance(config, Namespace):
        config = vars(config)
    if isinstance(config, Mapping):
        for name, value in config.items():
            yield from _entries(value, str(name))
    elif isinstance(config, (list, tuple, set)):
        for item in config:
            yield from _entries(item, key)
    else:
        yield key, config


def _imported(path: str) -> Any:
    """What a path names, among the modules that parsing has imported; ``None`` if nothing."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        named: Any = sys.modules.get(".".join(parts[:cut]))
        if named is not None:
            for part in parts[cut:]:
                named = getattr(named, part, None)
            return named
    return None


def _makes_a_product(function: Any) -> bool:
    try:
        product = typing.get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError):  # annotations that name nothing
        return False
    return inspect.isclass(product) and issubclass(product, _PRODUCTS)
