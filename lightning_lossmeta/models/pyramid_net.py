"""Deep pyramidal residual networks."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import pad

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.models.initialisation import FanMode, HeSequential
from lightning_lossmeta.models.preactivation import (
    activation,
    blocks_of_a_stage,
    conv3x3,
    linear_output,
)


class PyramidBlock(nn.Module):
    """A residual block that starts with normalisation alone and ends with it.

    The shortcut has no weights: it is averaged over 2x2 where the image is halved, and new channels
    are zero.

    Args:
        in_channels: How many channels the input has.
        out_channels: How many channels the output has, no fewer than the input.
        stride: 1 or 2.

    Source: Han et al. (2017), figure 6d.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.added = out_channels - in_channels
        self.residual = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            conv3x3(in_channels, out_channels, stride),
            *activation(out_channels),
            conv3x3(out_channels, out_channels),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Identity() if stride == 1 else nn.AvgPool2d(2, ceil_mode=True)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        shortcut = pad(self.shortcut(inputs), (0, 0, 0, 0, 0, self.added))
        return shortcut + self.residual(inputs)  # type: ignore[no-any-return]


class PyramidNet(HeSequential):
    r"""Additive PyramidNet: channels grow a little with every block in place of doubling.

    .. math:: D_k = 16 + \alpha k / N, \quad k = 1 \ldots N

    rounded as in the authors' code, for the :math:`N` blocks of all three stages.

    Args:
        depth: 6n + 2.
        alpha: How many channels are added in all; the default pair of depth and alpha is the
            smallest of Han et al. and the one in the published code of Raymond et al. (2024).
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.

    Raises:
        ValueError: If the depth has not the form above, or a number is out of its range.

    Source: Han et al. (2017), Deep pyramidal residual networks, equation 2.
    """

    fan: ClassVar[FanMode] = "fan_out"

    def __init__(
        self,
        depth: int = 110,
        alpha: float = 48,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        check_at_least(1, depth=depth, num_classes=num_classes, in_channels=in_channels)
        check_interval("alpha", alpha, 0, math.inf)
        blocks = blocks_of_a_stage(depth, 6, 2)
        widths = [round(16 + alpha * k / (3 * blocks)) for k in range(3 * blocks + 1)]
        layers: list[nn.Module] = [conv3x3(in_channels, 16), nn.BatchNorm2d(16)]
        for index in range(3 * blocks):
            stride = 2 if index in (blocks, 2 * blocks) else 1
            layers.append(PyramidBlock(widths[index], widths[index + 1], stride))
        last = widths[-1]
        super().__init__(*layers, *activation(last), *linear_output(last, num_classes))
