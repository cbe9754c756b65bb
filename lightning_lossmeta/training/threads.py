"""How many threads PyTorch uses for what is trained on the CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

#: A network with as many weights, or with convolutions, is not a small one.
LARGE = 2**18

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def threads_for(network: nn.Module) -> int:
    """The threads that a network is worth: one if it is small, else as many as PyTorch is set to.

    A step of a small network takes less time than threads take to agree, above all where other
    programs want the cores too (``python -m lightning_lossmeta.benchmarks.threads``).

    Args:
        network: The network, or one of a stack.
    """
    weights = sum(parameter.numel() for parameter in network.parameters())
    convolves = any(isinstance(module, _CONVOLUTIONS) for module in network.modules())
    return torch.get_num_threads() if convolves or weights >= LARGE else 1


def usable_cores() -> int:
    """How many of the machine's cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let PyTorch use ``count`` threads on the CPU within the ``with`` block."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
