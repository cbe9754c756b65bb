"""Images that are decoded once and then stay in memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.data.base import Split, Splits
from lightning_lossmeta.data.images.base import ImageDataModule, channel_statistics, normalised
from lightning_lossmeta.data.images.decoding import (
    Encoded,
    ImageDecoder,
    counted,
    decode_all,
    warn_user,
)
from lightning_lossmeta.data.images.pixels import check_value_range


@dataclass(frozen=True)
class EncodedImages:
    """Images not yet decoded.

    Args:
        labels: The class index of each image, (N,), int64.
        encoded: Gives the bytes of the image at a position of the file or listing, and its name.
        positions: Where the images stand in that file or listing, (N,), int64.
    """

    labels: Tensor
    encoded: Callable[[int], Encoded]
    positions: Tensor

    def take(self, chosen: Tensor) -> EncodedImages:
        """Return the images at these places."""
        return EncodedImages(self.labels[chosen], self.encoded, self.positions[chosen])


class DecodedImageDataModule(ImageDataModule):
    """Images of any size and format, RGB, normalised by what is measured on the training images.

    Transparent pixels are laid over white, grey images of 16 bits are divided by 257, and of a file
    with several frames the first is read.

    A subclass writes :meth:`parts` and :attr:`classes`. Each class gives the same fraction of its
    images to validation (and test, where that has none of its own), at least one.

    Args:
        image_size: Pixels a side of a centred square that images are cut and scaled to; ``None``
            leaves them, and they must have one size.
        val_fraction: The share of each class's training images that is taken out for validation.
        test_fraction: The share that is taken out for test.
        mean: What is subtracted of pixels in [0, 1], by channel; ``None`` measures the training
            images.
        std: What they are divided by, by channel; ``None`` measures it.
        value_range: The values that are black and white in grey images of more than 8 bits;
            ``None`` takes what the files declare, and refuses those where nobody can tell.
        **kwargs: Those of :class:`~lightning_lossmeta.data.images.base.ImageDataModule`.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        image_size: int | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.2,
        mean: tuple[float, float, float] | None = None,
        std: tuple[float, float, float] | None = None,
        value_range: tuple[float, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if image_size is not None:
            check_at_least(1, image_size=image_size)
        for name, value in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
            if not 0 < value < 0.5:
                raise ValueError(f"Expected argument `{name}` to be in (0, 0.5), got {value}.")
        if std is not None and min(std) <= 0:
            raise ValueError(f"Expected argument `std` to hold positive numbers, got {std}.")
        check_value_range(value_range)
        self.image_size = image_size
        self.value_range = value_range
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self._given = (mean, std)

    @property
    @abstractmethod
    def classes(self) -> list[str]:
        """The names of the classes, in the order of their indices."""

    @abstractmethod
    def parts(self) -> tuple[EncodedImages, EncodedImages | None, EncodedImages | None]:
        """Images for training, validation and test; what is ``None`` is taken out of the first."""

    # Known once the data are looked at, where other data modules have constants.
    @cached_property
    def num_classes(self) -> int:  # type: ignore[override]
        """How many classes there are."""
        return len(self.classes)

    @cached_property
    def mean(self) -> tuple[float, ...]:  # type: ignore[override]
        """The numbers subtracted of pixels in [0, 1], one a channel; the data are read for them."""
        return self._statistics[0]

    @cached_property
    def std(self) -> tuple[float, ...]:  # type: ignore[override]
        """The numbers that centred pixels are divided by, one a channel."""
        return self._statistics[1]

    @cached_property
    def _statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        mean, std = self._given
        if mean is not None and std is not None:
            return tuple(mean), tuple(std)
        _ = self.splits  # load() measures
        measured: tuple[tuple[float, ...], tuple[float, ...]] = self.__dict__["_statistics"]
        return measured

    def load(self) -> Splits:
        """Choose, decode and normalise.

        Raises:
            ValueError: If an image can't be decoded, or a class has too few; names it.
        """
        parts = self._dealt(*self.parts())
        parts["training"] = self._kept_images(parts["training"])
        pixels = self._decoded(parts)
        self._check_sizes(pixels)
        mean, std = self._given
        if mean is None or std is None:
            measured = channel_statistics(pixels["training"])
            self._statistics = (tuple(mean or measured[0]), tuple(std or measured[1]))
        splits = []
        for name, part in parts.items():
            same = part.encoded is parts["training"].encoded
            inputs = normalised(pixels.pop(name), *self._statistics)
            splits.append(Split(inputs, part.labels, indices=part.positions if same else None))
        return Splits(*splits)

    def _decoded(self, parts: dict[str, EncodedImages]) -> dict[str, Tensor]:
        """Decode the pixels of each part; warns where only the first frame of files is read."""
        decoder = ImageDecoder(self.image_size, self.value_range)
        pixels = {
            name: decode_all(
                part.encoded, part.positions.tolist(), decoder, f"decoding {name} images"
            )
            for name, part in parts.items()
        }
        if decoder.animated:
            warn_user(
                f"Only the first frame is read of {counted(decoder.animated)} animated files."
            )
        return pixels

    def _dealt(
        self, train: EncodedImages, val: EncodedImages | None, test: EncodedImages | None
    ) -> dict[str, EncodedImages]:
        """Deal out the images to the parts; missing parts are taken out of the training images."""
        fractions = {}
        if val is None:
            fractions["validation"] = self.val_fraction
        if test is None:
            fractions["test"] = self.test_fraction
        generator = torch.Generator().manual_seed(self.split_seed)
        chosen: dict[str, list[Tensor]] = {name: [] for name in (*fractions, "training")}
        for label, name in enumerate(self.classes):
            members = (train.labels == label).nonzero().flatten()
            if len(members) < len(chosen):
                raise ValueError(
                    f"Expected at least {len(chosen)} training images of each class, one for each "
                    f"part that they are split into, got {len(members)} of '{name}'."
                )
            members = members[torch.randperm(len(members), generator=generator)]
            counts = [max(1, int(round(f * len(members), 6))) for f in fractions.values()]
            pieces = members.tensor_split(list(accumulate(counts)))
            for part, piece in zip(chosen.values(), pieces, strict=True):
                part.append(piece)
        taken = {name: train.take(torch.cat(part).sort().values) for name, part in chosen.items()}
        return {
            "training": taken["training"],
            "validation": val or taken["validation"],
            "test": test or taken["test"],
        }

    def _kept_images(self, train: EncodedImages) -> EncodedImages:
        """The training images that ``train_size`` keeps, so that no others are decoded."""
        source = f"the training images of {type(self).__name__}"
        kept = self._kept_positions(train.labels, source)
        return train if kept is None else train.take(kept)

    def _check_sizes(self, pixels: dict[str, Tensor]) -> None:
        sizes = {name: f"{part.shape[3]} x {part.shape[2]}" for name, part in pixels.items()}
        if len(set(sizes.values())) > 1:
            named = ", ".join(f"{size} for {name}" for name, size in sizes.items())
            raise ValueError(
                f"Expected the images of all parts to have one size, got {named}. Give "
                "`image_size` to scale all images."
            )
