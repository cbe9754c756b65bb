"""Take losses for one whose gradients are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.callbacks.filters.rejection import artificial_predictions
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.progress_dependent import at_progress, depends_on_progress

#: The progress at which losses that change in the course of a training are compared.
MOMENTS = (0.0, 0.5, 1.0)


class GradientEquivalence(MetaCallback):
    """Gives a loss the fitness of an earlier one that has the same gradients.

    Two losses are the same if, for every one of B fixed predictions p_b, the norms ::

        || dL(p_b, y_b) / dp_b ||_2

    round to one number of ``digits`` significant digits. Predictions are those of
    :class:`~lightning_lossmeta.callbacks.RejectionFilter`. Norms that are not finite are equal to
    none.

    With several tasks, predictions have as many classes as the first one's. Norms do not tell a
    loss from its negative: give a filter before this one that rejects losses which lead away from
    the target, e.g. ``RejectionFilter``. Where there is a local search, candidates are compared
    after it, and keep the weights that came of it.

    What was scored is known from the searcher's history, so that a resumed search goes on as if it
    had not stopped.

    Args:
        digits: To how many significant digits norms are rounded.
        samples: Predictions, B.

    Attributes:
        counts: How many candidates of this run were ``passed`` and ``cached``.

    Raises:
        ValueError: If an argument is below 1.

    Source: Raymond et al. (2024), section 3.5.3, equation 12.
    """

    def __init__(self, digits: int = 2, samples: int = 100) -> None:
        check_at_least(1, digits=digits, samples=samples)
        self.digits = digits
        self.samples = samples
        self.counts: Counter[str] = Counter()
        self._num_classes: int | None = None
        self._seed = 0
        self._scored: dict[tuple[str, ...], tuple[Evaluation, int]] = {}

    def on_search_start(self, search: Search) -> None:
        """Begin with the searcher's history."""
        self.counts.clear()
        self._num_classes = search.num_classes
        self._seed = derived_seed(search.seed, Purpose.PREDICTIONS)
        self._scored = {}
        for generation, evaluations in enumerate(search.searcher.history):
            self._keep(search, generation, evaluations)

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Keep what was scored, as the searcher's history has it."""
        self._keep(search, generation, search.searcher.history[generation])

    def screen_refined(self, candidate: Candidate, loss: LossFunction) -> Evaluation | None:
        """Return the fitness of an earlier loss with the same gradients; ``None`` if there is none.

        Raises:
            ValueError: If the loss is one of classification and there is no class count.
        """
        signature = self._signature(loss)
        if signature not in self._scored:
            self.counts["passed"] += 1
            return None
        self.counts["cached"] += 1
        scored, generation = self._scored[signature]
        message = f"gradient equivalence: as a loss of generation {generation}"
        return replace(scored, candidate=candidate, status=Status.CACHED, message=message)

    def _keep(self, search: Search, generation: int, evaluations: Sequence[Evaluation]) -> None:
        """Add evaluations to what is compared with; of equal losses the first stays."""
        for item in evaluations:
            # What was cached has the gradients of one that is here, or is equal to it.
            if item.status is Status.OK:
                signature = self._signature(search.family.build(item.candidate))
                if "nan" not in signature and "inf" not in signature:
                    self._scored.setdefault(signature, (item, generation))

    def _signature(self, loss: LossFunction) -> tuple[str, ...]:
        pair = artificial_predictions(loss, self.samples, self._num_classes, self._seed)
        norms: list[float] = []
        for progress in MOMENTS if depends_on_progress(loss) else MOMENTS[:1]:
            with at_progress(loss, progress):
                norms += gradient_norms(loss, *pair).tolist()
        return tuple(f"{norm:.{self.digits - 1}e}" for norm in norms)


def gradient_norms(loss: LossFunction, output: Tensor, target: Tensor) -> Tensor:
    """How steep a loss is at each prediction.

    Args:
        loss: A loss of any kind.
        output: Predictions ``(B, ...)``.
        target: As the loss has it.

    Returns:
        The norms of dL_b/dp_b ``(B,)``; zero where the loss does not depend on them.

    >>> from lightning_lossmeta.losses import RegressionSquaredError
    >>> gradient_norms(RegressionSquaredError(), torch.tensor([1.0, -3.0]), torch.zeros(2))
    tensor([2., 6.])
    """
    with torch.inference_mode(False), torch.enable_grad():
        point = output.detach().clone().requires_grad_()
        value = loss.per_sample(point, target.clone()).sum()
        if not value.requires_grad:  # a constant
            return torch.zeros(len(point), dtype=point.dtype)
        (gradient,) = torch.autograd.grad(value, point, allow_unused=True, materialize_grads=True)
    norms: Tensor = torch.linalg.vector_norm(gradient.reshape(len(point), -1), dim=1)
    return norms
