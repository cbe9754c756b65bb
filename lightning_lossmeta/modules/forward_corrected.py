"""Forward correction with an estimated transition matrix: two trainings in one fit."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from lightning_lossmeta.data.noise.transition import estimate_transition
from lightning_lossmeta.losses import CrossEntropy, ForwardCorrection
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules.methods import TrainingMethod, check_supervised, training_steps
from lightning_lossmeta.modules.supervised import Batch, SupervisedModule, module_kwargs

#: The least entry of T: a label of probability 0 would cost infinity.
FLOOR = 1e-6


@dataclass(frozen=True)
class ForwardCorrected(TrainingMethod):
    """Cross-entropy that is corrected by the label noise that a first training saw.

    A copy of the network is trained with cross-entropy on the noisy labels. Its predictions of the
    training samples give the transition matrix T by
    :func:`~lightning_lossmeta.data.noise.transition.estimate_transition`; entries below 1e-6 are
    raised to that, and rows scaled to sum to 1. Then the network itself is trained with
    :class:`~lightning_lossmeta.losses.ForwardCorrection` by T. Both trainings start from the same
    weights with the same learning rates, and the second sees the batches of a fit without the
    method.

    Args:
        quantile: Where the anchor of a class is taken, 1 for the most probable sample. Lower ones
            pass over outliers; what they pass over must be less than the share of any class.
        steps_fraction: Length of the first training, as a part of the second, above 0 and at the
            most 1. The paper's is 1. Fewer steps help where the network would learn the noisy
            labels by heart, from which T comes out as the identity; a schedule of the learning
            rate is cut short.

    Raises:
        ValueError: If a number lies outside its interval.

    Source: Patrini et al. (2017), algorithm 1 with forward correction.
    """

    quantile: float = 0.97
    steps_fraction: float = 1.0

    def __post_init__(self) -> None:
        check_interval("quantile", self.quantile, 0, 1, "(]")
        check_interval("steps_fraction", self.steps_fraction, 0, 1, "(]")

    def wrap(self, module: pl.LightningModule) -> ForwardCorrectedModule:
        """The module that estimates T when its fit starts."""
        return ForwardCorrectedModule(check_supervised(module, self), self)


class ForwardCorrectedModule(SupervisedModule):
    """The module that :class:`ForwardCorrected` trains.

    T is estimated when a fit starts, unless it is known, from an earlier fit or a checkpoint. The
    logged ``train_loss`` is corrected; ``val_loss`` and ``test_loss`` are not.

    Args:
        module: Gives network, loss (cross-entropy), optimiser, schedule and metric.
        method: Says how T is estimated.
    """

    def __init__(self, module: SupervisedModule, method: ForwardCorrected) -> None:
        super().__init__(**module_kwargs(module))
        self.method = method
        self.correction: ForwardCorrection | None = None

    @property
    def transition(self) -> Tensor | None:
        """T, n by n, once it is estimated."""
        return None if self.correction is None else self.correction.transition

    def on_train_start(self) -> None:
        """Train a copy and estimate T.

        Raises:
            TypeError: If the module's loss is not cross-entropy.
            ValueError: If it has label smoothing, nothing limits the training, or it runs on more
                than one device.
            RuntimeError: If the first training diverged.
        """
        _cross_entropy(self.loss_fn)
        if self.correction is None:
            with isolate_rng():
                logits = self._first_predictions()
            if not bool(torch.isfinite(logits).all()):
                raise RuntimeError(
                    "Expected the first training of ForwardCorrected to end with finite "
                    "predictions, but it diverged. Lower the learning rate."
                )
            self._correct_by(estimate_transition(logits.softmax(dim=1), self.method.quantile))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The corrected loss of a batch."""
        inputs, target = batch
        if self.correction is None:
            raise RuntimeError("Expected T to be estimated, as a Trainer does when a fit starts.")
        loss: Tensor = self.correction(self(inputs), target)
        if self.trainer.loggers:
            self.log("train_loss", loss)
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep T, so that a fit that is resumed does not estimate it again."""
        if self.correction is not None:
            checkpoint["transition"] = self.correction.transition.cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take T from the checkpoint, so that it is not estimated again."""
        if "transition" in checkpoint:
            self._correct_by(checkpoint["transition"])

    def _correct_by(self, transition: Tensor) -> None:
        loss_fn = _cross_entropy(self.loss_fn)
        raised = transition.clamp_min(FLOOR)
        self.correction = ForwardCorrection(
            raised / raised.sum(dim=1, keepdim=True),
            weight=loss_fn.weight,
            ignore_index=loss_fn.ignore_index,
        ).to(self.device)

    def _first_predictions(self) -> Tensor:
        """Logits (N, n), float64, of the training samples, by a copy that was trained on them."""
        outer = self.trainer
        if outer.world_size > 1:
            raise ValueError(
                "Expected a Trainer with one device for ForwardCorrected, which trains twice, got "
                f"{outer.world_size}."
            )
        first = _FirstModule(
            copy.deepcopy(self.network),
            copy.deepcopy(self.loss_fn),
            self.optimizer,
            self.lr_scheduler,
            self.lr_interval,
        )
        data = _training_data(outer)
        steps = math.ceil(self.method.steps_fraction * training_steps(outer))
        settings: dict[str, Any] = {
            "accelerator": self.device.type,
            "devices": 1 if self.device.index is None else [self.device.index],
            "precision": outer.precision,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
        }
        trainer = pl.Trainer(
            **settings,
            max_steps=steps,
            max_epochs=-1,
            limit_train_batches=outer.limit_train_batches,
            limit_val_batches=0,
            gradient_clip_val=outer.gradient_clip_val,
            gradient_clip_algorithm=outer.gradient_clip_algorithm,
            accumulate_grad_batches=outer.accumulate_grad_batches,
            callbacks=[_LearningRatesOf(outer)],
        )
        trainer.fit(first, datamodule=data)
        batches = outer.num_training_batches
        limit = steps if math.isinf(batches) else int(batches)
        pl.Trainer(**settings, limit_val_batches=limit).validate(
            first, datamodule=data, verbose=False
        )
        return torch.cat(first.outputs)


