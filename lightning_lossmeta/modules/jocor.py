"""JoCoR: two networks that learn together and are drawn to agree."""

from __future__ import annotations

from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules.methods import check_supervised
from lightning_lossmeta.modules.supervised import SupervisedModule
from lightning_lossmeta.modules.two_networks import (
    SmallLossMethod,
    TwoNetworksModule,
    per_sample_losses,
    small_losses,
)


@dataclass(frozen=True)
class JoCoR(SmallLossMethod):
    """Two networks with one loss, in which they are also drawn to agree.

    For each sample, with p_i the probabilities of network i ::

        l = (1 - co_lambda) (loss(f_1(x), y) + loss(f_2(x), y))
            + co_lambda (KL(p_1 || p_2) + KL(p_2 || p_1))

    Both learn from the mean of l over the samples of a batch that have the smallest l. The loss
    must be a :class:`~lightning_lossmeta.losses.base.LossFunction`; its reduction is not used.

    Args:
        co_lambda: Weight of the agreement, 0 up to but not 1; the paper takes 0.9 on MNIST.

    The further arguments are those of
    :class:`~lightning_lossmeta.modules.two_networks.SmallLossMethod`.

    Raises:
        ValueError: If a number lies outside its interval.

    Source: Wei et al. (2020), equations 1 to 4 and algorithm 1.
    """

    co_lambda: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_interval("co_lambda", self.co_lambda, 0, 1, "[)")

    def wrap(self, module: pl.LightningModule) -> JoCoRModule:
        """The module with a second network beside its own."""
        return JoCoRModule(check_supervised(module, self), self)


class JoCoRModule(TwoNetworksModule):
    """The two networks that :class:`JoCoR` trains.

    Args:
        module: Gives the first network, loss, optimiser, schedule and metric.
        method: Says what is left out, and how much agreement weighs.
    """

    def __init__(self, module: SupervisedModule, method: JoCoR) -> None:
        super().__init__(module, method)
        self.co_lambda = method.co_lambda

    def joint_loss(self, first: Tensor, second: Tensor, target: Tensor, drop_rate: float) -> Tensor:
        """The mean of l over the samples where it is smallest."""
        supervised = per_sample_losses(self.loss_fn, first, target)
        supervised = supervised + per_sample_losses(self.loss_fn, second, target)
        agreement = symmetric_divergence(first, second)
        losses = (1 - self.co_lambda) * supervised + self.co_lambda * agreement
        return losses[small_losses(losses, drop_rate)].mean()


def symmetric_divergence(first: Tensor, second: Tensor) -> Tensor:
    """KL(p || q) + KL(q || p) = sum_k (p_k - q_k)(log p_k - log q_k) of each sample.

    Half precision is computed in float32.

    Args:
        first: Logits (B, n, ...) of p.
        second: Logits of q, of the same shape.

    Returns:
        ``(B,)``, the mean over further dimensions.

    >>> symmetric_divergence(torch.tensor([[0.0, 0.0]]), torch.tensor([[30.0, 0.0]]))
    tensor([15.])
    """
    wide = torch.promote_types(first.dtype, torch.float32)
    log_p, log_q = (logits.to(wide).log_softmax(dim=1) for logits in (first, second))
    values = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=1)
    return values.reshape(len(values), -1).mean(dim=1)
