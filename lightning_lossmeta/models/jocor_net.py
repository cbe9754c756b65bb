"""The medium-sized CNN on which Gao et al. compare with JoCoR."""

from __future__ import annotations

from torch import nn

from lightning_lossmeta._validation import check_at_least


class JoCoRNet(nn.Sequential):
    """Six 3x3 convolutions with 64, 64, 128, 128, 196 and 196 channels, each normalised.

    2x2 max pooling follows the second and the fourth, an average over all positions (8x8 of a 32x32
    image) the sixth. Convolutions have no bias, which the normalisation would take out again.
    JoCoR's own code ends otherwise: with 16 channels, max pooling and 256 features.

    Args:
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.

    Raises:
        ValueError: If a number is out of its range.

    Source: Gao et al. (2021), table 6, after Wei et al. (2020).
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3) -> None:
        check_at_least(1, num_classes=num_classes, in_channels=in_channels)
        super().__init__(
            *_convolution(in_channels, 64),
            *_convolution(64, 64),
            nn.MaxPool2d(2),
            *_convolution(64, 128),
            *_convolution(128, 128),
            nn.MaxPool2d(2),
            *_convolution(128, 196),
            *_convolution(196, 196),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(196, num_classes),
        )


def _convolution(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(out_channels), nn.ReLU()
