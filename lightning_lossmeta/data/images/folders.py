"""A user's own folder of images."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

from lightning_lossmeta.data.images.decoded import DecodedImageDataModule, EncodedImages
from lightning_lossmeta.data.images.decoding import Encoded

_PARTS = ("train", "val", "test")


class ImageFolderDataModule(DecodedImageDataModule):
    """A folder for each class, its images anywhere below: ``root/cat/1.jpg``, ``root/dog/a/2.png``.

    If all folders in ``root`` are among ``train``, ``val`` and ``test``, the folders of the classes
    are looked for in each of these; where ``val`` or ``test`` is not there, a fraction of the
    training images of each class takes its place. Names that begin with a dot are passed over.

    Inputs are (B, 3, S, S).

    Args:
        root: The folder.
        image_size: S: images are cut to a centred square and scaled to it.
        **kwargs: Those of :class:`~lightning_lossmeta.data.images.decoded.DecodedImageDataModule`.

    Raises:
        FileNotFoundError: When reading, if there is no such folder.
        ValueError: When reading, if there are no two classes, a class has too few images, or a file
            is no image; names it.
    """

    def __init__(self, root: str, image_size: int | None = 32, **kwargs: Any) -> None:
        super().__init__(image_size=image_size, **kwargs)
        self.root = os.path.expanduser(root)

    @cached_property
    def classes(self) -> list[str]:
        """The names of the folders, sorted."""
        names = _folders(self._part_folders()["train"])
        if len(names) < 2:
            raise ValueError(
                f"Expected '{self._part_folders()['train']}' to hold a folder of images for each "
                f"of at least 2 classes, got {names or 'no folder'}."
            )
        return names

    def parts(self) -> tuple[EncodedImages, EncodedImages | None, EncodedImages | None]:
        """List the files."""
        folders = self._part_folders()
        val, test = (
            self._listed(folders[part]) if part in folders else None for part in ("val", "test")
        )
        return self._listed(folders["train"]), val, test

    def _part_folders(self) -> dict[str, Path]:
        """The folders that hold those of the classes."""
        root = Path(self.root)
        if not root.is_dir():
            raise FileNotFoundError(
                f"Expected argument `root` to be a folder with a folder of images for each class, "
                f"got '{self.root}', which is none."
            )
        names = _folders(root)
        if "train" in names and set(names) <= set(_PARTS):
            return {name: root / name for name in names}
        return {"train": root}

    def _listed(self, folder: Path) -> EncodedImages:
        """All images below the folders of the classes."""
        unknown = sorted(set(_folders(folder)) - set(self.classes))
        if unknown:
            raise ValueError(
                f"Expected '{folder}' to hold the same classes as the training images, got "
                f"{', '.join(unknown)} besides."
            )
        numbers = {name: number for number, name in enumerate(self.classes)}
        present = {name: numbers[name] for name in _folders(folder)}
        samples = make_dataset(folder, present, extensions=IMG_EXTENSIONS, allow_empty=True)
        samples = [pair for pair in samples if not Path(pair[0]).name.startswith(".")]
        found = {label for _, label in samples}
        empty = [name for name, number in numbers.items() if number not in found]
        if empty:
            raise ValueError(
                f"Expected '{folder}' to hold images of every class, got none of "
                f"{', '.join(empty)}. Files in {', '.join(IMG_EXTENSIONS)} count as images."
            )
        paths = [Path(path) for path, _ in samples]

        def encoded(position: int) -> Encoded:
            return paths[position], f"'{paths[position]}'"

        labels = torch.tensor([label for _, label in samples])
        return EncodedImages(labels, encoded, torch.arange(len(paths)))


def _folders(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted."""
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".")
    )
