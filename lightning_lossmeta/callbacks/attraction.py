"""How a loss pulls and pushes single samples in the course of a training."""

from __future__ import annotations

import copy
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.analysis import attraction_history_figure, check_picture, save_figure
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.theory import attraction


class SampleAttraction(pl.Callback):
    """Records the attraction towards zero training error of random training samples, each epoch.

    At the end of an epoch the module (in evaluation mode) predicts samples that were drawn from the
    epoch's batches, and :func:`~lightning_lossmeta.theory.attraction` is taken of each under the
    module's ``loss_fn``: above zero the loss pulls the sample to its label, below zero it pushes it
    away. Logs ``attraction/mean`` and ``attraction/pushed`` (the share below zero), and to
    TensorBoard a histogram. The end of a fit draws figure 1 of the paper, to TensorBoard and to
    ``picture``; :meth:`points` gives its numbers.

    Args:
        samples: How many samples are drawn an epoch.
        seed: Seed of the draw; global random state is left alone.
        picture: File that the figure is written to, ending in .png, .svg or .pdf.

    Raises:
        ValueError: If ``samples`` is below 1, or ``picture`` ends otherwise.

    Source: Gonzalez & Miikkulainen (2021), figure 1.
    """

    def __init__(self, samples: int = 500, seed: int = 0, picture: str | None = None) -> None:
        check_at_least(1, samples=samples)
        if picture is not None:
            check_picture("picture", picture)
        self.samples = samples
        self.seed = seed
        self.picture = picture
        self.epochs: list[int] = []
        self.strengths: list[Tensor] = []
        self.confidences: list[Tensor] = []
        self._generator = torch.Generator().manual_seed(seed)
        self._keys = torch.empty(0)
        self._inputs: Tensor | None = None
        self._target: Tensor | None = None

    def points(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return what was recorded, one point for each sample and epoch.

        Returns:
            Epochs, attractions, and target probabilities, each ``(N,)``.

        Raises:
            RuntimeError: If no epoch was recorded.
        """
        if not self.epochs:
            raise RuntimeError("Expected a training with this callback before its points are read.")
        counts = torch.tensor([len(part) for part in self.strengths])
        epochs = torch.tensor(self.epochs).repeat_interleave(counts)
        return epochs, torch.cat(self.strengths), torch.cat(self.confidences)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin anew.

        Raises:
            TypeError: If the module's loss is none of this package.
        """
        loss = getattr(pl_module, "loss_fn", None)
        if not isinstance(loss, LossFunction):
            raise TypeError(
                f"Expected {type(pl_module).__name__} to have an attribute `loss_fn` that is a "
                f"LossFunction, got {type(loss).__name__}."
            )
        self.epochs, self.strengths, self.confidences = [], [], []
        self._generator.manual_seed(self.seed)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last epoch's samples."""
        self._keys = torch.full((self.samples,), -1.0)
        self._inputs = self._target = None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Give each sample a random number, and keep those with the highest of the epoch."""
        inputs, target = batch
        if self._inputs is None or self._target is None:
            self._inputs = inputs.new_empty(self.samples, *inputs.shape[1:])
            self._target = target.new_empty(self.samples)
        keys = torch.cat([self._keys, torch.rand(len(target), generator=self._generator)])
        kept = torch.zeros(len(keys), dtype=torch.bool)
        kept[keys.topk(self.samples).indices] = True
        free = (~kept[: self.samples]).nonzero().squeeze(1)
        chosen = kept[self.samples :].nonzero().squeeze(1)
        self._keys[free] = keys[self.samples :][chosen]
        free, chosen = free.to(target.device), chosen.to(target.device)
        self._inputs[free] = inputs[chosen].detach()
        self._target[free] = target[chosen]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Predict the samples and record their attraction."""
        if self._inputs is None or self._target is None:
            return
        filled = (self._keys >= 0).to(self._target.device)
        target = self._target[filled]
        logits = predict_as_evaluated(pl_module, self._inputs[filled])
        self._inputs = self._target = None
        # On the CPU, in float64, which not every accelerator has.
        loss = copy.deepcopy(pl_module.loss_fn).cpu()
        logits, target = logits.double().cpu(), target.cpu()
        strengths = attraction(loss, logits, target)  # type: ignore[arg-type]
        self.epochs.append(trainer.current_epoch)
        self.strengths.append(strengths)
        self.confidences.append(logits.softmax(dim=1).gather(1, target.unsqueeze(1)).squeeze(1))
        pl_module.log("attraction/mean", strengths.mean().float())
        pl_module.log("attraction/pushed", (strengths < 0).float().mean())
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_histogram("attraction", strengths, trainer.current_epoch)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw what was recorded."""
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if not self.epochs or not trainer.is_global_zero or not (boards or self.picture):
            return
        epochs, strengths, _ = self.points()
        name = type(pl_module.loss_fn).__name__
        figure = attraction_history_figure(epochs, strengths, name)
        for logger in boards:
            logger.experiment.add_figure("attraction/history", figure, self.epochs[-1])
        if self.picture is not None:
            save_figure(figure, self.picture)


def predict_as_evaluated(module: pl.LightningModule, inputs: Tensor) -> Tensor:
    """The outputs of a module that is being trained, in evaluation mode and without gradients."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        with torch.no_grad():
            return module(inputs)  # type: ignore[no-any-return]
    finally:
        for part in training:
            part.training = True
