"""Co-teaching: each network chooses the samples that the other learns from."""

from __future__ import annotations

from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_lossmeta.modules.methods import check_supervised
from lightning_lossmeta.modules.two_networks import (
    SmallLossMethod,
    TwoNetworksModule,
    per_sample_losses,
    small_losses,
)


@dataclass(frozen=True)
class CoTeaching(SmallLossMethod):
    """Two networks, each of which learns from the small-loss samples of the other.

    With D_i the samples of a batch that have the smallest losses under network i ::

        L = mean over D_2 of loss(f_1(x), y) + mean over D_1 of loss(f_2(x), y)

    The loss must be a :class:`~lightning_lossmeta.losses.base.LossFunction`; its class weights and
    reduction hold within D_i.

    The arguments are those of :class:`~lightning_lossmeta.modules.two_networks.SmallLossMethod`.

    Source: Han et al. (2018), algorithm 1.
    """

    def wrap(self, module: pl.LightningModule) -> CoTeachingModule:
        """The module with a second network beside its own."""
        return CoTeachingModule(check_supervised(module, self), self)


class CoTeachingModule(TwoNetworksModule):
    """The two networks that :class:`CoTeaching` trains."""

    def joint_loss(self, first: Tensor, second: Tensor, target: Tensor, drop_rate: float) -> Tensor:
        """The sum of both networks' losses, each on what its peer chose."""
        with torch.no_grad():
            of_first = small_losses(per_sample_losses(self.loss_fn, first, target), drop_rate)
            of_second = small_losses(per_sample_losses(self.loss_fn, second, target), drop_rate)
        taught: Tensor = self.loss_fn(first[of_second], target[of_second])
        teaching: Tensor = self.loss_fn(second[of_first], target[of_first])
        return taught + teaching
