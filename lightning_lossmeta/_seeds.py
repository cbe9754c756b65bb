"""Seeds that derive from one."""

from __future__ import annotations

import random

import numpy as np
import torch


def derived_seed(*parts: int) -> int:
    """A seed for one purpose: equal parts give equal seeds, any other parts unrelated ones.

    >>> derived_seed(1, 2) == derived_seed(1, 2) != derived_seed(2, 1)
    True
    """
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def seed_all(seed: int) -> None:
    """Set the global generators of PyTorch, Python and NumPy."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
