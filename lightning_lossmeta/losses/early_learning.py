"""What keeps a network from learning wrong labels by heart: its own early predictions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.losses.checks import can_be_read, check_interval

#: Probabilities are kept this far from 0 and 1, as in the authors' code.
MARGIN = 1e-4


class EarlyLearningRegularization(nn.Module):
    """ELR: a term that holds predictions to what the network predicted early in its training.

    Each training sample i has a memory t_i, at first 0, which each visit moves to the prediction h,
    whose entries are kept in [1e-4, 1 - 1e-4] ::

        t_i <- momentum t_i + (1 - momentum) h / sum_k h_k
        R = strength mean_i log(1 - sum_k t_ik h_k)

    The term is added to a loss, in the paper cross-entropy, of the same batch. Only t carries
    memory, and no gradient. It is a part of ``state_dict``, so that a training can be gone on with.

    Args:
        num_samples: How many training samples there are.
        num_classes: How many classes there are.
        strength: The factor of the term, at least 0; 3 for CIFAR-10 in the paper, 7 for CIFAR-100.
        momentum: What is kept of a memory at a visit, 0 to below 1; 0.7 in the paper.

    Raises:
        ValueError: If a number lies outside its interval.

    Source: Liu et al. (2020), equation 6 and 8.

    >>> elr = EarlyLearningRegularization(num_samples=5, num_classes=2)
    >>> elr(torch.zeros(2, 2), torch.tensor([4, 0]))  # 3 log(1 - 0.3 / 2)
    tensor(-0.4876)
    """

    memory: Tensor

    def __init__(
        self, num_samples: int, num_classes: int, strength: float = 3.0, momentum: float = 0.7
    ) -> None:
        super().__init__()
        check_at_least(1, num_samples=num_samples)
        check_at_least(2, num_classes=num_classes)
        self.strength = check_interval("strength", strength, 0, math.inf)
        self.momentum = check_interval("momentum", momentum, 0, 1, "[)")
        self.register_buffer("memory", torch.zeros(num_samples, num_classes))

    def forward(self, output: Tensor, index: Tensor) -> Tensor:
        """The term for a batch, after its memories were moved.

        Args:
            output: Logits ``(B, n)``.
            index: Which training sample each is ``(B,)``, integers from 0 to ``num_samples`` - 1.

        Raises:
            ValueError: If shapes do not fit, or an index is out of range.
        """
        self._check(output, index)
        if output.dtype in (torch.float16, torch.bfloat16):
            output = output.float()
        h = output.softmax(dim=1).clamp(MARGIN, 1 - MARGIN)
        seen = h.detach() / h.detach().sum(dim=1, keepdim=True)
        memory = self.momentum * self.memory[index] + (1 - self.momentum) * seen.to(self.memory)
        self.memory[index] = memory
        return self.strength * torch.log1p(-(memory.to(h) * h).sum(dim=1)).mean()

    def _check(self, output: Tensor, index: Tensor) -> None:
        samples, classes = self.memory.shape
        if output.ndim != 2 or output.shape[1] != classes or index.shape != output.shape[:1]:
            raise ValueError(
                f"Expected `output` of shape (batch, {classes}) and `index` of shape (batch,), got "
                f"{tuple(output.shape)} and {tuple(index.shape)}."
            )
        if index.is_floating_point() or index.dtype == torch.bool:
            raise ValueError(f"Expected argument `index` to hold integers, got {index.dtype}.")
        if can_be_read(index) and bool(((index < 0) | (index >= samples)).any()):
            raise ValueError(
                f"Expected argument `index` to hold numbers of training samples, 0 to "
                f"{samples - 1}, got {int(index.min())} to {int(index.max())}."
            )

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"strength={self.strength}, momentum={self.momentum}"
