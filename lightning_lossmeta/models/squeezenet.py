"""SqueezeNet for small images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.models.initialisation import HeSequential


class Fire(nn.Module):
    """1x1 convolutions to few channels, then 1x1 and 3x3 ones side by side to many.

    The input is added where it has as many channels as the output (simple bypass).

    Args:
        in_channels: How many channels the input has.
        out_channels: Of the output; the squeezed have an eighth of it.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        few, half = out_channels // 8, out_channels // 2
        self.bypass = in_channels == out_channels
        self.squeeze = nn.Sequential(*_convolution(in_channels, few, 1))
        self.expand1x1 = nn.Sequential(*_convolution(few, half, 1))
        self.expand3x3 = nn.Sequential(*_convolution(few, half, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W)."""
        squeezed = self.squeeze(inputs)
        outputs = torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], dim=1)
        return outputs + inputs if self.bypass else outputs


class SqueezeNet(HeSequential):
    """SqueezeNet with simple bypass, a 3x3 stem, 2x2 pooling and batch normalisation.

    The image shrinks 8 times. The average over all positions and a linear layer come last: the same
    function as a 1x1 convolution to one map a class that are averaged.

    Raymond et al. (2024) have this form in their published code. torchvision's, which neither
    normalises nor adds inputs, hardly trains on small images with a short session.

    Args:
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.
        dropout: Probability before the last layer; Iandola et al. have 0.5, Raymond et al. none.

    Raises:
        ValueError: If a number is out of its range.

    Source: Iandola et al. (2016), figure 2 (middle).
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3, dropout: float = 0.0) -> None:
        check_at_least(1, num_classes=num_classes, in_channels=in_channels)
        check_interval("dropout", dropout, 0, 1, "[)")
        super().__init__(
            *_convolution(in_channels, 96, 3),
            nn.MaxPool2d(2),
            Fire(96, 128),
            Fire(128, 128),
            Fire(128, 256),
            nn.MaxPool2d(2),
            Fire(256, 256),
            Fire(256, 384),
            Fire(384, 384),
            Fire(384, 512),
            nn.MaxPool2d(2),
            Fire(512, 512),
            nn.Dropout(dropout),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(512, num_classes),
        )


def _convolution(in_channels: int, out_channels: int, size: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(in_channels, out_channels, size, padding=size // 2, bias=False)
    return convolution, nn.BatchNorm2d(out_channels), nn.ReLU()
