"""Losses as ONNX graphs."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from lightning_lossmeta.artifacts.export_error import ExportError, check_exportable
from lightning_lossmeta.artifacts.export_notation import notation
from lightning_lossmeta.artifacts.zoo import ReadyLoss


def to_onnx(ready: ReadyLoss, path: str | os.PathLike[str], num_classes: int = 10) -> bool:
    """Write a loss as an ONNX graph of float32 outputs (batch, n) and a target.

    The target of classes is int64 (batch,); that of other links is float32 (batch, n).

    Args:
        ready: Any loss.
        path: The file to write.
        num_classes: n, how many classes the example has that is traced.

    Returns:
        Whether the graph takes any number of classes; losses with a function of n in their formula
        are traced for ``num_classes`` alone.

    Raises:
        ExportError: If torch's exporter can't do it, the loss depends on the training's progress,
            or the packages it needs are missing.
    """
    check_exportable(ready.name, ready.loss)
    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise ExportError(
                f"ONNX export needs '{package}': pip install 'lightning-lossmeta[onnx]'."
            )
    with _quiet():
        program, any_count = _traced(ready, num_classes, True), True
        if program is None:
            program, any_count = _traced(ready, num_classes, False), False
    if program is None:
        raise ExportError(f"torch's exporter can't write '{ready.name}' as ONNX.")
    for node in program.model.graph:
        node.metadata_props.clear()  # stack traces, with the paths of this machine
    program.model.metadata_props["formula"] = ready.formula
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    program.save(str(path))
    return any_count


def _traced(ready: ReadyLoss, num_classes: int, any_count: bool) -> Any:
    """The exporter's program, or ``None`` where the loss can't be traced so."""
    link = ready.loss.link
    output, target = link.example(3, num_classes, torch.Generator().manual_seed(0))
    example = (output.float(), target.float() if target.is_floating_point() else target)
    free = torch.export.Dim.DYNAMIC
    sizes = {0: free, 1: free} if any_count else {0: free}
    shapes = (sizes, {0: free} if target.ndim == 1 else sizes)
    try:
        return torch.onnx.export(
            ready.loss.eval(),
            example,
            dynamo=True,
            input_names=[notation(link).output, "target"],
            output_names=["loss"],
            dynamic_shapes=shapes,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError:
        return None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes, which are about itself, from the terminal."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
