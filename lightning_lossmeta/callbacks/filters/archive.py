"""An archive of losses that were tried, so that equal ones are not tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.losses.base import LossFunction


@dataclass(frozen=True)
class _Entry:
    """What became of a loss in which generation, with its theta as its skeleton arranges it."""

    evaluation: Evaluation
    generation: int
    arranged: tuple[float, ...] = ()


class SymbolicArchive(MetaCallback):
    """Gives a loss that was tried before the outcome it had then, without training it.

    A candidate meets an earlier one

    * if both are the same function by
      :meth:`LossFamily.key <lightning_lossmeta.families.LossFamily.key>`: equal expressions,
      weights included; in other families, equal ``theta``;
    * or, where a local search changes weights, if both have one
      :meth:`~lightning_lossmeta.families.LossFamily.skeleton`, the earlier one has been through the
      local search and the new one has not: it is where the local search began, and takes over the
      weights at which it ended. Expressions have one skeleton if their trees are equal up to the
      order of operands of ``add``, ``mul``, ``min`` and ``max``.

    Scored losses come back as ``cached`` with their fitness, rejected and diverged ones as what
    they were; failures are tried again. The elite of a searcher is thus scored once, not in every
    generation. Two equal candidates of one generation are both tried.

    The archive holds the searcher's history, so that a resumed search has the same one. Give it
    before other filters, which then see new losses alone.

    Attributes:
        counts: How many candidates of this run got which status.

    Source: Raymond et al. (2024), section 3.5.1, where losses are equal if their trees are.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._family: LossFamily | None = None
        self._refines = False
        self._by_key: dict[str, _Entry] = {}
        self._by_skeleton: dict[str, _Entry] = {}

    def on_search_start(self, search: Search) -> None:
        """Begin with the searcher's history."""
        self.counts.clear()
        self._family = search.family
        self._refines = search.searcher.accepts_refined
        self._by_key, self._by_skeleton = {}, {}
        for generation, evaluations in enumerate(search.searcher.history):
            self._keep(search.family, generation, evaluations)

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Keep a generation as the searcher's history has it."""
        self._keep(search.family, generation, search.searcher.history[generation])

    def screen(self, candidate: Candidate, loss: LossFunction) -> Evaluation | None:
        """Return the outcome of an equal loss; ``None`` if none was tried."""
        if self._family is None:
            return None
        same, entry = candidate, self._by_key.get(self._family.key(candidate))
        skeleton = self._family.skeleton(candidate) if entry is None else None
        if skeleton is not None and skeleton.untouched:
            entry = self._by_skeleton.get(skeleton.key)
            if entry is not None:
                same = Candidate(candidate.structure, skeleton.restore(entry.arranged))
        if entry is None:
            return None
        outcome = entry.evaluation
        status = Status.CACHED if outcome.trained else outcome.status
        self.counts[status.value] += 1
        message = f"symbolic archive: equal to a loss of generation {entry.generation}"
        return replace(outcome, candidate=same, status=status, message=message)

    def _keep(self, family: LossFamily, generation: int, evaluations: Sequence[Evaluation]) -> None:
        """Add evaluations to the archive; of equal losses the first stays."""
        for item in evaluations:
            if item.status is Status.FAILED:
                continue
            entry = _Entry(item, generation)
            self._by_key.setdefault(family.key(item.candidate), entry)
            skeleton = family.skeleton(item.candidate) if self._refines else None
            if skeleton is not None and not skeleton.untouched:
                arranged = skeleton.arrange(item.candidate.theta)
                self._by_skeleton.setdefault(skeleton.key, replace(entry, arranged=arranged))
