"""Which labels of the training data are probably wrong, from how the samples are learned."""

from __future__ import annotations

import copy
import csv
import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.callbacks.attraction import predict_as_evaluated
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.modules.indexed_batches import IndexTraining
from lightning_lossmeta.theory import attraction

COLUMNS = ("rank", "index", "label", "suggested", "margin", "confidence", "attraction", "visits")


class SuspiciousLabels(IndexTraining):
    """Ranks the training samples by how badly their labels fit, and writes them to a CSV file.

    Before each step the module (in evaluation mode) predicts the batch that it is about to learn,
    so that no figure is of a prediction that the step itself made. Of each sample, over all visits
    after the first ``skip_epochs`` epochs, the file has

    - ``margin``: the mean of z_label - max_{k != label} z_k, the area under the margin, by which
      the rows are ranked, the most suspicious first;
    - ``confidence``: the mean probability of the label;
    - ``attraction``: the mean :func:`~lightning_lossmeta.theory.attraction` under the module's
      loss, empty if that is none of this package's;
    - ``suggested``: the class with the highest mean probability.

    ``index`` is the sample's number in the data set of the training loader. Stop the training
    before it learns wrong labels by heart: they are told by what is learned late. Needs a data
    module, one device, class indices as targets, and outputs that are logits ``(B, n)``.

    Args:
        path: The CSV file, written when a fit ends, also by Ctrl-C.
        skip_epochs: How many epochs at the start do not count.

    Raises:
        ValueError: If ``skip_epochs`` is negative, or ``path`` does not end in .csv.

    Source: Pleiss et al. (2020), Identifying mislabeled data using the area under the margin
    ranking.
    """

    def __init__(self, path: str, skip_epochs: int = 0) -> None:
        super().__init__()
        check_at_least(0, skip_epochs=skip_epochs)
        if Path(path).suffix != ".csv":
            raise ValueError(f"Expected argument `path` to end in .csv, got '{path}'.")
        self.path = path
        self.skip_epochs = skip_epochs
        self._sums: Tensor | None = None  # (N, 4): visits, margin, confidence, attraction
        self._probabilities = torch.empty(0)  # (N, n), summed over visits
        self._labels = torch.empty(0)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin anew."""
        self._sums = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Predict the batch that comes.

        Raises:
            ValueError: If its targets are no class indices, or outputs no logits of classes.
        """
        batches = self.batches
        if batches is None:
            return
        index = batches.indices.popleft().cpu()
        if trainer.current_epoch < self.skip_epochs:
            return
        inputs, target = batch
        logits = predict_as_evaluated(pl_module, inputs).double().cpu()
        target = target.cpu()
        if target.ndim != 1 or target.is_floating_point() or logits.ndim != 2:
            raise ValueError(
                "Expected class indices (batch,) and logits (batch, classes) for SuspiciousLabels, "
                f"got targets {tuple(target.shape)} of {target.dtype} and outputs "
                f"{tuple(logits.shape)}."
            )
        if self._sums is None:
            self._sums = torch.zeros(batches.num_samples, 4, dtype=torch.float64)
            self._probabilities = torch.zeros(
                batches.num_samples, logits.shape[1], dtype=torch.float64
            )
            self._labels = torch.zeros(batches.num_samples, dtype=torch.long)
        self._sums.index_add_(0, index, _figures(pl_module, logits, target))
        self._probabilities.index_add_(0, index, logits.softmax(dim=1))
        self._labels[index] = target

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write the file, and give the data module its own loader back."""
        super().teardown(trainer, pl_module, stage)
        self._write(trainer)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Write what is known so far."""
        super().on_exception(trainer, pl_module, exception)
        self._write(trainer)

    def rows(self) -> list[tuple[int, int, int, int, float, float, float, int]]:
        """The rows of the file, the most suspicious label first.

        Raises:
            RuntimeError: If no training was seen.
        """
        if self._sums is None:
            raise RuntimeError("Expected a training with this callback before its rows are read.")
        visits = self._sums[:, 0]
        seen = visits.nonzero().squeeze(1)
        means = self._sums[seen, 1:] / visits[seen, None]
        order = means[:, 0].argsort(stable=True)
        suggested = self._probabilities.argmax(dim=1)
        return [
            (
                rank,
                int(seen[place]),
                int(self._labels[seen[place]]),
                int(suggested[seen[place]]),
                *means[place].tolist(),
                int(visits[seen[place]]),
            )
            for rank, place in enumerate(order.tolist(), start=1)
        ]

    def _write(self, trainer: pl.Trainer) -> None:
        if self._sums is None or not trainer.is_global_zero:
            return
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(
            ["" if isinstance(value, float) and value != value else value for value in row]
            for row in self.rows()
        )
        path = Path(self.path).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.getvalue())


def _figures(module: pl.LightningModule, logits: Tensor, target: Tensor) -> Tensor:
    """Of each sample 1 (a visit), margin, confidence and attraction, ``(B, 4)``."""
    own = logits.gather(1, target.unsqueeze(1)).squeeze(1)
    rival = logits.scatter(1, target.unsqueeze(1), -torch.inf).amax(dim=1)
    confidence = logits.softmax(dim=1).gather(1, target.unsqueeze(1)).squeeze(1)
    loss = getattr(module, "loss_fn", None)
    if isinstance(loss, LossFunction) and loss.link.simplex:
        pull = attraction(copy.deepcopy(loss).cpu(), logits, target)
    else:
        pull = torch.full_like(own, torch.nan)
    return torch.stack([torch.ones_like(own), own - rival, confidence, pull], dim=1)
