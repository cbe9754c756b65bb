"""ResNets with pre-activation for small images."""

from __future__ import annotations

from typing import ClassVar

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.models.initialisation import FanMode, HeSequential
from lightning_lossmeta.models.preactivation import (
    basic_block,
    blocks_of_a_stage,
    bottleneck_block,
    residual_layers,
)


class PreActResNet(HeSequential):
    """Pre-activation ResNet of the CIFAR form: three stages with widths of 16, 32 and 64.

    Blocks have two 3x3 convolutions, which makes 6n + 2 layers (20, 56, 110), or are bottlenecks of
    1x1, 3x3 and 1x1 convolutions to four times the width, which makes 9n + 2 (164, 1001).

    PreResNet-20 of Gonzalez & Miikkulainen is ``PreActResNet(20)``. Raymond et al. name a
    "Preactivation ResNet-101", which has this form as ``PreActResNet(101, bottleneck=True)``: it
    trains faster than ResNet-18 in their table 5, which the 101 layers for ImageNet could not.
    Their published code has basic blocks and a depth of 110 by default: ``PreActResNet(110)``.

    Args:
        depth: Layers with weights, shortcuts not counted.
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.
        bottleneck: Whether blocks are bottlenecks.

    Raises:
        ValueError: If the depth has not the form above, or a number is out of its range.

    Source: He et al. (2016), Identity mappings in deep residual networks.
    """

    fan: ClassVar[FanMode] = "fan_out"

    def __init__(
        self,
        depth: int = 20,
        num_classes: int = 10,
        in_channels: int = 3,
        bottleneck: bool = False,
    ) -> None:
        check_at_least(1, depth=depth, num_classes=num_classes, in_channels=in_channels)
        blocks = blocks_of_a_stage(depth, 9 if bottleneck else 6, 2)
        block = bottleneck_block if bottleneck else basic_block
        super().__init__(*residual_layers(block, (16, 32, 64), blocks, num_classes, in_channels))
