"""How many threads of PyTorch what is trained on the CPU is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

#: A network with as many weights, or with convolutions, is not a small one.
LARGE = 2**18

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def threads_for(network: nn.Module) -> int:
    """One for a small network, else as many as PyTorch is set to.

    A step of a small network takes less time than threads take to agree, above all where other
    programs want the cores too (``python -m lightning_lossmeta.benchmarks.threads``).

    Args:
        network: One of those that are trained.
    """
    weights = sum(parameter.numel() for parameter in network.parameters())
    convolves = any(isinstance(module, _CONVOLUTIONS) for module in network.modules())
    return torch.get_num_threads() if convolves or weights >= LARGE else 1


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Give PyTorch so many threads on the CPU for a while."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
