"""The all convolutional network."""

from __future__ import annotations

from torch import nn

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.models.initialisation import HeSequential


class AllCNNC(HeSequential):
    """All-CNN-C: convolutions alone, two of them with stride 2 in place of pooling.

    3x3 convolutions of 96, 96, 96 (stride 2), 192, 192, 192 (stride 2) and 192 channels (unpadded),
    a 1x1 one of 192 channels, ReLU after each. The average over all positions and a linear layer
    follow: the same function as 1x1 convolutions to one map a class that are averaged.

    The paper has a ReLU on the class maps too. It is left out: with it no logit is negative, and a
    few large steps turn all maps to zero for good.

    Args:
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.
        dropout: Probability after each convolution with stride 2.
        input_dropout: Probability on the input.
        batch_norm: Whether to normalise each convolution over the batch. The paper does not; the
            published code of Raymond et al. (2024) does.

    Raises:
        ValueError: If a number is out of its range.

    Source: Springenberg et al. (2015), tables 1 and 2 and section 3.1.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        dropout: float = 0.5,
        input_dropout: float = 0.2,
        batch_norm: bool = False,
    ) -> None:
        check_at_least(1, num_classes=num_classes, in_channels=in_channels)
        check_interval("dropout", dropout, 0, 1, "[)")
        check_interval("input_dropout", input_dropout, 0, 1, "[)")

        def convolution(
            before: int, after: int, size: int = 3, stride: int = 1, padding: int = 1
        ) -> list[nn.Module]:
            layer = nn.Conv2d(before, after, size, stride, padding, bias=not batch_norm)
            return [layer, *([nn.BatchNorm2d(after)] if batch_norm else []), nn.ReLU()]

        super().__init__(
            nn.Dropout(input_dropout),
            *convolution(in_channels, 96),
            *convolution(96, 96),
            *convolution(96, 96, stride=2),
            nn.Dropout(dropout),
            *convolution(96, 192),
            *convolution(192, 192),
            *convolution(192, 192, stride=2),
            nn.Dropout(dropout),
            *convolution(192, 192, padding=0),
            *convolution(192, 192, size=1, padding=0),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(192, num_classes),
        )
