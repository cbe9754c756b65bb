"""Linear layers that stack well."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TransposedLinear(nn.Linear):
    """A linear layer that computes x W^T + b as (W x^T + b)^T.

    Under ``torch.vmap`` over C weights with one shared x, ``matmul`` folds the candidate axis of
    its first argument: the layer becomes one product of (C out, in) and (in, B) instead of C small
    ones. Weights, gradients and checkpoints are those of ``nn.Linear``.

    >>> layer, inputs = nn.Linear(4, 3), torch.randn(2, 4)
    >>> expected = layer(inputs)
    >>> transpose_linear_layers(layer)
    >>> torch.allclose(layer(inputs), expected, atol=1e-6)
    True
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, in) -> (B, out), laid out with B last; other shapes go the way of ``nn.Linear``."""
        if input.dim() != 2:
            return super().forward(input)
        if self.bias is None:
            return torch.mm(self.weight, input.mT).mT
        return torch.addmm(self.bias.unsqueeze(1), self.weight, input.mT).mT


def transpose_linear_layers(network: nn.Module) -> None:
    """Turn a network's plain ``nn.Linear`` layers into :class:`TransposedLinear`, in place."""
    for layer in network.modules():
        if type(layer) is nn.Linear:
            layer.__class__ = TransposedLinear
