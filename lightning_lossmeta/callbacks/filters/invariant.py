"""Reject losses that can't pull an untrained network to its targets."""

from __future__ import annotations

from typing import Literal

from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.progress_dependent import at_progress
from lightning_lossmeta.theory import trainable


class InvariantCheck(MetaCallback):
    """Rejects a candidate without training it if it pushes away from the target at h = 1/n.

    Losses that change in the course of a training are judged in the middle of it.

    Args:
        test: ``"exact"``: the target's probability grows at the null epoch, gamma_T > gamma_N;
            ``"published"``: theorem 3 of Gonzalez & Miikkulainen as printed, for reproduction.
    """

    def __init__(self, test: Literal["exact", "published"] = "exact") -> None:
        if test not in ("exact", "published"):
            raise ValueError(
                f"Expected argument `test` to be 'exact' or 'published', got {test!r}."
            )
        self.test: Literal["exact", "published"] = test
        self._num_classes = 0

    def on_search_start(self, search: Search) -> None:
        """Take over the class count.

        Raises:
            ValueError: If the task is no classification.
        """
        if search.num_classes is None:
            raise ValueError("Expected a classification task for InvariantCheck.")
        self._num_classes = search.num_classes

    def screen(self, candidate: Candidate, loss: LossFunction) -> Evaluation | None:
        """Reject a loss that does not pull an untrained network to the target."""
        with at_progress(loss, 0.5):
            if trainable(loss, self._num_classes, self.test):
                return None
        return Evaluation(
            candidate, status=Status.REJECTED, message=f"{self.test} invariant: not trainable"
        )
