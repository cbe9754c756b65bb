"""What a task trains, as values by which another process knows it again."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn

from lightning_lossmeta._fingerprint import FingerprintError, fingerprint
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.data_view import prepared_data
from lightning_lossmeta.training.session import quiet_lightning

#: Where a session runs, which does not change what it is.
_PLACES = ("accelerator", "devices")

#: Fields that stored sessions may lack, which means the default.
_LATER = ("as_if",)


def session_fingerprint(session: Session) -> dict[str, Any]:
    """A session without where it runs."""
    usual = Session()
    names = [
        item.name
        for item in fields(session)
        if item.name not in _PLACES
        and not (item.name in _LATER and getattr(session, item.name) == getattr(usual, item.name))
    ]
    return {name: fingerprint(getattr(session, name)) for name in names}


def data_fingerprint(task: Task) -> Any:
    """A task's data; they are set up, if they were not.

    Raises:
        FingerprintError: If they have no value.
    """
    prepared_data(task)
    return fingerprint(task.data)


def module_fingerprint(task: Task) -> dict[str, Any]:
    """A task's module without its loss, and its optimisers; both are the same for every seed.

    Parameters and buffers that differ between two seeds are drawn anew by each: they are given by
    their shape and size. All others, such as weights that were trained before, are given by value.

    Returns:
        ``optimizers`` and ``module``.

    Raises:
        FingerprintError: If one of them has no value, or the optimisers can't be made.
    """
    module, other = fresh_modules(task)
    tensors = dict(_tensors(other))
    drawn = [
        tensor
        for name, tensor in _tensors(module)
        if name in tensors and fingerprint(tensor) != fingerprint(tensors[name])
    ]
    made = {"module": module, "optimizers": optimizers_of(module, task)}
    described = fingerprint(made, drawn)
    return {name: described[name] for name in ("optimizers", "module")}


def fresh_modules(task: Task) -> tuple[pl.LightningModule, pl.LightningModule]:
    """A task's module as two seeds make it, each without its loss."""
    made = []
    for seed in range(2):
        with warnings.catch_warnings():  # the training says it
            warnings.simplefilter("ignore")
            made.append(replace(task, seed=seed).fresh_module())
        made[-1].loss_fn = nn.Identity()
    return made[0], made[1]


def optimizers_of(module: pl.LightningModule, task: Task) -> Any:
    """What a module's ``configure_optimizers`` returns in a fit of a task.

    Raises:
        FingerprintError: If it raises something, as it then does in the fit too.
    """
    with _in_a_fit(module, task.session):
        try:
            return module.configure_optimizers()
        except Exception as error:  # a user's method may raise anything
            raise FingerprintError(
                f"Expected configure_optimizers of {type(module).__name__} to make the optimisers "
                f"before the fit, got {type(error).__name__}: {error}"
            ) from error


@contextmanager
def _in_a_fit(module: pl.LightningModule, session: Session) -> Iterator[None]:
    """Attach a trainer: schedules ask it for the number of steps."""
    with quiet_lightning():
        module.trainer = pl.Trainer(
            max_steps=session.steps,
            max_epochs=-1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    try:
        yield
    finally:
        module.trainer = None


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()
