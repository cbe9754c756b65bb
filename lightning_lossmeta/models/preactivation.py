"""Residual blocks that normalise and activate before they convolve."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn


class PreActivationBlock(nn.Module):
    r"""A residual block with pre-activation.

    .. math:: a = \mathrm{ReLU}(\mathrm{BN}(x)), \quad y = s + F(a)

    The shortcut :math:`s` is the input where the shape stays, else a 1x1 convolution of :math:`a`.

    Args:
        residual: The layers F beside the shortcut.
        in_channels: How many channels the input has.
        out_channels: How many channels the output of F has.
        stride: The stride of F.

    Source: He et al. (2016), Identity mappings in deep residual networks.
    """

    def __init__(
        self, residual: nn.Module, in_channels: int, out_channels: int, stride: int
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.activation = nn.Sequential(*activation(in_channels))
        self.residual = residual
        same = stride == 1 and in_channels == out_channels
        self.shortcut = (
            None if same else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        activated = self.activation(inputs)
        shortcut = inputs if self.shortcut is None else self.shortcut(activated)
        return shortcut + self.residual(activated)  # type: ignore[no-any-return]


def basic_block(
    in_channels: int, width: int, stride: int, dropout: float = 0.0
) -> PreActivationBlock:
    """Make a block of two 3x3 convolutions, with dropout between them."""
    layers = [
        conv3x3(in_channels, width, stride),
        *activation(width),
        *([nn.Dropout(dropout)] if dropout else []),
        conv3x3(width, width),
    ]
    return PreActivationBlock(nn.Sequential(*layers), in_channels, width, stride)


def bottleneck_block(in_channels: int, width: int, stride: int) -> PreActivationBlock:
    """Make a block of 1x1, 3x3 and 1x1 convolutions, the last to four times the width."""
    layers = [
        nn.Conv2d(in_channels, width, 1, stride, bias=False),
        *activation(width),
        conv3x3(width, width),
        *activation(width),
        nn.Conv2d(width, 4 * width, 1, bias=False),
    ]
    return PreActivationBlock(nn.Sequential(*layers), in_channels, 4 * width, stride)


def residual_layers(
    block: Callable[[int, int, int], PreActivationBlock],
    widths: Sequence[int],
    blocks: int,
    num_classes: int,
    in_channels: int,
) -> list[nn.Module]:
    """A whole network of the CIFAR form: a stem of 16 channels, stages of blocks, linear output.

    Args:
        block: Makes a block of given input channels, width and stride.
        widths: Of the stages; each but the first halves the image.
        blocks: How many blocks each stage has.
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.
    """
    layers: list[nn.Module] = [conv3x3(in_channels, 16)]
    channels = 16
    for stage, width in enumerate(widths):
        for index in range(blocks):
            made = block(channels, width, 2 if stage > 0 and index == 0 else 1)
            layers.append(made)
            channels = made.out_channels
    return [*layers, *activation(channels), *linear_output(channels, num_classes)]


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Make a padded 3x3 convolution without bias."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)


def activation(channels: int) -> tuple[nn.Module, nn.Module]:
    """Make a batch normalisation that is followed by ReLU."""
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)


def linear_output(channels: int, num_classes: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Make the last layers: the average over all positions, and one linear layer."""
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)


def blocks_of_a_stage(depth: int, each: int, rest: int) -> int:
    """How many blocks each stage has, n, if the network has ``each * n + rest`` layers.

    Raises:
        ValueError: If there is no such n of at least 1.

    >>> blocks_of_a_stage(20, 6, 2)
    3
    """
    blocks, left = divmod(depth - rest, each)
    if left or blocks < 1:
        raise ValueError(
            f"Expected argument `depth` to be {each}n + {rest} with n at least 1, e.g. "
            f"{3 * each + rest}, got {depth}."
        )
    return blocks
