"""One generation of a search: filters, local search, filters again, training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator, ProgressFn, no_progress
from lightning_lossmeta.families import LossFamily
from lightning_lossmeta.local_search import Refiner, RefinerJob, refine_with
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.search.allocation import Allocation
from lightning_lossmeta.search.spending import spend
from lightning_lossmeta.training.session import guarded

#: How a callback judges: its ``screen`` or its ``screen_refined``.
Judge = Callable[[MetaCallback], Callable[[Candidate, LossFunction], Evaluation | None]]

_FIRST: Judge = attrgetter("screen")
_AGAIN: Judge = attrgetter("screen_refined")


@dataclass(frozen=True)
class Engines:
    """The parts that do the work of a search.

    Args:
        evaluator: Trains with candidates and scores what comes out.
        allocation: Says which trainings a generation is spent on.
        refiner: Improves candidates before they are trained; ``None`` leaves them as they are.
        callbacks: Judge candidates without training them, and take note of what happens.
    """

    evaluator: Evaluator
    allocation: Allocation
    refiner: Refiner | None = None
    callbacks: Sequence[MetaCallback] = ()


def score_generation(
    search: Search, generation: int, engines: Engines, on_progress: ProgressFn = no_progress
) -> list[Evaluation]:
    """Score the candidates that the searcher asks for.

    Each candidate is judged by the callbacks' ``screen``; what passes is refined, where there is a
    refiner, and judged by ``screen_refined``; what passes again is trained.

    Args:
        search: The search; its searcher's ``ask`` is called here, its ``tell`` is not.
        generation: The generation's number, from which the tasks' seeds derive.
        engines: The parts that judge, refine and train.
        on_progress: Called with a stage, how much of it is done, and of how much.

    Returns:
        One evaluation a candidate, in order.
    """
    candidates = search.searcher.ask()
    judged = [_screened(_FIRST, c, search.family, engines.callbacks) for c in candidates]
    _refine(search, generation, engines, judged, on_progress)
    for place in _pending(judged):
        item = judged[place]
        again = _screened(_AGAIN, item.candidate, search.family, engines.callbacks)
        judged[place] = _after(item, again)
    places = _pending(judged)
    scored = spend(
        engines.allocation,
        [judged[place].candidate for place in places],
        search.family,
        search.tasks,
        lambda task, seed: training_seed(search, generation, task, seed),
        engines.evaluator,
        on_progress,
    )
    for place, item in zip(places, scored, strict=True):
        judged[place] = _after(judged[place], item)
    return judged


def training_seed(search: Search, generation: int, task: int, seed: int) -> int:
    """The seed of a generation's trainings on a task.

    Args:
        search: The search, from whose seed it derives.
        generation: The generation's number.
        task: Position of the task among all tasks.
        seed: Position of the seed among those of the task, from 0.
    """
    if seed == 0:
        return derived_seed(search.seed, Purpose.GENERATION, generation, task)
    return derived_seed(search.seed, Purpose.FURTHER_SEEDS, generation, task, seed)


def _refine(
    search: Search,
    generation: int,
    engines: Engines,
    judged: list[Evaluation],
    on_progress: ProgressFn,
) -> None:
    """Have the refiner improve the candidates that are still pending, in place."""
    places = _pending(judged)
    if engines.refiner is None or not places:
        return
    tasks = tuple(
        replace(task, seed=training_seed(search, generation, number, 0))
        for number, task in enumerate(search.tasks)
    )
    jobs = [RefinerJob(judged[place].candidate, tasks) for place in places]
    refined = refine_with(engines.refiner, engines.evaluator, jobs, search.family, on_progress)
    for position, item in refined:
        judged[places[position]] = item


def _pending(judged: Sequence[Evaluation]) -> list[int]:
    return [place for place, item in enumerate(judged) if item.status is Status.PENDING]


def _screened(
    judge: Judge, candidate: Candidate, family: LossFamily, callbacks: Sequence[MetaCallback]
) -> Evaluation:
    """The first verdict of a callback, or a failure if the loss can't even be built."""

    def verdict() -> Evaluation:
        loss = family.build(candidate)
        for callback in callbacks:
            if (judgement := judge(callback)(candidate, loss)) is not None:
                return replace(judgement, filter=type(callback).__name__)
        return Evaluation(candidate)

    return guarded(candidate, verdict)


def _after(before: Evaluation, item: Evaluation) -> Evaluation:
    """An evaluation with the curves and seconds of the local search before it."""
    return replace(
        item,
        curves={**before.curves, **item.curves},
        seconds=before.seconds + item.seconds,
    )
