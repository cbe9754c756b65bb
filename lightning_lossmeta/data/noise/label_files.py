"""Real label noise: the labels that people gave, in a file beside the data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_lossmeta.data.noise.base import LabelNoise
from lightning_lossmeta.data.noise.label_readers import check_form, label_tables, read_labels
from lightning_lossmeta.data.split import Split, Splits, check_labels

if TYPE_CHECKING:
    from typing_extensions import Self

_TRUE = "clean_label"


class LabelFileNoise(LabelNoise):
    """Labels out of a file that is in the order of the original training file.

    Reads the files of CIFAR-10N and CIFAR-100N as they were published, and those that
    :func:`~lightning_lossmeta.data.noise.label_readers.read_labels` describes. Each sample gets the
    label at its position in the training file, so that the split and ``train_size`` can be any.
    Where the file also holds the labels before noise (``clean_label``), they have to be those of
    the data, so that another order is noticed. Nothing is drawn.

    Args:
        path: The file of labels.
        key: Which labels to take: of CIFAR-10N ``aggre_label``, ``worse_label``, ``random_label1``
            to ``random_label3``; of CIFAR-100N ``noisy_label``. Not needed where there is but one.

    Raises:
        ValueError: If the form of the file is unknown.

    Source: Wei et al. (2022), Learning with noisy labels revisited.
    """

    def __init__(self, path: str, key: str | None = None) -> None:
        self.path = os.path.expanduser(path)
        check_form(Path(self.path))
        self.key = key

    @classmethod
    def example(cls) -> Self:
        """None: it reads a file of somebody's labels."""
        raise NotImplementedError(f"Expected a file of labels for {cls.__name__}: make one first.")

    def check(self, splits: Splits, num_classes: int) -> None:
        """Refuse a file that is longer than the data, if all of them are in the splits.

        Args:
            splits: All samples that were read.
            num_classes: How many classes there are.

        Raises:
            FileNotFoundError: If there is no file.
            ValueError: If it is too long or can't be read.
        """
        super().check(splits, num_classes)
        known = [split.indices.cpu() for _, split in splits.named() if split.indices is not None]
        if not known:
            return
        seen = torch.cat(known).bincount()
        size, labels = len(seen), read_labels(self.path, self.key)
        if bool(seen.all()) and size < len(labels):
            raise ValueError(
                f"Expected '{self.path}' to hold {size} labels, one for each sample of the "
                f"original training file, got {len(labels)}."
            )

    def corrupt(self, split: Split, num_classes: int, seed: int) -> Tensor:
        """The file's labels of the split's samples."""
        if split.indices is None:
            raise ValueError(
                f"Expected the data to know where in the original training file each sample stands "
                f"(`indices` of the split), to find its label in '{self.path}', but they don't."
            )
        positions = split.indices.cpu()
        labels = self._at(positions, self.key)
        check_labels(labels, num_classes, f"the labels of '{self.path}'")
        if _TRUE in label_tables(Path(self.path)):
            before = split.targets if split.clean is None else split.clean
            wrong = int((self._at(positions, _TRUE) != before.cpu()).sum())
            if wrong:
                raise ValueError(
                    f"Expected '{self.path}' to be in the order of the data, but its `{_TRUE}` "
                    f"differs from the labels of {wrong} of {len(positions)} samples. Use the data "
                    "set in its original order."
                )
        return labels

    def _at(self, positions: Tensor, key: str | None) -> Tensor:
        labels = read_labels(self.path, key)
        least, most = int(positions.min()), int(positions.max())
        if least < 0 or most >= len(labels):
            raise ValueError(
                f"Expected '{self.path}' to hold a label for each sample of the original training "
                f"file, at least {most + 1}, got {len(labels)}."
            )
        return labels[positions]
