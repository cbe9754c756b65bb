"""One inner fit: a short, quiet Lightning ``Trainer`` run that is recorded and scored."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from lightning_lossmeta._fingerprint import setting_up
from lightning_lossmeta._seeds import seed_all
from lightning_lossmeta.callbacks.learning_rate import LearningRateFactor
from lightning_lossmeta.callbacks.training_progress import TrainingProgress
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Curve, Evaluation, Status
from lightning_lossmeta.families.base import UnusableLossError
from lightning_lossmeta.losses.progress_dependent import depends_on_progress
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.sample_limit import limit_samples

TRAIN_LOSS_POINTS = 50


def run_session(module: pl.LightningModule, task: Task, loader: Any = None) -> Recorder:
    """Train and score a module as the task's session says, leaving global random state alone.

    Args:
        module: Single or stacked; its ``loss_fn`` is in place.
        task: Gives data, session and seed.
        loader: Gives the training batches instead of the task's data.

    Returns:
        What was recorded.

    Raises:
        Exception: Whatever the module raises in training.
    """
    session = task.session
    recorder = Recorder(session)
    callbacks = [recorder, *copy.deepcopy(session.callbacks)]
    if session.learning_rate_factor != 1.0:
        callbacks.append(LearningRateFactor(session.learning_rate_factor))
    if depends_on_progress(module):
        callbacks.append(TrainingProgress())
    data: Any = prepared_data(task)
    if loader is not None:
        data.train_dataloader = lambda: loader
    with isolate_rng(), quiet_lightning():
        seed_all(task.seed)
        trainer = pl.Trainer(
            max_steps=session.steps,
            max_epochs=-1,
            val_check_interval=math.ceil(session.steps / max(1, session.validations)),
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


class Recorder(pl.Callback):
    """Keeps the curves of an inner fit, for a single network or a stack of them."""

    def __init__(self, session: Session) -> None:
        self.stride = max(1, session.steps // TRAIN_LOSS_POINTS)
        self.steps = session.steps
        self.scored_at = -1
        self.scores: list[tuple[int, dict[str, list[float]]]] = []
        self._losses: list[tuple[int, Tensor]] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *args: Any
    ) -> None:
        """Keep the training loss; it is read from the device at the end alone."""
        step = trainer.global_step
        if (step % self.stride and step != self.steps) or not isinstance(outputs, dict):
            return
        loss = outputs.get("losses", outputs.get("loss"))
        if isinstance(loss, Tensor):
            self._losses.append((step, loss.detach().reshape(-1)))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the scores."""
        self.scored_at = trainer.global_step if trainer.state.fn == "fit" else self.steps
        per_candidate = getattr(pl_module, "candidate_metrics", None)
        if per_candidate is None:
            values = {k: [float(v)] for k, v in trainer.callback_metrics.items()}
        else:
            values = per_candidate()
        self.scores.append((self.scored_at, values))

    def evaluation(
        self, candidate: Candidate, index: int, session: Session, seconds: float, finite: bool
    ) -> Evaluation:
        """The outcome of the candidate at ``index`` of the stack."""
        metrics = {k: v[index] for k, v in self.scores[-1][1].items()}
        if session.monitor not in metrics:
            raise ValueError(
                f"Expected the module to log `{session.monitor}` in its validation_step, the "
                f"fitness that `monitor` names; it logs {sorted(metrics)}."
            )
        curves: dict[str, Curve] = {
            "train_loss": tuple((step, float(loss[index])) for step, loss in self._losses)
        }
        for name in metrics:
            curves[name] = tuple(
                (step, values[name][index]) for step, values in self.scores if name in values
            )
        fitness = session.fitness(metrics[session.monitor])
        if not finite or not math.isfinite(fitness):
            return Evaluation(
                candidate,
                status=Status.DIVERGED,
                metrics={k: v for k, v in metrics.items() if math.isfinite(v)},
                curves=curves,
                seconds=seconds,
                message="weights or fitness are no longer finite",
            )
        return Evaluation(candidate, fitness, Status.OK, metrics, curves, seconds)


def all_finite(module: nn.Module) -> bool:
    """Whether every parameter and buffer is finite."""
    tensors = [*module.parameters(), *module.buffers()]
    return all(bool(torch.isfinite(t).all()) for t in tensors if t.is_floating_point())


def prepared_data(task: Task) -> pl.LightningDataModule:
    """The user's data module, set up once a process, giving a session's loaders.

    A shallow copy whose hooks are shadowed, so that its type, attributes and batch-transfer hooks
    stay what they are.
    """
    original: Any = task.data
    session = task.session
    done: set[str] = original.__dict__.setdefault("_lossmeta_stages", set())
    for stage in ("fit", "test") if session.split == "test" else ("fit",):
        if stage not in done:
            with setting_up(original):
                if not done:
                    original.prepare_data()
                original.setup(stage)
            done.add(stage)
    prepared: Any = copy.copy(original)

    def train_dataloader() -> Any:
        loader = original.train_dataloader()
        if session.train_samples is None:
            return loader
        return limit_samples(loader, session.train_samples, task.seed)

    prepared.original = original
    prepared.prepare_data = lambda: None
    prepared.setup = lambda stage: None
    prepared.teardown = lambda stage: None
    prepared.train_dataloader = train_dataloader
    prepared.val_dataloader = lambda: _scoring_loader(original, session)
    return prepared  # type: ignore[no-any-return]


def _scoring_loader(data: pl.LightningDataModule, session: Session) -> Any:
    return data.test_dataloader() if session.split == "test" else data.val_dataloader()


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """No device lines, tips and loader advice: an inner fit runs thousands of times."""
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
    """Turn what a candidate's training raises into a failed evaluation."""
    try:
        return score()
    except Exception as error:  # a loss may raise anything; it costs only itself
        return failure(candidate, error)


def failure(candidate: Candidate, error: Exception) -> Evaluation:
    """The evaluation of a candidate that raised: failed, or rejected if it is no loss at all."""
    if isinstance(error, UnusableLossError):
        return Evaluation(candidate, status=Status.REJECTED, message=str(error))
    return Evaluation(candidate, status=Status.FAILED, message=f"{type(error).__name__}: {error}")
