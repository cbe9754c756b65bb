"""Wide residual networks."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.models.initialisation import FanMode, HeSequential
from lightning_lossmeta.models.preactivation import (
    basic_block,
    blocks_of_a_stage,
    residual_layers,
)


class WideResNet(HeSequential):
    """WRN-depth-width: a pre-activation ResNet with ``width`` times the channels in its stages.

    Args:
        depth: 6n + 4, a shortcut that convolves being counted in each stage.
        width: k; stages have 16k, 32k and 64k channels.
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.
        dropout: Probability between the convolutions of each block.

    Raises:
        ValueError: If the depth has not the form above, or a number is out of its range.

    Source: Zagoruyko & Komodakis (2016), table 1.
    """

    fan: ClassVar[FanMode] = "fan_out"

    def __init__(
        self,
        depth: int = 28,
        width: int = 10,
        num_classes: int = 10,
        in_channels: int = 3,
        dropout: float = 0.0,
    ) -> None:
        check_at_least(
            1, depth=depth, width=width, num_classes=num_classes, in_channels=in_channels
        )
        check_interval("dropout", dropout, 0, 1, "[)")
        blocks = blocks_of_a_stage(depth, 6, 4)
        widths = (16 * width, 32 * width, 64 * width)
        block = partial(basic_block, dropout=dropout)
        super().__init__(*residual_layers(block, widths, blocks, num_classes, in_channels))
