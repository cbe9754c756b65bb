"""The data of a task as one fit sees them."""

from __future__ import annotations

import copy
from typing import Any

import pytorch_lightning as pl

from lightning_lossmeta._fingerprint import setting_up
from lightning_lossmeta.data.episodes import EpisodeData
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.sample_limit import limit_samples


def prepared_data(task: Task) -> pl.LightningDataModule:
    """The user's data module, set up once a process, giving the loaders of a task's session.

    A shallow copy whose hooks are shadowed, so that its type, attributes and batch-transfer hooks
    stay what they are. The copy, which Lightning attaches the trainer to, makes the loaders:
    ``val_dataloader`` gives what scores a fit, ``selection_dataloader`` the validation split,
    whatever scores it; an episode has none beside what scores it.

    Args:
        task: Data that a seed draws (:class:`~lightning_lossmeta.data.episodes.EpisodeData`) give
            the episode of the task's seed.
    """
    original: Any = task.data
    session = task.session
    _set_up(original, session)
    view: Any = copy.copy(original)
    view.original = original
    view.prepare_data = lambda: None
    view.setup = lambda stage=None: None
    view.teardown = lambda stage=None: None
    if isinstance(original, EpisodeData):
        view.train_dataloader = lambda: _limited(original.episode(task.seed)[0], task)
        view.val_dataloader = lambda: original.episode(task.seed)[1]
        view.selection_dataloader = lambda: ()  # all that an episode has beside scores it
    else:
        view.selection_dataloader = lambda: _loader(original, view, "val_dataloader")
        scored = "test_dataloader" if session.split == "test" else "val_dataloader"
        view.train_dataloader = lambda: _limited(_loader(original, view, "train_dataloader"), task)
        view.val_dataloader = lambda: _loader(original, view, scored)
    return view  # type: ignore[no-any-return]


def training_view(task: Task) -> Any:
    """The data of a task with a trainer that says it is training, for reading without a fit.

    Loaders and the hooks that change a batch may ask for it.
    """
    view: Any = prepared_data(task)
    session = task.session
    view.trainer = pl.Trainer(
        max_steps=session.steps,
        accelerator=session.accelerator,
        devices=session.devices,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    view.trainer.training = True
    return view


def _set_up(original: Any, session: Session) -> None:
    done: set[str] = original.__dict__.setdefault("_lossmeta_stages", set())
    for stage in ("fit", "test") if session.split == "test" else ("fit",):
        if stage not in done:
            with setting_up(original):
                if not done:
                    original.prepare_data()
                original.setup(stage)
            done.add(stage)


def _loader(original: Any, view: Any, name: str) -> Any:
    """Make a loader of the original by its view, which knows the trainer of a fit."""
    if name in vars(original):  # set on the object, as LightningDataModule.from_datasets does
        return getattr(original, name)()
    return getattr(type(original), name)(view)


def _limited(loader: Any, task: Task) -> Any:
    if task.session.train_samples is None:
        return loader
    return limit_samples(loader, task.session.train_samples, task.seed)
