"""What is raised where a loss can't be exported."""

from __future__ import annotations

from torch import nn

from lightning_lossmeta.losses.timed import has_time


class ExportError(ValueError):
    """A loss can't be written in the format asked for; says why, and which can."""


def refuse_timed(name: str, loss: nn.Module) -> None:
    """Refuse a loss that changes in the course of a training.

    Raises:
        ExportError: If it does.
    """
    if has_time(loss):
        raise ExportError(
            f"'{name}' depends on the training's progress t, which a file can't know: use "
            "load_loss and set_time."
        )
