"""Active negative loss with its weight penalty as a training method."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_lossmeta.losses import NCEAndNNCE
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules.methods import TrainingMethod, check_supervised
from lightning_lossmeta.modules.supervised import Batch, SupervisedModule, module_kwargs


@dataclass(frozen=True)
class ActiveNegative(TrainingMethod):
    """ANL-CE as its paper trains it, with a penalty on the weights of the network.

    With w all parameters, biases among them ::

        L = mean of NCEAndNNCE(alpha, beta) over the batch + delta sum_i |w_i|

    Args:
        alpha: Factor of the active part, at least 0.
        beta: Factor of the negative part, at least 0.
        delta: Factor of the penalty, at least 0. The paper takes (alpha, beta, delta) = (1, 1,
            1e-6) for MNIST and (5, 5, 5e-5) for CIFAR-10, without weight decay.

    Raises:
        ValueError: If a number lies outside its interval.

    Source: Ye et al. (2024), arXiv 2412.02373.
    """

    alpha: float = 5.0
    beta: float = 5.0
    delta: float = 5e-5

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "delta"):
            check_interval(name, getattr(self, name), 0, math.inf)

    def wrap(self, module: pl.LightningModule) -> ActiveNegativeModule:
        """The module that trains with the loss and the penalty."""
        return ActiveNegativeModule(check_supervised(module, self), self)


class ActiveNegativeModule(SupervisedModule):
    """The module that :class:`ActiveNegative` trains.

    The logged ``train_loss`` is that of the method; ``val_loss`` and ``test_loss`` are not.

    Args:
        module: Gives network, optimiser, schedule and metric, and the loss of validation.
        method: Gives the factors.
    """

    def __init__(self, module: SupervisedModule, method: ActiveNegative) -> None:
        super().__init__(**module_kwargs(module))
        self.method = method
        self.active_negative = NCEAndNNCE(method.alpha, method.beta)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch with the penalty."""
        inputs, target = batch
        weights = [parameter.abs().sum() for parameter in self.network.parameters()]
        loss: Tensor = self.active_negative(self(inputs), target)
        loss = loss + self.method.delta * torch.stack(weights).sum()
        if self.trainer.loggers:
            self.log("train_loss", loss)
        return loss
