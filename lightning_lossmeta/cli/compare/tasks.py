"""The tasks of a comparison: one configuration and what each task changes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lightning_lossmeta.cli.configuration import ConfiguredModule, make_data, patched
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.data_view import prepared_data


@dataclass(frozen=True)
class Sweep:
    """One setting over several values.

    Args:
        key: The setting's dotted key, from ``model`` or ``data``.
        values: The values that the setting takes.

    Raises:
        ValueError: If there is no value, or one is there twice.
    """

    key: str
    values: list[int | float]

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
class SweepPoint:
    """Where a task stands in a comparison.

    Args:
        group: The task that it was made of.
        value: The task's value of the swept setting; ``None`` where there is no sweep.
    """

    group: str
    value: int | float | None = None


def make_tasks(
    base: dict[str, Any],
    changes: Mapping[str, Mapping[str, Any]],
    sweep: Sweep | None,
    session: Session,
    seed: int,
    epochs: int | None = None,
    loss_attribute: str = "loss_fn",
) -> dict[str, tuple[Task, SweepPoint]]:
    """The tasks by name.

    Args:
        base: ``model`` and ``data``, as ``class_path`` and ``init_args``.
        changes: By task what is different there, by dotted keys; empty for the base alone.
        sweep: A setting, for whose values each task is repeated.
        session: The session of every fit.
        seed: The seed of every task.
        epochs: Budget in passes over a task's training data, instead of the session's steps.
        loss_attribute: The name under which the module has its loss.

    Raises:
        ValueError: If a key does not lead anywhere.
    """
    tasks: dict[str, tuple[Task, SweepPoint]] = {}
    for group, patch in (changes or {"task": {}}).items():
        for value in sweep.values if sweep else [None]:
            full = dict(patch)
            name = group
            if sweep is not None and value is not None:
                full[sweep.key] = value
                name = f"{group}, {sweep.label} {_written(value)}"
            config = patched(base, full)
            data = make_data(config["data"])
            module = ConfiguredModule(config["model"])
            task = Task(module, data, session, seed, name, loss_attribute)
            if epochs is not None:
                task = replace(task, session=replace(session, steps=epochs * _batches(task)))
            tasks[name] = (task, SweepPoint(group, value))
    return tasks


def _batches(task: Task) -> int:
    """How many batches an epoch has; the data stay set up for the fits."""
    loader: Sequence[Any] = prepared_data(task).train_dataloader()
    return len(loader)


def _written(value: int | float) -> str:
    """A number in full: names of tasks tell values apart.

    >>> _written(1234567), _written(0.2), _written(1.0)
    ('1234567', '0.2', '1')
    """
    return f"{value:.15g}" if isinstance(value, float) else str(value)
