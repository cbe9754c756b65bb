"""Accuracy under attack as the fitness."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lightning_lossmeta.callbacks.fitness.base import SCORED, Fitness
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules.networks import Networks
from lightning_lossmeta.task import Objective, Task

if TYPE_CHECKING:
    from typing_extensions import Self


class FGSMFitness(Fitness):
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

    @classmethod
    def example(cls) -> Self:
        """For pixels of one channel."""
        return cls(mean=[0.5], std=[0.5])

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The accuracy under attack."""
        return (Objective(self.name),)

    def prepare(self, task: Task) -> FGSMFitness:
        """The attack in the raw pixels of a task's data.

        Raises:
            ValueError: If the normalisation of the pixels is not known.
        """
        mean = getattr(task.data, "mean", None) if self.mean is None else self.mean
        std = getattr(task.data, "std", None) if self.std is None else self.std
        if mean is None or std is None:
            raise ValueError(
                f"Expected {type(task.data).__name__} to have attributes `mean` and `std`, or "
                "FGSMFitness to be given them: the attack is measured in raw pixels."
            )
        return FGSMFitness(self.epsilon, _as_list(mean), _as_list(std))

    def measure(
        self, networks: Networks, part: str, inputs: Tensor, target: Tensor
    ) -> Mapping[str, Tensor]:
        """Whether each sample is still classified right under attack."""
        if part != SCORED:
            return {}
        return {self.name: self.attacked_correct(networks, inputs, target)}

    def attacked_correct(self, networks: Networks, inputs: Tensor, target: Tensor) -> Tensor:
        """Whether each network still classifies each input right under attack, (C, B).

        Args:
            networks: One network, or a stack of C.
            inputs: A batch's, normalised, (B, channels, ...).
            target: A batch's class indices.

        Raises:
            ValueError: If the normalisation of the pixels is not known.
        """
        if self.mean is None or self.std is None:
            raise ValueError("Expected arguments `mean` and `std` for an attack in raw pixels.")
        shape = [-1] + [1] * (inputs.dim() - 2)
        mean = torch.as_tensor(self.mean, dtype=inputs.dtype, device=inputs.device).view(shape)
        std = torch.as_tensor(self.std, dtype=inputs.dtype, device=inputs.device).view(shape)
        with torch.inference_mode(False), torch.enable_grad():
            attacked = networks.own(inputs).detach().clone().requires_grad_()
            targets = networks.own(target).clone()
            outputs = networks(attacked)
            loss = cross_entropy(outputs.flatten(0, -2), targets.flatten(), reduction="sum")
            (gradient,) = torch.autograd.grad(loss, attacked)
        moved = attacked.detach() + self.epsilon / std * gradient.sign()
        moved = torch.maximum(torch.minimum(moved, (1 - mean) / std), -mean / std)
        with torch.no_grad():
            return (networks(moved).argmax(dim=-1) == targets).float()


def _as_list(value: Any) -> list[float]:
    return [float(item) for item in torch.as_tensor(value).reshape(-1)]
