"""Binary cross-entropy, the baseline of binary and multi-label problems."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.links import Link, Sigmoid


class BinaryCrossEntropy(LossFunction):
    """Cross-entropy of yes or no, of one logit or several; equal to ``torch.nn.BCEWithLogitsLoss``.

    For a sample with the probabilities h_k = sigmoid(z_k) of its logits ::

        L = -mean_k [ y_k log h_k + (1 - y_k) log(1 - h_k) ]

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples.

    >>> import torch
    >>> BinaryCrossEntropy()(torch.zeros(2, 1), torch.tensor([[0.0], [1.0]]))
    tensor(0.6931)
    """

    link: Link = Sigmoid()

    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample, (B, ...) -> (B,)."""
        label = self.link.label(output, target)
        values = F.binary_cross_entropy_with_logits(output, label, reduction="none")
        return self.link.reduce(values, target)
