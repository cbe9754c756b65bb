"""Two networks that choose the samples to learn from by their small losses."""

from __future__ import annotations

import math
import zlib
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules.methods import TrainingMethod, training_steps
from lightning_lossmeta.modules.supervised import Batch, SupervisedModule, module_kwargs
from lightning_lossmeta.task import Task

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class SmallLossMethod(TrainingMethod):
    """Learns from the samples of a batch with small losses, gradually fewer of them.

    At step t of S the share kept of a batch is ::

        R(t) = 1 - forget_rate min((t / t_k)^c, 1),   t_k = gradual_fraction S

    The paper counts in epochs and has min(T^c / T_k, 1), the same for c = 1, with T_k = 10 of 200
    epochs, a ``gradual_fraction`` of 0.05. The default is 10 of 50 epochs: networks that choose
    before they have learned anything may drop whole classes, and trainings here are short.

    Args:
        forget_rate: The share that is left out in the end, 0 up to but not 1; the noise rate, if
            it is known.
        gradual_fraction: The part of training, 0 to 1, after which that share is reached.
        exponent: c, positive.

    Raises:
        ValueError: If a number lies outside its interval.

    Source: Han et al. (2018), algorithm 1 and section 3.
    """

    forget_rate: float
    gradual_fraction: float = 0.2
    exponent: float = 1.0

    def __post_init__(self) -> None:
        check_interval("forget_rate", self.forget_rate, 0, 1, "[)")
        check_interval("gradual_fraction", self.gradual_fraction, 0, 1)
        check_interval("exponent", self.exponent, 0, math.inf, "()")

    @classmethod
    def example(cls) -> Self:
        """For a noise rate of 40%."""
        return cls(forget_rate=0.4)

    def drop_rate(self, progress: float) -> float:
        """1 - R, the share of a batch that is left out.

        Args:
            progress: t / S.
        """
        if progress >= self.gradual_fraction:
            return self.forget_rate
        return float(self.forget_rate * (progress / self.gradual_fraction) ** self.exponent)


class TwoNetworksModule(SupervisedModule):
    """A network and a peer of the same architecture, trained side by side.

    One optimiser takes the parameters of both. For optimisers that treat each tensor by itself, as
    SGD and Adam do, that equals one optimiser for each network; clipping by norm takes the norm
    over both. The first network is the one that is scored: scoring costs what it costs without the
    method, and no ensemble is compared with single networks.

    Args:
        module: Gives the first network, loss, optimiser, schedule and metric.
        method: Says which share of a batch is left out.

    Attributes:
        peer: The second network, see :func:`second_network`.
    """

    def __init__(self, module: SupervisedModule, method: SmallLossMethod) -> None:
        super().__init__(**module_kwargs(module))
        self.peer = second_network(module)
        self.method = method
        self._steps = 1

    @abstractmethod
    def joint_loss(self, first: Tensor, second: Tensor, target: Tensor, drop_rate: float) -> Tensor:
        """The loss of a batch that both networks are trained with.

        Args:
            first: Logits (B, n, ...) of the first network.
            second: Logits of its peer, of the same shape.
            target: As the loss takes it.
            drop_rate: The share of the batch that is left out.
        """

    def on_train_start(self) -> None:
        """Ask how long training will be, on which the share that is left out depends."""
        self._steps = training_steps(self.trainer)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The joint loss of a batch."""
        inputs, target = batch
        drop_rate = self.method.drop_rate(self.trainer.global_step / self._steps)
        loss = self.joint_loss(self.network(inputs), self.peer(inputs), target, drop_rate)
        if self.trainer.loggers:
            self.log("train_loss", loss)
        return loss


def second_network(module: SupervisedModule) -> nn.Module:
    """A network like a module's with other initial weights.

    Every layer's ``reset_parameters`` draws them. Their seed is the checksum of the weights that
    the module's network has: whatever seed drew those fixes these too.

    Args:
        module: Its network is the model; it is left as it is.

    Raises:
        ValueError: If no layer draws weights, so that both networks would be the same.
    """
    checksum = 0
    for parameter in module.network.parameters():
        data = parameter.detach().cpu().reshape(-1)
        checksum = zlib.crc32(data.view(torch.uint8).numpy().tobytes(), checksum)
    fresh = Task(module, pl.LightningDataModule(), seed=checksum).fresh_module()
    twin = cast(SupervisedModule, fresh).network
    pairs = zip(module.network.parameters(), twin.parameters(), strict=True)
    if all(torch.equal(one, other) for one, other in pairs):
        raise ValueError(
            "Expected the network's layers to have `reset_parameters`, which draws the second "
            f"network's weights, but those of {type(module.network).__name__} stay as they are."
        )
    return twin


def per_sample_losses(loss_fn: nn.Module, output: Tensor, target: Tensor) -> Tensor:
    """One loss a sample, (B, n, ...) -> (B,): the mean over whatever a sample has.

    Half precision is computed in float32, also under autocast.

    Args:
        loss_fn: A loss of this package.
        output: Logits (B, n, ...).
        target: As the loss takes it.

    Raises:
        TypeError: If the loss is no ``LossFunction``, which gives one value a sample.
    """
    if not isinstance(loss_fn, LossFunction):
        raise TypeError(
            "Expected the loss of a method that chooses samples to be a LossFunction, which gives "
            f"one value a sample, got {type(loss_fn).__name__}. Take one of "
            "lightning_lossmeta.losses, such as CrossEntropy, or subclass LossFunction."
        )
    with torch.autocast(device_type=output.device.type, enabled=False):
        if output.dtype in (torch.float16, torch.bfloat16):
            output = output.float()
        losses = loss_fn.per_sample(output, target)
    return losses.reshape(len(losses), -1).mean(dim=1)


def small_losses(losses: Tensor, drop_rate: float) -> Tensor:
    """Positions of the smallest losses, of equal ones the first; NaN counts as the largest.

    Args:
        losses: One loss a sample (B,).
        drop_rate: The share that is left out, below 1; rounded down, so that one loss stays.

    >>> small_losses(torch.tensor([3.0, 1.0, 2.0, 0.0]), 0.5)
    tensor([3, 1])
    """
    count = len(losses) - int(drop_rate * len(losses))
    return losses.detach().argsort(stable=True)[:count]
