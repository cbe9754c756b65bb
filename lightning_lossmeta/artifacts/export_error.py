"""What is raised where a loss can't be exported."""

from __future__ import annotations

from torch import nn

from lightning_lossmeta.losses.progress_dependent import depends_on_progress


class ExportError(ValueError):
    """A loss can't be written in the format asked for; says why, and which can."""


def check_exportable(name: str, loss: nn.Module) -> None:
    """Refuse what a file of another format can't hold.

    Raises:
        ExportError: If a loss changes in the course of a training.
    """
    if depends_on_progress(loss):
        raise ExportError(
            f"'{name}' depends on the training's progress t, which a file can't know: use "
            "load_loss and set_progress."
        )
