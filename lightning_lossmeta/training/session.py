"""One inner fit: a short, quiet Lightning ``Trainer`` run that is recorded and scored."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
from pytorch_lightning.utilities.seed import isolate_rng

from lightning_lossmeta._loss_place import USUAL, LossInPlace
from lightning_lossmeta._seeds import seed_all
from lightning_lossmeta.callbacks.learning_rate import LearningRateFactor
from lightning_lossmeta.callbacks.training_progress import TrainingProgress
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families.base import UnusableLossError
from lightning_lossmeta.losses.progress_dependent import depends_on_progress
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.data_view import prepared_data
from lightning_lossmeta.training.faults import refuse_machine_error
from lightning_lossmeta.training.recorder import Recorder


def run_session(
    module: pl.LightningModule, task: Task, data: pl.LightningDataModule | None = None
) -> Recorder:
    """Train and score a module as the task's session says, leaving global random state alone.

    Args:
        module: A module or a stack of them, with its ``loss_fn`` in place.
        task: Gives session and seed.
        data: Gives the batches instead of the task's own data.

    Returns:
        The recorder, with the scores and curves of the fit.

    Raises:
        Exception: Whatever the module raises in training.
    """
    session = task.session
    recorder = Recorder(session)
    in_place = LossInPlace(module, USUAL, task.loss_attribute)
    callbacks = [in_place, recorder, *copy.deepcopy(session.callbacks)]
    if session.rate_factor != 1.0:
        callbacks.append(LearningRateFactor(session.rate_factor))
    if depends_on_progress(module):
        callbacks.append(TrainingProgress())
    data = prepared_data(task) if data is None else data
    with isolate_rng(), quiet_lightning():
        seed_all(task.seed)
        trainer = pl.Trainer(
            max_steps=session.steps,
            max_epochs=-1,
            val_check_interval=session.validation_interval,
            check_val_every_n_epoch=None,
            accelerator=session.accelerator,
            devices=session.devices,
            precision=session.precision,  # type: ignore[arg-type]
            gradient_clip_val=session.gradient_clip_val,
            gradient_clip_algorithm=session.gradient_clip_algorithm,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            inference_mode=False,
            use_distributed_sampler=False,
        )
        try:
            trainer.fit(module, datamodule=data)
            if recorder.scored_at != trainer.global_step:
                trainer.validate(module, datamodule=data, verbose=False)
        finally:
            module.trainer = None
            # A Trainer is a web of cycles: it would keep weights and optimiser over many fits.
            vars(trainer.strategy).clear()
            vars(trainer).clear()
    return recorder


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's device lines and advice: there are thousands of inner fits."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning.fabric")]
    loggers.append(logging.getLogger("pytorch_lightning.utilities.rank_zero"))
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def guarded(candidate: Candidate, score: Callable[[], Evaluation]) -> Evaluation:
    """Return a candidate's evaluation, or its :func:`failure` if the training raises.

    Raises:
        MachineError: If that is no candidate's fault.
    """
    try:
        return score()
    except Exception as error:  # a loss may raise anything; it costs only itself
        return failure(candidate, error)


def failure(candidate: Candidate, error: Exception) -> Evaluation:
    """The evaluation of a candidate that raised: failed, or rejected if it is no loss at all.

    Raises:
        MachineError: If the machine or the data failed, whatever the candidate.
    """
    if isinstance(error, UnusableLossError):
        return Evaluation(candidate, status=Status.REJECTED, message=str(error))
    refuse_machine_error(error)
    return Evaluation(candidate, status=Status.FAILED, message=f"{type(error).__name__}: {error}")
