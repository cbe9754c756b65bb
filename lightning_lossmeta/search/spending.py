"""Carry an allocation out: train what it asks for and average each candidate's results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status, mean_evaluation
from lightning_lossmeta.evaluators.base import Evaluator, Job, ProgressFn
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.search.allocation import Allocation, Trial
from lightning_lossmeta.task import Task


def spend(
    allocation: Allocation,
    candidates: Sequence[Candidate],
    family: LossFamily,
    tasks: Sequence[Task],
    seeded: Callable[[int, int], int],
    evaluator: Evaluator,
    on_progress: ProgressFn,
) -> list[Evaluation]:
    """Train candidates as an allocation says.

    Args:
        allocation: Asks for trials until it has enough.
        candidates: The candidates to spend trainings on; may be none.
        family: Builds their losses.
        tasks: The tasks that they are tried on.
        seeded: Gives a training's seed by the position of its task and of its seed.
        evaluator: Does the trainings.
        on_progress: Called with how many trainings are done, of those asked for by now.

    Returns:
        One evaluation a candidate, in order.

    Raises:
        ValueError: If the allocation leaves a candidate without a trial.
    """
    if not candidates:
        return []
    known_tasks: dict[tuple[int, int], Task] = {}
    results: dict[Trial, Evaluation] = {}
    plan = allocation.plan(len(candidates), len(tasks))
    asked = 0
    try:
        trials = next(plan)
        while True:
            jobs = []
            for trial in trials:
                place = (trial.task, trial.seed)
                # One object for equal tasks: evaluators do together what belongs together.
                if place not in known_tasks:
                    known_tasks[place] = replace(tasks[trial.task], seed=seeded(*place))
                jobs.append(Job(candidates[trial.candidate], known_tasks[place]))
            asked += len(trials)
            for position, result in evaluator.run(jobs, family):
                results[trials[position]] = result
                on_progress("training", len(results), asked)
            trials = plan.send(results)
    except StopIteration as end:
        given_up = end.value or frozenset()
    return [
        _together(candidate, results, tasks, candidate in given_up)
        for candidate in range(len(candidates))
    ]


def _together(
    candidate: int, results: dict[Trial, Evaluation], tasks: Sequence[Task], given_up: bool
) -> Evaluation:
    own = sorted(trial for trial in results if trial.candidate == candidate)
    if not own:
        raise ValueError(
            f"Expected the allocation to train each candidate, got none for number {candidate}."
        )
    names = [tasks[trial.task].name for trial in own]
    mean = mean_evaluation([results[trial] for trial in own], names)
    if given_up and mean.status is Status.OK:
        return replace(mean, status=Status.STOPPED)
    return mean
