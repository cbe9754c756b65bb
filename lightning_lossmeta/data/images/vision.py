"""Image sets that torchvision can fetch."""

from __future__ import annotations

import os
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchvision.datasets import CIFAR10, CIFAR100, KMNIST, MNIST, SVHN, FashionMNIST

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.data.base import Split, Splits
from lightning_lossmeta.data.images.base import ImageDataModule, normalised


class TorchvisionDataModule(ImageDataModule):
    """A training file of which validation is taken, and a test file, both had by torchvision.

    Args:
        root: The folder that torchvision puts the files under.
        download: Fetch them if they are missing.
        val_size: Images taken out of the training file for validation.
        **kwargs: Those of :class:`~lightning_lossmeta.data.images.base.ImageDataModule`.

    Raises:
        ValueError: If a number is out of its range.

    Attributes:
        dataset: torchvision's class.
        source: Where the files can be had by hand.
    """

    dataset: ClassVar[Any]
    source: ClassVar[str]

    def __init__(
        self, root: str = "data", download: bool = True, val_size: int = 10_000, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_at_least(1, val_size=val_size)
        self.root = os.path.expanduser(root)
        self.download = download
        self.val_size = val_size

    @abstractmethod
    def files(self) -> list[Path]:
        """List every file that reading needs."""

    @abstractmethod
    def fetch(self) -> None:
        """Have torchvision download the files."""

    @abstractmethod
    def read(self, train: bool) -> tuple[Tensor, Tensor]:
        """Read pixels (N, C, H, W), uint8, and labels (N,), int64, of training or test."""

    def prepare_data(self) -> None:
        """Fetch the files, if some are missing and ``download`` is set.

        Raises:
            FileNotFoundError: If they can't be had; says which are missing and where to put them.
        """
        missing = self._missing()
        if not missing:
            return
        reason = "download is false"
        if self.download:
            try:
                self.fetch()
            except (OSError, RuntimeError) as error:
                reason = f"the download failed: {error}"
            missing = self._missing()
            if not missing:
                return
        raise FileNotFoundError(
            f"Expected {self.dataset.__name__} in '{self._folder()}', but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not there and {reason}. Get the files from "
            f"{self.source}, unpack them into that folder, or give the `root` that holds it."
        )

    def load(self) -> Splits:
        """Read the files, and split the training file into training and validation.

        Raises:
            FileNotFoundError: If files are missing.
            ValueError: If they are damaged, or ``val_size`` leaves nothing to train on.
        """
        self.prepare_data()
        full, test = (self._whole(train) for train in (True, False))
        size = len(full.targets)
        if self.val_size >= size:
            raise ValueError(
                f"Expected argument `val_size` to be below {size}, the images of the training "
                f"file, got {self.val_size}."
            )
        order = torch.randperm(size, generator=torch.Generator().manual_seed(self.split_seed))
        val, train = order[: self.val_size], order[self.val_size :]
        parts = (replace(full, indices=torch.arange(size)).take(part) for part in (train, val))
        return Splits(*(self._normalised(part) for part in (*parts, test)))

    def _normalised(self, split: Split) -> Split:
        return replace(split, inputs=normalised(split.inputs, self.mean, self.std))

    def _whole(self, train: bool) -> Split:
        """Read the pixels and labels of the training or the test file."""
        try:
            return Split(*self.read(train))
        except Exception as error:  # the readers raise whatever their formats' libraries do
            raise ValueError(
                f"Expected the files of {self.dataset.__name__} in '{self._folder()}' to be the "
                f"published ones, but reading them failed: {error} Delete them to have them "
                f"fetched again, or get them from {self.source}."
            ) from error

    def _folder(self) -> Path:
        return self.files()[0].parent

    def _missing(self) -> list[str]:
        return [file.name for file in self.files() if not file.is_file()]


class IDXDataModule(TorchvisionDataModule):
    """A set in MNIST's format: four files in ``root/NAME/raw``, images of 28x28 grey pixels."""

    def files(self) -> list[Path]:
        """List the four files: images and labels of training and of test."""
        folder = Path(self.root) / self.dataset.__name__ / "raw"
        names = [Path(name).stem for name, _ in self.dataset.resources]
        return [folder / name for name in names]

    def fetch(self) -> None:
        """Have torchvision download the four files."""
        self.dataset(self.root, download=True)

    def read(self, train: bool) -> tuple[Tensor, Tensor]:
        """Read the images and labels of training or of test."""
        images = self.dataset(self.root, train=train)
        return images.data.unsqueeze(1), images.targets


class MNISTDataModule(IDXDataModule):
    """MNIST (LeCun & Cortes 1998): 60,000 handwritten digits for training, 10,000 for test.

    Inputs are (B, 1, 28, 28), 10 classes; mean and standard deviation are those of the training
    pixels.
    """

    dataset = MNIST
    source = "http://yann.lecun.com/exdb/mnist or a mirror of it"
    num_classes = 10
    mean = (0.1307,)
    std = (0.3081,)


class FashionMNISTDataModule(IDXDataModule):
    """Fashion-MNIST (Xiao et al. 2017): 60,000 images of clothes for training, 10,000 for test.

    Inputs are (B, 1, 28, 28), 10 classes; mean and standard deviation are those of the training
    pixels.
    """

    dataset = FashionMNIST
    source = "https://github.com/zalandoresearch/fashion-mnist"
    num_classes = 10
    mean = (0.2860,)
    std = (0.3530,)


class KMNISTDataModule(IDXDataModule):
    """Kuzushiji-MNIST (Clanuwat et al. 2018): 60,000 cursive Japanese characters, 10,000 for test.

    Inputs are (B, 1, 28, 28), 10 classes; mean and standard deviation are those of the training
    pixels.
    """

    dataset = KMNIST
    source = "https://github.com/rois-codh/kmnist"
    num_classes = 10
    mean = (0.1918,)
    std = (0.3483,)


class CIFAR10DataModule(TorchvisionDataModule):
    """CIFAR-10 (Krizhevsky 2009): 50,000 colour images for training, 10,000 for test.

    Inputs are (B, 3, 32, 32), 10 classes; mean and standard deviation are those of the training
    pixels.

    The published files are pickles. torchvision compares the MD5 of each with the published one
    before it unpickles it: a file that somebody changed is refused unread.
    """

    dataset = CIFAR10
    source = CIFAR10.url
    num_classes = 10
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)

    def files(self) -> list[Path]:
        """List the files of the batches, and that of the names of the classes."""
        parts = [*self.dataset.train_list, *self.dataset.test_list]
        names = [*(name for name, _ in parts), self.dataset.meta["filename"]]
        return [Path(self.root) / self.dataset.base_folder / name for name in names]

    def fetch(self) -> None:
        """Have torchvision download and unpack the archive."""
        self.dataset(self.root, download=True)

    def read(self, train: bool) -> tuple[Tensor, Tensor]:
        """Have torchvision check and unpickle the batches of training or of test."""
        images = self.dataset(self.root, train=train)
        return torch.from_numpy(images.data).permute(0, 3, 1, 2), torch.tensor(images.targets)


