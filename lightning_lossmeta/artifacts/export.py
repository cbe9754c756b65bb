"""A loss in other formats than its own."""

from __future__ import annotations

import os
from pathlib import Path

from lightning_lossmeta.artifacts.export_error import ExportError
from lightning_lossmeta.artifacts.files import write_atomic
from lightning_lossmeta.artifacts.zoo import ReadyLoss

# The ending of a file of each format.
FORMATS = {"python": ".py", "latex": ".tex", "sympy": ".py", "json": ".json", "onnx": ".onnx"}


def export_text(ready: ReadyLoss, format: str, digits: int | None = None) -> str:
    """A loss as text.

    Args:
        ready: The loss to write.
        format: ``"python"``, ``"latex"``, ``"sympy"`` or ``"json"``.
        digits: Significant digits of the coefficients in LaTeX and SymPy; all by default.

    Raises:
        ExportError: If the loss can't be written so, or the format takes no ``digits``.

    >>> from lightning_lossmeta.artifacts.zoo import find_loss
    >>> export_text(find_loss("taylorglo-allcnnc-cifar10"), "latex", digits=3).count("h_{k}")
    4
    """
    if digits is not None and (digits < 1 or format not in ("latex", "sympy")):
        raise ExportError(
            "digits are a positive number, and for latex and sympy: the other formats are exact."
        )
    if format == "python":
        from lightning_lossmeta.artifacts.export_python import to_python

        return to_python(ready)
    if format in ("latex", "sympy"):
        from lightning_lossmeta.artifacts.export_symbolic import to_latex, to_sympy

        return to_latex(ready, digits) if format == "latex" else to_sympy(ready, digits)
    if format != "json":
        raise ExportError(f"there is no text format '{format}' out of {sorted(FORMATS)}.")
    if ready.artifact is None:
        raise ExportError(
            f"'{ready.name}' is not learned, so that there is no artefact of it: use it by "
            f"class_path lightning_lossmeta.losses.{type(ready.loss).__name__}."
        )
    return ready.artifact.to_json()


def export_file(
    ready: ReadyLoss,
    format: str,
    path: str | os.PathLike[str],
    digits: int | None = None,
    num_classes: int = 10,
) -> str:
    """Write a loss to a file, replacing it; makes its folder.

    Args:
        ready: The loss to write.
        format: As in :func:`export_text`, or ``"onnx"``.
        path: The file to write.
        digits: As in :func:`export_text`.
        num_classes: How many classes the example has that an ONNX export traces.

    Returns:
        A sentence on what the file is limited to; empty if it is not.

    Raises:
        ExportError: If the loss can't be written so.
        OSError: If the file can't be written.
    """
    file = Path(path)
    if format != "onnx":
        text = export_text(ready, format, digits)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, text)
        return ""
    if digits is not None:
        raise ExportError("digits are for latex and sympy: the other formats are exact.")
    from lightning_lossmeta.artifacts.export_onnx import to_onnx

    return "" if to_onnx(ready, file, num_classes) else f"It takes {num_classes} classes only."
