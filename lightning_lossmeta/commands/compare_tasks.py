"""The tasks of a comparison: one configuration and what each task changes of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytorch_lightning as pl
from jsonargparse import ArgumentParser

from lightning_lossmeta.configuration import ConfiguredModule
from lightning_lossmeta.task import Session, Task


@dataclass(frozen=True)
class Sweep:
    """One setting over several values.

    Args:
        key: Dotted, from ``model`` or ``data``.
        values: What it takes.

    Raises:
        ValueError: If there is no value, or one is there twice.
    """

    key: str
    values: list[float]

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) < len(self.values):
            raise ValueError(
                "Expected argument `values` of a sweep to hold numbers, each once, got "
                f"{self.values}."
            )

    @property
    def label(self) -> str:
        """The key in words, e.g. ``noise rate`` for ``data.init_args.noise.init_args.rate``."""
        parts = [part for part in self.key.split(".")[1:] if part != "init_args"]
        return " ".join(parts).replace("_", " ")


@dataclass(frozen=True)
class Place:
    """Where a task stands in a comparison.

    Args:
        group: The task that it was made of.
        value: Of the sweep; ``None`` where there is none.
    """

    group: str
    value: float | None = None


def make_tasks(
    base: dict[str, Any],
    changes: Mapping[str, Mapping[str, Any]],
    sweep: Sweep | None,
    session: Session,
    seed: int,
    epochs: int | None = None,
) -> dict[str, tuple[Task, Place]]:
    """The tasks by name.

    Args:
        base: ``model`` and ``data``, as ``class_path`` and ``init_args``.
        changes: By task what is different there, by dotted keys; empty for the base alone.
        sweep: Makes of each task one a value.
        session: Of every fit.
        seed: Of every task.
        epochs: Budget in passes over a task's training data, instead of the session's steps.

    Raises:
        ValueError: If a key does not lead anywhere.
    """
    found: dict[str, tuple[Task, Place]] = {}
    for group, patch in (changes or {"task": {}}).items():
        for value in sweep.values if sweep else [None]:
            full = dict(patch)
            name = group
            if sweep is not None and value is not None:
                full[sweep.key] = value
                name = f"{group}, {sweep.label} {value:g}"
            config = patched(base, full)
            data = _data(config["data"])
            own = session
            if epochs is not None:
                own = replace(session, steps=epochs * _batches(data))
            task = Task(ConfiguredModule(config["model"]), data, own, seed, name)
            found[name] = (task, Place(group, value))
    return found


def patched(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A nested dictionary with values put in at dotted keys.

    Raises:
        ValueError: If a key starts with no part of it, or leads through what is no dictionary.

    >>> patched({"data": {"init_args": {"root": "a"}}}, {"data.init_args.root": "b"})
    {'data': {'init_args': {'root': 'b'}}}
    """
    made = copy.deepcopy(dict(base))
    for key, value in changes.items():
        *path, last = key.split(".")
        place: Any = made
        for number, part in enumerate(path):
            if number and isinstance(place, dict) and place.get(part) is None:
                place[part] = {}
            place = place.get(part) if isinstance(place, dict) else None
        if not path or not isinstance(place, dict):
            raise ValueError(
                f"Expected the keys of a task to lead to a setting of {' or '.join(base)}, e.g. "
                f"'data.init_args.noise', got '{key}'."
            )
        place[last] = copy.deepcopy(value)
    return made


def _data(config: dict[str, Any]) -> pl.LightningDataModule:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningDataModule, "data")
    made = parser.instantiate_classes(parser.parse_object({"data": config}))
    return made.data  # type: ignore[no-any-return]


def _batches(data: pl.LightningDataModule) -> int:
    data.prepare_data()
    data.setup("fit")
    loaders: Sequence[Any] = data.train_dataloader()
    return len(loaders)
