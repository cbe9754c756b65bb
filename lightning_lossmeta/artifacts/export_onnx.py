"""Losses as ONNX graphs."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from pathlib import Path

import torch

from lightning_lossmeta.artifacts.export_forms import ExportError
from lightning_lossmeta.artifacts.zoo import ReadyLoss


def to_onnx(ready: ReadyLoss, path: str | os.PathLike[str], num_classes: int = 10) -> bool:
    """Write a loss as an ONNX graph of float32 logits (batch, classes) and int64 target (batch,).

    Args:
        ready: Any classification loss.
        path: Where to.
        num_classes: Of the example that is traced.

    Returns:
        Whether the graph takes any number of classes; a few losses are traced for one.

    Raises:
        ExportError: If torch's exporter or its package ``onnxscript`` is missing or can't do it.
    """
    example = (torch.randn(3, num_classes), torch.arange(3) % num_classes)
    batch, classes = torch.export.Dim.DYNAMIC, torch.export.Dim.AUTO
    try:
        with _quiet():
            program = torch.onnx.export(
                ready.loss.eval(),
                example,
                dynamo=True,
                input_names=["logits", "target"],
                output_names=["loss"],
                dynamic_shapes=({0: batch, 1: classes}, {0: batch}),
                verbose=False,
            )
    except ModuleNotFoundError as error:
        raise ExportError(
            f"ONNX export needs the package '{error.name}': pip install onnx onnxscript."
        ) from None
    except Exception as error:  # torch's exporter raises many kinds, for a loss it can't trace
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ExportError(f"torch can't write '{ready.name}' as ONNX: {reason}") from error
    if program is None:
        raise ExportError("torch's exporter gave no program.")
    for node in program.model.graph:
        node.metadata_props.clear()  # stack traces, with the paths of this machine
    program.model.metadata_props["formula"] = ready.formula
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    program.save(str(path))
    return not isinstance(program.model.graph.inputs[0].shape[1], int)


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]  # noqa: ANN202
    """The exporter's notes, which are about itself, are kept from the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
