"""What a comparison wants to know of a fit beside its score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from lightning_lossmeta.modules import PopulationModule

#: Names of what is logged.
VALIDATION = "validation_accuracy"
VALIDATION_ERROR = "validation_squared_error"
CLEAN = "train_clean_accuracy"
FLIPPED = "train_flipped_accuracy"
CALIBRATION = "calibration_error"
BATCH = 2000


class ComparisonScores(pl.Callback):
    """Logs, at each validation, figures that tell how a loss did.

    - ``validation_accuracy``, or for regression ``validation_squared_error``: on the validation
      split, whatever split scores the fit;
    - ``calibration_error``: on the split that scores the fit, the expected calibration error over
      15 bins of the largest softmax probability (Guo et al. 2017);
    - ``train_clean_accuracy``: on the training samples whose label noise left alone;
    - ``train_flipped_accuracy``: how many of the flipped training labels the network repeats, that
      is, has learned by heart.

    The last two need a data module whose ``splits.train`` knows its labels before noise; all but
    the first are for classifiers. Modules and batches of other forms than ``forward(inputs) ->
    (B, n)`` and pairs are left alone.
    """

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the network, or each network of a population."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        original = getattr(data, "original", data)
        found = _outputs(pl_module, original.val_dataloader())
        if found is None:
            return
        logits, target = found
        if target.is_floating_point():
            error = (logits - target).square().mean(dim=(1, 2))
            _log(pl_module, VALIDATION_ERROR, error)
            return
        _log(pl_module, VALIDATION, _agreement(logits, target))
        scored = _outputs(pl_module, data.val_dataloader())
        if scored is not None:
            _log(pl_module, CALIBRATION, _calibration_errors(*scored))
        train: Any = getattr(getattr(original, "splits", None), "train", None)
        if train is None or getattr(train, "clean", None) is None:
            return
        found = _outputs(pl_module, _batches(train.inputs, train.targets))
        if found is not None:
            logits, target = found
            flipped = train.flipped.to(target.device)
            for name, chosen in ((CLEAN, ~flipped), (FLIPPED, flipped)):
                if bool(chosen.any()):
                    _log(pl_module, name, _agreement(logits[:, chosen], target[chosen]))


def _batches(inputs: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    starts = range(0, len(target), BATCH)
    return ((inputs[start : start + BATCH], target[start : start + BATCH]) for start in starts)


@torch.no_grad()
def _outputs(module: pl.LightningModule, batches: Iterable[Any]) -> tuple[Tensor, Tensor] | None:
    """Outputs (C, N, n) of one or C networks, targets (N,) or (N, n); ``None`` for other forms."""
    outputs, targets = [], []
    for batch in batches:
        pair = isinstance(batch, (tuple, list)) and len(batch) == 2
        if not pair or not all(isinstance(item, Tensor) for item in batch):
            return None
        inputs, target = (item.to(module.device) for item in batch)
        if type(module).forward is pl.LightningModule.forward:
            return None
        output = module(inputs)
        if not isinstance(output, Tensor):
            return None
        output = output if isinstance(module, PopulationModule) else output.unsqueeze(0)
        numbers = target.is_floating_point() and target.shape == output.shape[1:]
        if output.dim() != 3 or not (numbers or _class_indices(output, target)):
            return None
        outputs.append(output.float())
        targets.append(target)
    return (torch.cat(outputs, dim=1), torch.cat(targets)) if outputs else None


def _class_indices(output: Tensor, target: Tensor) -> bool:
    return output.shape[-1] > 1 and target.dim() == 1 and not target.is_floating_point()


def _agreement(logits: Tensor, target: Tensor) -> Tensor:
    """Share of samples, (C,), whose largest output is the target's."""
    return (logits.argmax(dim=-1) == target).float().mean(dim=-1)


def _calibration_errors(logits: Tensor, target: Tensor) -> Tensor:
    """(C,); NaN where outputs are not finite."""
    errors = [
        multiclass_calibration_error(own.softmax(dim=-1), target, logits.shape[-1])
        if bool(own.isfinite().all())
        else torch.full((), torch.nan, device=logits.device)
        for own in logits
    ]
    return torch.stack(errors)


def _log(module: pl.LightningModule, name: str, values: Tensor) -> None:
    if isinstance(module, PopulationModule):
        module.add_scores(name, values, 1)
    else:
        module.log(name, values[0])
