"""scikit-learn's digits: real images that need no download."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from lightning_lossmeta.data.base import Split, Splits, TensorDataModule


class DigitsDataModule(TensorDataModule):
    """1,797 handwritten digits of 8x8 pixels (Alpaydin & Kaynak 1998), split 60/20/20 by class.

    Inputs are (B, 1, 8, 8), normalised by the mean and standard deviation of all pixels.

    The arguments are those of :class:`~lightning_lossmeta.data.base.TensorDataModule`; of the 1,078
    training samples ``train_size`` keeps some.
    """

    num_classes = 10
    mean = (0.3053,)
    std = (0.3760,)

    def load(self) -> Splits:
        """Read and split."""
        digits = load_digits()
        pixels = torch.tensor(digits.data / 16.0, dtype=torch.float32).view(-1, 1, 8, 8)
        everything = Split(
            (pixels - self.mean[0]) / self.std[0],
            torch.tensor(digits.target),
            indices=torch.arange(len(digits.target)),
        )
        labels = digits.target
        train, rest = train_test_split(
            np.arange(len(labels)),
            test_size=0.4,
            random_state=self.split_seed,
            stratify=labels,
        )
        val, test = train_test_split(
            rest, test_size=0.5, random_state=self.split_seed, stratify=labels[rest]
        )
        return Splits(*(everything.take(torch.from_numpy(part)) for part in (train, val, test)))
