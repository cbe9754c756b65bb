"""ResNet-18 for small images."""

from __future__ import annotations

import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.models.initialisation import draw_he_normal


class ResNet18(torchvision.models.ResNet):  # type: ignore[misc]  # torchvision has no types
    """torchvision's ResNet-18 with a 3x3 convolution for its stem and no pooling there.

    So it is usual on CIFAR: the image shrinks 8 times and what is left is averaged.

    Args:
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.

    Raises:
        ValueError: If a number is out of its range.

    Source: He et al. (2016), Deep residual learning for image recognition.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3) -> None:
        check_at_least(1, num_classes=num_classes, in_channels=in_channels)
        super().__init__(BasicBlock, [2, 2, 2, 2], num_classes)
        self.conv1 = nn.Conv2d(in_channels, 64, 3, padding=1, bias=False)
        self.maxpool = nn.Identity()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights as torchvision does: see :func:`draw_he_normal`."""
        draw_he_normal(self, "fan_out")