class CIFAR100DataModule(CIFAR10DataModule):
    """CIFAR-100 (Krizhevsky 2009): as CIFAR-10, with 100 fine classes of 500 + 100 images."""

    dataset = CIFAR100
    source = CIFAR100.url
    num_classes = 100
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)


class SVHNDataModule(TorchvisionDataModule):
    """Street View House Numbers (Netzer et al. 2011): 73,257 digits for training, 26,032 for test.

    Inputs are (B, 3, 32, 32), 10 classes, the digit being the class; mean and standard deviation
    are those of the training pixels. torchvision compares the MD5 of each file with the published
    one.
    """

    dataset = SVHN
    source = "http://ufldl.stanford.edu/housenumbers"
    num_classes = 10
    mean = (0.4377, 0.4438, 0.4728)
    std = (0.1980, 0.2010, 0.1970)

    def files(self) -> list[Path]:
        """List the two MATLAB files, which lie in ``root`` itself."""
        return [Path(self.root) / self.dataset.split_list[part][1] for part in ("train", "test")]

    def fetch(self) -> None:
        """Have torchvision download the files of training and test."""
        for part in ("train", "test"):
            self.dataset(self.root, split=part, download=True)

    def read(self, train: bool) -> tuple[Tensor, Tensor]:
        """Read the images and labels of training or of test."""
        images = self.dataset(self.root, split="train" if train else "test")
        return torch.from_numpy(images.data), torch.from_numpy(images.labels)
