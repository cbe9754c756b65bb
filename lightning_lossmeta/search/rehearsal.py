"""One step of every training that a search will do, so that what can't work shows at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl
from torch import nn

from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison import ComparisonConfig
from lightning_lossmeta.comparison.compare import compared_session
from lightning_lossmeta.losses import baseline_losses
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.search.loss_dependence import BATCHES, check_loss_dependence
from lightning_lossmeta.search.preflight import check_loss, naming
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.session import run_session

#: Candidates that are drawn in the search for one that can be built.
DRAWS = 20


def rehearse(search: Search, comparison: ComparisonConfig | None = None) -> None:
    """Do one step of a candidate's training and of the comparison's, on each task.

    A usual loss trains, whose link is that of the family's, so that what fails here is no
    candidate's fault: a metric that is not logged, a schedule that can't be made, test data that
    are not there. Each training has a trainer with the budget that the real one has, and stops
    after its first step and two batches of validation.

    Args:
        search: Its searcher has started; nothing of it is changed.
        comparison: The final comparison, if there is one.

    Raises:
        ValueError: If the loss does not fit the data, or a metric is not there or can't be a score.
        Exception: Whatever the module or its data raise.
    """
    loss = first_loss(search)
    if loss is None:  # the first generation says why
        return
    for task in search.tasks:
        check_loss(loss, task, search.family.name)
        check_loss_dependence(task, loss)
        usual = next(iter(baseline_losses(loss.link).values()))
        for session in _sessions(task.session, comparison):
            with naming(task):
                _one_step(replace(task, session=session), usual)


def _sessions(session: Session, comparison: ComparisonConfig | None) -> Iterator[Session]:
    yield session
    if comparison is not None:
        yield compared_session(session, comparison, tuning=False)


def first_loss(search: Search) -> LossFunction | None:
    """A loss of the family; ``None`` if of many random candidates none can be built."""
    for number in range(DRAWS):
        with suppress(Exception):  # a candidate that is no loss costs only itself
            return search.family.build(search.family.space.sample(number))
    return None


def _one_step(task: Task, loss: nn.Module) -> None:
    session = replace(task.session, callbacks=(*task.session.callbacks, _OneStep()))
    module = task.fresh_module()
    module.loss_fn = loss
    recorder = run_session(module, replace(task, session=session))
    scored = replace(session, horizons=None)  # which the step does not reach
    recorder.evaluation(Candidate("rehearsal"), 0, scored, 0.0, finite=True)


class _OneStep(pl.Callback):
    """Ends a fit after its first step, and a validation after a few batches."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Have few batches validated."""
        trainer.limit_val_batches = BATCHES

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Have the fit stopped."""
        trainer.should_stop = True
