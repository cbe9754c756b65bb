"""VGG for small images."""

from __future__ import annotations

from torch import nn
from torchvision.models.vgg import cfgs

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.models.initialisation import HeSequential

#: Channels of the 3x3 convolutions, "M" for 2x2 max pooling.
PLANS: dict[int, list[int | str]] = {11: cfgs["A"], 13: cfgs["B"], 16: cfgs["D"], 19: cfgs["E"]}


class VGG(HeSequential):
    """VGG with one linear layer on 512 features, as is usual on CIFAR.

    28x28 and 32x32 images end at 1x1; what is left of larger ones is averaged. Convolutions
    that are normalised have no bias, which the normalisation would take out again.

    Args:
        depth: 11, 13, 16 or 19: layers with weights as Simonyan & Zisserman count them, three of
            them linear.
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.
        batch_norm: Whether to normalise each convolution over the batch.

    Raises:
        ValueError: If there is no such depth, or a number is out of its range.

    Source: Simonyan & Zisserman (2015), table 1.
    """

    def __init__(
        self,
        depth: int = 16,
        num_classes: int = 10,
        in_channels: int = 3,
        batch_norm: bool = True,
    ) -> None:
        if depth not in PLANS:
            raise ValueError(f"Expected argument `depth` to be one of {list(PLANS)}, got {depth}.")
        check_at_least(1, num_classes=num_classes, in_channels=in_channels)
        layers: list[nn.Module] = []
        channels = in_channels
        for width in PLANS[depth]:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                continue
            layers.append(nn.Conv2d(channels, width, 3, padding=1, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU())
            channels = width
        pooling = nn.AdaptiveAvgPool2d(1)
        super().__init__(*layers, pooling, nn.Flatten(), nn.Linear(channels, num_classes))
