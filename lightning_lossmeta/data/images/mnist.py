"""MNIST by torchvision."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torchvision.datasets import MNIST

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.data.base import Split, Splits, TensorDataModule

_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


class MNISTDataModule(TensorDataModule):
    """MNIST (LeCun & Cortes): 60,000 images of which validation is taken, and 10,000 for test.

    Inputs are (B, 1, 28, 28), normalised.

    Args:
        root: The folder that holds ``MNIST/raw``.
        download: Fetch the files if they are missing.
        val_size: Images taken out of the training file for validation.
        **kwargs: Those of :class:`~lightning_lossmeta.data.base.TensorDataModule`.

    Raises:
        ValueError: If a number is out of its range.
    """

    num_classes = 10
    mean = (0.1307,)
    std = (0.3081,)

    def __init__(
        self,
        root: str = "data",
        download: bool = True,
        val_size: int = 10_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_at_least(1, val_size=val_size)
        self.root = os.path.expanduser(root)
        self.download = download
        self.val_size = val_size

    def prepare_data(self) -> None:
        """Fetch the files, if they are missing and ``download`` is set.

        Raises:
            FileNotFoundError: If they can't be had; says which are missing and where to put them.
        """
        missing = self._missing()
        if not missing:
            return
        reason = "download is false"
        if self.download:
            try:
                MNIST(self.root, download=True)
            except (OSError, RuntimeError) as error:
                reason = f"the download failed: {error}"
            if not self._missing():
                return
        raise FileNotFoundError(
            f"Expected MNIST in '{self._folder()}', but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not there and {reason}. Get the four files "
            f"{', '.join(_FILES)} (from yann.lecun.com/exdb/mnist or a mirror), unpack them with "
            "gunzip, and put them into that folder, or give the `root` that holds MNIST/raw."
        )

    def load(self) -> Splits:
        """Read and split.

        Raises:
            FileNotFoundError: If files are missing.
            ValueError: If ``val_size`` leaves nothing to train on.
        """
        if self._missing():
            self.prepare_data()
        full, test = (self._read(train) for train in (True, False))
        if self.val_size >= len(full.targets):
            raise ValueError(
                f"Expected argument `val_size` to be below {len(full.targets)}, the images of the "
                f"training file, got {self.val_size}."
            )
        generator = torch.Generator().manual_seed(self.split_seed)
        order = torch.randperm(len(full.targets), generator=generator)
        val, train = order[: self.val_size], order[self.val_size :]
        return Splits(full.take(train), full.take(val), replace(test, indices=None))

    def _read(self, train: bool) -> Split:
        images = MNIST(self.root, train=train, download=False)
        pixels = images.data.unsqueeze(1).float().div_(255).sub_(self.mean[0]).div_(self.std[0])
        return Split(pixels, images.targets, indices=torch.arange(len(pixels)))

    def _folder(self) -> Path:
        return Path(self.root) / "MNIST" / "raw"

    def _missing(self) -> list[str]:
        folder = self._folder()
        return [name for name in _FILES if not (folder / name).is_file()]
