"""Local searches in the workers of an evaluator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator, ProgressFn, no_progress
from lightning_lossmeta.evaluators.pool import Lost
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.local_search.base import Refiner, RefinerJob


@dataclass(frozen=True)
class RefinerShare:
    """Local searches that one worker does.

    Args:
        refiner: What improves the candidates.
        jobs: The candidates, each with its tasks.
        family: Builds the losses.
    """

    refiner: Refiner
    jobs: tuple[RefinerJob, ...]
    family: LossFamily


def refine_with(
    refiner: Refiner,
    evaluator: Evaluator,
    jobs: Sequence[RefinerJob],
    family: LossFamily,
    on_progress: ProgressFn = no_progress,
) -> Iterator[tuple[int, Evaluation]]:
    """Improve candidates where an evaluator's workers are; here if it has none for that.

    Candidates that share their tasks are searched from together, as many at once as a stack of the
    evaluator has; never more or fewer because of how many workers there are.

    Args:
        refiner: What improves the candidates.
        evaluator: Its :attr:`~lightning_lossmeta.evaluators.Evaluator.pool` does the work.
        jobs: The candidates, each with its tasks.
        family: Builds the losses.
        on_progress: Called with a stage, what is done, and of how much.

    Yields:
        As :meth:`~lightning_lossmeta.local_search.Refiner.refine`.

    Raises:
        ValueError: If the refiner does not support one of the tasks.
        MachineError: If the machine or the data failed, not a candidate.
    """
    pool = evaluator.pool
    if pool is None:
        yield from refiner.refine(jobs, family, on_progress)
        return
    tasks = list({id(task): task for job in jobs for task in job.tasks}.values())
    if reason := refiner.unsupported(family, tasks):
        raise ValueError(f"{type(refiner).__name__} can't be used here: {reason}")
    divided = _divided(jobs, pool.stack)
    shares = [RefinerShare(refiner, tuple(jobs[i] for i in part), family) for part in divided]
    shared = [family, *(part for task in tasks for part in (task.module, task.data))]
    unique = list({id(item): item for item in shared}.values())
    done = 0
    for number, outcome in pool.map(search_share, shares, unique):
        places = divided[number]
        done += len(places)
        on_progress("local search", done, len(jobs))
        if isinstance(outcome, Lost):
            outcome = [_failed(jobs[place], outcome) for place in places]
        yield from zip(places, outcome, strict=True)


def search_share(share: RefinerShare) -> list[Evaluation]:
    """Do a share's local searches, in a worker.

    Returns:
        What each job's candidate became, in order.
    """
    refined = dict(share.refiner.refine(share.jobs, share.family))
    return [refined[place] for place in range(len(share.jobs))]


def _divided(jobs: Sequence[RefinerJob], stack: int) -> list[list[int]]:
    """The places of jobs that are searched from together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, job in enumerate(jobs):
        groups.setdefault(tuple(map(id, job.tasks)), []).append(place)
    return [part[i : i + stack] for part in groups.values() for i in range(0, len(part), stack)]


def _failed(job: RefinerJob, lost: Lost) -> Evaluation:
    return Evaluation(job.candidate, status=Status.FAILED, message=lost.message)
