"""A user's own folder of images."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from lightning_lossmeta.data.images.decoded import DecodedImageDataModule, EncodedImages
from lightning_lossmeta.data.images.decoding import Encoded, warn_user
from lightning_lossmeta.data.images.listing import Listing, visible_folders
from lightning_lossmeta.data.images.part_folders import part_folders


class ImageFolderDataModule(DecodedImageDataModule):
    """A folder for each class, its images anywhere below: ``root/cat/1.jpg``, ``root/dog/a/2.png``.

    If the folders in ``root`` are parts of a data set (``train``, ``val``, ``test``; also
    ``Training``, ``valid``, ``dev``, ``test_set`` and the like), the folders of the classes are
    looked for in each of these; where validation or test is not there, a fraction of the training
    images of each class takes its place.

    A file is an image if its suffix or its content says so; one that then can't be decoded is an
    error. Hidden files and folders (``.ipynb_checkpoints``, ``@eaDir``, ``__MACOSX``) and files
    that are no images are passed over, with one line that counts them.

    Inputs are (B, 3, S, S).

    Args:
        root: The folder that holds those of the classes, or of the parts.
        image_size: S, the pixels a side of a centred square that images are cut and scaled to;
            ``None`` leaves them, and they must have one size.
        **kwargs: Those of :class:`~lightning_lossmeta.data.images.decoded.DecodedImageDataModule`.

    Raises:
        FileNotFoundError: When reading, if there is no such folder.
        ValueError: When reading, if there are no two classes, a class has too few images, folders
            are neither parts nor classes, or an image can't be decoded; names it.
    """

    def __init__(self, root: str, image_size: int | None = 32, **kwargs: Any) -> None:
        super().__init__(image_size=image_size, **kwargs)
        self.root = os.path.expanduser(root)

    @cached_property
    def classes(self) -> list[str]:
        """The names of the classes' folders, sorted."""
        folder = self._part_folders()["train"]
        names = visible_folders(folder)
        if len(names) < 2:
            raise ValueError(
                f"Expected '{folder}' to hold a folder of images for each of at least 2 classes, "
                f"got {names or 'no folder'}."
            )
        return names

    def parts(self) -> tuple[EncodedImages, EncodedImages | None, EncodedImages | None]:
        """List the files of training, validation and test."""
        root, folders = Path(self.root), self._part_folders()
        listing = Listing(root)
        for folder in dict.fromkeys((root, *folders.values())):
            listing.pass_over_beside_classes(folder)
        listed = {part: self._listed(folder, listing) for part, folder in folders.items()}
        if listing.passed_over:
            warn_user(listing.note())
        return listed["train"], listed.get("val"), listed.get("test")

    def _part_folders(self) -> dict[str, Path]:
        """The folders of the parts, each of which holds the folders of the classes."""
        root = Path(self.root)
        if not root.is_dir():
            raise FileNotFoundError(
                f"Expected argument `root` to be a folder with a folder of images for each class, "
                f"got '{self.root}', which is none."
            )
        return part_folders(root)

    def _listed(self, folder: Path, listing: Listing) -> EncodedImages:
        """List all images below the folders of the classes."""
        names = visible_folders(folder)
        unknown = sorted(set(names) - set(self.classes))
        if unknown:
            raise ValueError(
                f"Expected '{folder}' to hold the same classes as the training images, got "
                f"{', '.join(unknown)} besides."
            )
        above = (folder, *folder.resolve().parents)
        elsewhere = {os.path.realpath(path) for path in (*above, *map(folder.joinpath, names))}
        images = {
            name: listing.images(folder / name, elsewhere) if name in names else []
            for name in self.classes
        }
        empty = [name for name, paths in images.items() if not paths]
        if empty:
            raise ValueError(
                f"Expected '{folder}' to hold images of every class, got none of "
                f"{', '.join(empty)}. {listing.note()}".rstrip()
            )
        paths = [path for part in images.values() for path in part]
        labels = [label for label, part in enumerate(images.values()) for _ in part]

        def encoded(position: int) -> Encoded:
            return paths[position], f"'{paths[position]}'"

        return EncodedImages(torch.tensor(labels), encoded, torch.arange(len(paths)))
