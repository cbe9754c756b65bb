"""Accuracy under projected gradient descent as the fitness."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_lossmeta._seeds import Purpose, check_seed, derived_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.callbacks.fitness.attacked import AttackedAccuracy, in_parts, worst
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules.attacks import classified, pgd
from lightning_lossmeta.modules.networks import Networks

if TYPE_CHECKING:
    from typing_extensions import Self


class PGDFitness(AttackedAccuracy):
    """Scores fits by validation accuracy under projected gradient descent.

    From a random point of the ball of radius epsilon around x, in raw pixels, with the projection P
    on the ball and on [0, 1] ::

        x_{t+1} = P(x_t + step_size sign(dCE/dx_t))

    With several restarts a sample counts as right if it is after each of them. The attack uses
    cross-entropy whatever the loss in training. Random starts depend on ``seed`` and the place of
    a batch in the data alone: all networks start from the same points. Logs
    ``val_pgd_accuracy``, and in a ``test`` of the Trainer ``test_pgd_accuracy``.

    A validation costs ``restarts * steps`` backward passes: see ``samples``.

    Args:
        epsilon: Largest change of a pixel, pixels being in [0, 1].
        steps: How many steps each restart takes.
        restarts: How many random starts there are.
        step_size: How far a step goes; 2.5 epsilon / steps by default, so that the far side of the
            ball can be reached.
        mean: What the data module subtracts; by default its attribute ``mean``.
        std: What it divides by; by default its attribute ``std``.
        name: The name in the log. Several attacks in one session need names that differ.
        samples: How many samples are attacked, the first of the data; ``None`` for all.
        seed: Fixes the random starts.

    Raises:
        ValueError: If ``epsilon`` or ``step_size`` is negative, an entry of ``std`` not positive,
            or a count below 1.

    Source: Madry et al. (2018).
    """

    def __init__(
        self,
        epsilon: float = 0.1,
        steps: int = 20,
        restarts: int = 1,
        step_size: float | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        name: str = "val_pgd_accuracy",
        samples: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(epsilon, mean, std, name, samples)
        check_at_least(1, steps=steps, restarts=restarts)
        if step_size is not None:
            check_interval("step_size", step_size, 0, math.inf)
        check_seed(seed=seed)
        self.steps = steps
        self.restarts = restarts
        self.step_size = step_size
        self.seed = seed

    @classmethod
    def example(cls) -> Self:
        """A few steps on pixels of one channel, from two starts."""
        return cls(0.1, 3, 2, mean=[0.3053], std=[0.3760])

    def attacked_correct(
        self, networks: Networks, inputs: Tensor, target: Tensor, place: int = 0
    ) -> Tensor:
        """Whether each network classifies each input right after every restart, (C, B)."""
        own, targets = networks.own(inputs), networks.own(target)
        found = [
            self._from(self._start(own, place, number), networks, own, targets)
            for number in range(self.restarts if self.epsilon else 1)
        ]
        return worst(found)

    def _from(self, start: Tensor, networks: Networks, own: Tensor, targets: Tensor) -> Tensor:
        size = 2.5 * self.epsilon / self.steps if self.step_size is None else self.step_size
        steps = self.steps if self.epsilon else 0
        results = []
        for part in in_parts(own, networks.count):
            inputs, target = own[:, part], targets[:, part]
            moved = pgd(
                networks, inputs, target, self.epsilon, steps, size, start[part], self.pixels
            )
            results.append(classified(networks, moved, target))
        return torch.cat(results, dim=1)

    def _start(self, own: Tensor, place: int, number: int) -> Tensor:
        """A change of each raw pixel, (B, ...), even within the ball; the same on every device."""
        seed = derived_seed(self.seed, Purpose.ATTACK, place, number)
        drawn = torch.rand(own.shape[1:], generator=torch.Generator().manual_seed(seed))
        return ((2 * drawn - 1) * self.epsilon).to(own)