class _FirstModule(SupervisedModule):
    """Trains as it is, and keeps its outputs when it is validated."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.outputs: list[Tensor] = []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the logits."""
        self.outputs.append(self(batch[0]).cpu().double())


def _training_data(outer: pl.Trainer) -> Any:
    """The data of a fit, with its hooks, whose training samples also serve for validation."""
    data: Any = pl.LightningDataModule()
    if outer.datamodule is not None:  # type: ignore[attr-defined]
        data = copy.copy(outer.datamodule)  # type: ignore[attr-defined]
    data.prepare_data = lambda: None
    data.setup = lambda stage: None
    data.teardown = lambda stage: None
    data.train_dataloader = data.val_dataloader = lambda: outer.train_dataloader
    return data


class _LearningRatesOf(pl.Callback):
    """Starts a training with the learning rates and schedules that another starts with.

    They may differ from what the module configures: callbacks of the other may have changed them.
    """

    def __init__(self, other: pl.Trainer) -> None:
        self._other = other

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copy the state of optimisers that took no step yet."""
        for own, other in zip(trainer.optimizers, self._other.optimizers, strict=True):
            own.load_state_dict(other.state_dict())
        configs = zip(trainer.lr_scheduler_configs, self._other.lr_scheduler_configs, strict=True)
        for config, other_config in configs:
            state = copy.deepcopy(other_config.scheduler.state_dict())
            config.scheduler.load_state_dict(state)


def _cross_entropy(loss_fn: nn.Module) -> CrossEntropy | nn.CrossEntropyLoss:
    """The loss, if it is one that the correction is for."""
    if not isinstance(loss_fn, (CrossEntropy, nn.CrossEntropyLoss)):
        raise TypeError(
            "Expected the loss of a module under ForwardCorrected to be CrossEntropy, which it "
            f"corrects, got {type(loss_fn).__name__}."
        )
    if isinstance(loss_fn, nn.CrossEntropyLoss) and loss_fn.label_smoothing:
        raise ValueError(
            "Expected the cross-entropy under ForwardCorrected to be without `label_smoothing`, "
            f"got {loss_fn.label_smoothing}."
        )
    return loss_fn
