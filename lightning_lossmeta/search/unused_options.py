"""What a trainer was given that no inner fit of a search would see."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint, ModelSummary, ProgressBar
from pytorch_lightning.cli import SaveConfigCallback

from lightning_lossmeta.callbacks import MetaCallback
from lightning_lossmeta.training.session import quiet_lightning

_STEPS = "a search trains for as many steps as its session says: give `session.steps`"
_SAMPLES = "how much data a training sees is `session.train_samples`"
_WHOLE = "each score is of all validation data"

#: Options of a trainer that a search has no use for, and what to do instead.
_UNUSED = {
    "max_epochs": _STEPS,
    "min_epochs": _STEPS,
    "max_steps": _STEPS,
    "min_steps": _STEPS,
    "fast_dev_run": "to try every stage with one step, give `--dry_run`, or call `dry_run`",
    "overfit_batches": _SAMPLES,
    "limit_train_batches": _SAMPLES,
    "limit_val_batches": _WHOLE,
    "limit_test_batches": _WHOLE,
    "accumulate_grad_batches": "give the data module larger batches",
    "val_check_interval": "how often a training is validated is `session.validations`",
    "check_val_every_n_epoch": "how often a training is validated is `session.validations`",
    "reload_dataloaders_every_n_epochs": "a session makes its loaders once",
}

#: Callbacks that Lightning adds by itself, and those that take part in a search.
_KNOWN = (MetaCallback, Checkpoint, ModelSummary, ProgressBar, SaveConfigCallback)


def refuse_unused_options(trainer: pl.Trainer) -> None:
    """Refuse what would be ignored, as early stopping in trainings of a fixed length.

    Args:
        trainer: The trainer of the search.

    Raises:
        ValueError: If it was given an option or a callback that no inner fit has; says what to give
            instead.
    """
    with quiet_lightning():
        usual = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    # A fast_dev_run changes the others by itself.
    for name in ("fast_dev_run", *_UNUSED):
        value: Any = getattr(trainer, name)
        if value != getattr(usual, name):
            raise ValueError(
                f"Expected no `{name}` of the trainer of a search, got {value!r}, which its "
                f"trainings would not have: {_UNUSED[name]}."
            )
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if not isinstance(callback, _KNOWN):
            raise ValueError(
                f"Expected callbacks of a search to be of the kind MetaCallback, got "
                f"{type(callback).__name__}, which its trainings would not have: in Python give "
                "Session(callbacks=(...,)) what is to take part in each of them."
            )
