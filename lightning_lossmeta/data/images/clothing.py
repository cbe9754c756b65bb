"""Clothing1M: a million images of clothes with labels out of the words around them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.data.images.decoding import ImageDecoder
from lightning_lossmeta.data.module import BatchedDataModule

_LISTS = {
    "noisy": ("noisy_train_key_list.txt", "noisy_label_kv.txt"),
    "clean": ("clean_train_key_list.txt", "clean_label_kv.txt"),
    "val": ("clean_val_key_list.txt", "clean_label_kv.txt"),
    "test": ("clean_test_key_list.txt", "clean_label_kv.txt"),
}


class ListedImages(Dataset[tuple[Tensor, int]]):
    """Images read when they are asked for.

    Args:
        root: The folder that the paths are relative to.
        paths: The path of each image.
        targets: The label of each image, (N,), int64.
        transform: Takes an RGB image to a tensor.
    """

    def __init__(self, root: Path, paths: Sequence[str], targets: Tensor, transform: Any) -> None:
        self.root = root
        self.paths = paths
        self.targets = targets
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path = self.root / self.paths[index]
        return self.transform(ImageDecoder()(path, f"'{path}'")), int(self.targets[index])


class Clothing1MDataModule(BatchedDataModule):
    """Clothing1M (Xiao et al. 2015): noisy labels for training, clean ones for the rest.

    1,000,000 images with noisy labels for training (or 47,570 with clean ones), 14,313 and 10,526
    with clean labels for validation and test, 14 classes. Images are read as they are needed: the
    shorter side is scaled to ``resize`` pixels; training takes a random square out of that and
    mirrors half of them, the rest take the centre. Normalised by ImageNet's mean and standard
    deviation, as networks pre-trained on it expect. Inputs are (B, 3, S, S).

    The images are given out by the authors on request, see
    https://github.com/Cysu/noisy_label.

    Args:
        root: The folder of the lists (``noisy_train_key_list.txt``, ``noisy_label_kv.txt``, ...),
            to which the paths in them are relative (``images/0/00/....jpg``).
        labels: Which labels to train with: the million noisy ones, or the clean ones.
        batch_size: How many images a batch of training has.
        eval_batch_size: How many images a batch of validation, test and prediction has.
        train_size: Keep this many training images, class-balanced by the labels that are trained
            on, chosen by ``split_seed``; ``None`` keeps all.
        split_seed: The seed that chooses them.
        image_size: S, the pixels a side of what the network sees.
        resize: The pixels of the shorter side before that is cut out, at least ``image_size``.
        num_workers: How many processes read images; 0 reads in this one.

    Raises:
        ValueError: If a number is out of its range.
    """

    num_classes = 14
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)

    def __init__(
        self,
        root: str,
        labels: Literal["noisy", "clean"] = "noisy",
        batch_size: int = 64,
        eval_batch_size: int = 256,
        train_size: int | None = None,
        split_seed: int = 0,
        image_size: int = 224,
        resize: int = 256,
        num_workers: int = 4,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, train_size, split_seed)
        check_at_least(1, image_size=image_size)
        check_at_least(image_size, resize=resize)
        check_at_least(0, num_workers=num_workers)
        if labels not in ("noisy", "clean"):
            raise ValueError(
                f"Expected argument `labels` to be 'noisy' or 'clean', got {labels!r}."
            )
        self.root = os.path.expanduser(root)
        self.labels = labels
        self.image_size = image_size
        self.resize = resize
        self.num_workers = num_workers
        self._listed: dict[str, ListedImages] = {}

    def setup(self, stage: str | None = None) -> None:
        """Read the lists, if they were not."""
        for part in (self.labels, "val", "test"):
            if part not in self._listed:
                self._listed[part] = self._read(part)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Give shuffled batches, of which the last, incomplete one is left out."""
        images = self._images(self.labels)
        return self._loader(images, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Give the validation images in order."""
        return self._loader(self._images("val"), self.eval_batch_size)

    def test_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Give the test images in order."""
        return self._loader(self._images("test"), self.eval_batch_size)

    def predict_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Give the test images in order."""
        return self.test_dataloader()

    def __getstate__(self) -> dict[str, Any]:
        """Without the lists, which another process reads itself, and the Trainer of a fit."""
        return {**super().__getstate__(), "_listed": {}}

    def _images(self, part: str) -> ListedImages:
        self.setup()
        return self._listed[part]

    def _loader(
        self, images: ListedImages, batch_size: int, shuffle: bool = False
    ) -> DataLoader[tuple[Tensor, int]]:
        return DataLoader(
            images,
            batch_size,
            shuffle=shuffle,
            drop_last=shuffle and len(images) >= batch_size,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
        )

    def _read(self, part: str) -> ListedImages:
        """Read a list of images with their labels."""
        keys_file, labels_file = (self._file(name) for name in _LISTS[part])
        lines = keys_file.read_text(encoding="utf-8").splitlines()
        paths = [line.strip() for line in lines if line.strip()]
        labels = labels_by_path(labels_file, self.num_classes)
        unknown = [path for path in paths if path not in labels]
        if unknown or not paths:
            lack = f"no label for '{unknown[0]}'" if unknown else "an empty list"
            raise ValueError(
                f"Expected '{keys_file}' to list images with labels in '{labels_file.name}', got "
                f"{lack}."
            )
        targets = torch.tensor([labels[path] for path in paths])
        trained = part == self.labels
        kept = self._kept_positions(targets, f"the images of '{keys_file}'") if trained else None
        if kept is not None:
            paths, targets = [paths[index] for index in kept.tolist()], targets[kept]
        return ListedImages(Path(self.root), paths, targets, self._transform(trained))

    def _file(self, name: str) -> Path:
        file = Path(self.root) / name
        if not file.is_file():
            needed = ", ".join(sorted({name for pair in _LISTS.values() for name in pair}))
            raise FileNotFoundError(
                f"Expected Clothing1M in '{self.root}', but {name} is not there. Ask the authors "
                f"for the data (https://github.com/Cysu/noisy_label) and give as `root` the folder "
                f"that holds {needed} and images/."
            )
        return file

    def _transform(self, trained: bool) -> Any:
        size = self.image_size
        taken = (
            [v2.RandomCrop(size), v2.RandomHorizontalFlip()] if trained else [v2.CenterCrop(size)]
        )
        return v2.Compose(
            [
                v2.Resize(self.resize),
                *taken,
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(self.mean, self.std),
                v2.ToPureTensor(),
            ]
        )


def labels_by_path(file: Path, num_classes: int) -> dict[str, int]:
    """Labels by path, out of lines ``path label``.

    Args:
        file: The file to read.
        num_classes: How many classes there are.

    Raises:
        ValueError: If a line is none; names it.
    """
    labels: dict[str, int] = {}
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            path, _, label = line.strip().rpartition(" ")
            if not path and not label:
                continue
            if not path or not label.isdecimal() or int(label) >= num_classes:
                raise ValueError(
                    f"Expected line {number} of '{file}' to be a path and a class in "
                    f"[0, {num_classes}), got {line.strip()!r}."
                )
            labels[path] = int(label)
    return labels
