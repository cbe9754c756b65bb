"""He's initial weights for networks with many convolutions."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import nn

FanMode = Literal["fan_in", "fan_out"]


def draw_he_normal(network: nn.Module, mode: FanMode) -> None:
    r"""Draw every weight of a network anew, those of convolutions as He et al. do.

    .. math:: w \sim N(0, 2 / (k_h k_w c)), \quad b = 0

    where :math:`c` counts input channels (``"fan_in"``) or output channels (``"fan_out"``). Every
    other layer is drawn by its own ``reset_parameters``.

    Args:
        network: Its own ``reset_parameters``, if it has one, is not called.
        mode: Whether c counts input or output channels.

    Source: He et al. (2015), Delving deep into rectifiers, equations 10 and 14.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif layer is not network:
            reset = getattr(layer, "reset_parameters", None)
            if callable(reset):
                reset()


class HeSequential(nn.Sequential):
    """Layers in a row whose convolutions start, and start again, with He's weights.

    PyTorch's own weights are too small for many layers without normalisation. A task that draws new
    weights calls ``reset_parameters`` of layers first and of the network last: this one stays.

    Args:
        *layers: The layers in their order.
    """

    fan: ClassVar[FanMode] = "fan_in"

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights: see :func:`draw_he_normal`."""
        draw_he_normal(self, self.fan)
