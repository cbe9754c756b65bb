"""Accuracy under one step of the gradient's sign as the fitness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_lossmeta.callbacks.fitness.attacked import AttackedAccuracy, in_parts
from lightning_lossmeta.modules.attacks import classified, fgsm
from lightning_lossmeta.modules.networks import Networks

if TYPE_CHECKING:
    from typing_extensions import Self


class FGSMFitness(AttackedAccuracy):
    """Scores fits by validation accuracy under the fast gradient sign method.

    In raw pixels ::

        x' = clip(x + epsilon sign(dCE/dx), 0, 1)

    The attack uses cross-entropy whatever the loss in training, so that a loss is not rewarded for
    hiding its gradient. Logs ``val_fgsm_accuracy`` beside the module's own metrics, and in a
    ``test`` of the Trainer ``test_fgsm_accuracy``.

    Args:
        epsilon: Largest change of a pixel, pixels being in [0, 1].
        mean: What the data module subtracts; by default its attribute ``mean``.
        std: What it divides by; by default its attribute ``std``.
        name: The name in the log. Several attacks in one session need names that differ.
        samples: How many samples are attacked, the first of the data; ``None`` for all.

    Raises:
        ValueError: If ``epsilon`` is negative, an entry of ``std`` not positive, or ``samples``
            below 1.

    Source: Goodfellow et al. (2015).
    """

    def __init__(
        self,
        epsilon: float = 0.1,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        name: str = "val_fgsm_accuracy",
        samples: int | None = None,
    ) -> None:
        super().__init__(epsilon, mean, std, name, samples)

    @classmethod
    def example(cls) -> Self:
        """For pixels of one channel."""
        return cls(mean=[0.3053], std=[0.3760])

    def attacked_correct(
        self, networks: Networks, inputs: Tensor, target: Tensor, place: int = 0
    ) -> Tensor:
        """Whether each network still classifies each input right after the step, (C, B)."""
        own, targets, pixels = networks.own(inputs), networks.own(target), self.pixels
        return torch.cat(
            [
                classified(
                    networks,
                    fgsm(networks, own[:, part], targets[:, part], self.epsilon, pixels),
                    targets[:, part],
                )
                for part in in_parts(own, networks.count)
            ],
            dim=1,
        )
