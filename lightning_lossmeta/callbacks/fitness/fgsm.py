"""Accuracy under attack as the fitness."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lightning_lossmeta.callbacks.base import MetaCallback
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules import PopulationModule
from lightning_lossmeta.task import Session


class FGSMFitness(MetaCallback):
    """Scores fits by validation accuracy under the fast gradient sign method.

    In raw pixels ::

        x' = clip(x + epsilon sign(dCE/dx), 0, 1)

    The attack uses cross-entropy whatever the loss in training, so that a loss is not rewarded for
    hiding its gradient. Logs ``val_fgsm_accuracy`` beside the module's own metrics.

    Args:
        epsilon: Largest change of a pixel, pixels being in [0, 1].
        mean: What the data module subtracts; by default its attribute ``mean``.
        std: What it divides by; by default its attribute ``std``.

    Raises:
        ValueError: If ``epsilon`` is negative, or an entry of ``std`` not positive.

    Source: Goodfellow et al. (2015).
    """

    name = "val_fgsm_accuracy"

    def __init__(
        self,
        epsilon: float = 0.1,
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        if std is not None and not all(value > 0 for value in std):
            raise ValueError(f"Expected argument `std` to hold positive numbers, got {std}.")
        self.epsilon = check_interval("epsilon", epsilon, 0, math.inf)
        self.mean = mean
        self.std = std

    def configure_session(self, session: Session, data: pl.LightningDataModule) -> Session:
        """Make the accuracy under attack the fitness.

        Raises:
            ValueError: If the normalisation of the pixels is not known.
        """
        mean = getattr(data, "mean", None) if self.mean is None else self.mean
        std = getattr(data, "std", None) if self.std is None else self.std
        if mean is None or std is None:
            raise ValueError(
                f"Expected {type(data).__name__} to have attributes `mean` and `std`, or "
                "FGSMFitness to be given them: the attack is measured in raw pixels."
            )
        inner = FGSMFitness(self.epsilon, _as_list(mean), _as_list(std))
        return replace(
            session, monitor=self.name, mode="max", callbacks=(*session.callbacks, inner)
        )

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Attack a batch and score the module, or each network of a population."""
        inputs, target = batch
        correct = self.attacked_correct(pl_module, inputs, target)
        if isinstance(pl_module, PopulationModule):
            pl_module.add_scores(self.name, correct.mean(dim=1), len(target))
        else:
            pl_module.log(self.name, correct.mean(), batch_size=len(target), on_epoch=True)

    def attacked_correct(
        self, module: pl.LightningModule, inputs: Tensor, target: Tensor
    ) -> Tensor:
        """Whether each input is still classified right under attack: (B,), or (C, B) of a stack."""
        if self.mean is None or self.std is None:
            raise ValueError("Expected arguments `mean` and `std` for an attack in raw pixels.")
        shape = [-1] + [1] * (inputs.dim() - 2)
        mean = torch.as_tensor(self.mean, dtype=inputs.dtype, device=inputs.device).view(shape)
        std = torch.as_tensor(self.std, dtype=inputs.dtype, device=inputs.device).view(shape)

        def outputs_of(x: Tensor) -> Tensor:
            if isinstance(module, PopulationModule):
                return module(x, per_candidate=True)  # type: ignore[no-any-return]
            return module(x)  # type: ignore[no-any-return]

        if isinstance(module, PopulationModule):
            inputs = inputs.expand(module.size, *inputs.shape)
            target = target.expand(module.size, *target.shape)
        with torch.inference_mode(False), torch.enable_grad():
            attacked, target = inputs.detach().clone().requires_grad_(), target.clone()
            outputs = outputs_of(attacked)
            loss = cross_entropy(outputs.flatten(0, -2), target.flatten(), reduction="sum")
            (gradient,) = torch.autograd.grad(loss, attacked)
        moved = attacked.detach() + self.epsilon / std * gradient.sign()
        moved = torch.maximum(torch.minimum(moved, (1 - mean) / std), -mean / std)
        with torch.no_grad():
            return (outputs_of(moved).argmax(dim=-1) == target).float()


def _as_list(value: Any) -> list[float]:
    return [float(item) for item in torch.as_tensor(value).reshape(-1)]
