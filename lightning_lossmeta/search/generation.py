"""One generation of a search: filters, local search, filters again, training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator, refined_and_scored
from lightning_lossmeta.families import LossFamily
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.search.preflight import check_loss
from lightning_lossmeta.training.session import guarded

#: How a callback judges: its ``screen`` or its ``screen_refined``.
Judge = Callable[[MetaCallback], Callable[[Candidate, LossFunction], Evaluation | None]]


_FIRST: Judge = attrgetter("screen")
_AGAIN: Judge = attrgetter("screen_refined")


def score_generation(
    search: Search, generation: int, evaluator: Evaluator, callbacks: Sequence[MetaCallback]
) -> list[Evaluation]:
    """Score what the searcher asks for.

    Each candidate is judged by the callbacks' ``screen``; what passes is refined, where the
    evaluator does so, and judged by ``screen_refined``; what passes again is trained.

    Args:
        search: Under way; its searcher is asked, not told.
        generation: Its number; the tasks' seeds derive from it.
        evaluator: Refines and trains.
        callbacks: Judge.

    Returns:
        One evaluation a candidate, in order.
    """
    candidates = search.searcher.ask()
    found = [_screened(_FIRST, c, search.family, callbacks) for c in candidates]
    places = _passed(found)
    if generation == 0 and places:
        for task in search.tasks:
            check_loss(search.family.build(candidates[places[0]]), task, search.family.name)
    tasks = [
        replace(task, seed=derived_seed(search.seed, Purpose.GENERATION, generation, number))
        for number, task in enumerate(search.tasks)
    ]
    refined = evaluator.refine([candidates[place] for place in places], search.family, tasks)
    for place, item in zip(places, refined, strict=True):
        found[place] = item
        if item.status is Status.OK:
            again = _screened(_AGAIN, item.candidate, search.family, callbacks)
            found[place] = refined_and_scored(item, again)
    places = _passed(found)
    passed = [found[place].candidate for place in places]
    scored = evaluator.plain.evaluate(passed, search.family, tasks)
    for place, item in zip(places, scored, strict=True):
        found[place] = refined_and_scored(found[place], item)
    return found


def _passed(found: Sequence[Evaluation]) -> list[int]:
    return [place for place, item in enumerate(found) if item.status is Status.OK]


def _screened(
    judge: Judge, candidate: Candidate, family: LossFamily, callbacks: Sequence[MetaCallback]
) -> Evaluation:
    """The first verdict of a callback, or a failure if the loss can't even be built."""

    def verdict() -> Evaluation:
        loss = family.build(candidate)
        for callback in callbacks:
            if (found := judge(callback)(candidate, loss)) is not None:
                return replace(found, filter=type(callback).__name__)
        return Evaluation(candidate)

    return guarded(candidate, verdict)
