"""Carry an allocation out: train what it asks for and average each candidate's results."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
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
        One evaluation a candidate, in order. Those that were given up are ``stopped``; their
        objectives are corrected for the trainings that they did not have.

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
    earned = [_together(number, results, tasks) for number in range(len(candidates))]
    others = set(range(len(candidates))) - set(given_up)
    finished = {number for number in others if earned[number].status is Status.OK}
    return [
        _stopped(item, number, results, finished) if number in given_up else item
        for number, item in enumerate(earned)
    ]


def _together(
    candidate: int, results: dict[Trial, Evaluation], tasks: Sequence[Task]
) -> Evaluation:
    own = sorted(trial for trial in results if trial.candidate == candidate)
    if not own:
        raise ValueError(
            f"Expected the allocation to train each candidate, got none for number {candidate}."
        )
    names = [tasks[trial.task].name for trial in own]
    return mean_evaluation([results[trial] for trial in own], names)


def _stopped(
    item: Evaluation, candidate: int, results: dict[Trial, Evaluation], finished: Set[int]
) -> Evaluation:
    """The evaluation of one that was given up, as if it had had the seeds of those that were not.

    Its seeds may have been kinder than the later ones: what those that finished earned on all
    trainings, less what they earned on its own, is added to its objectives.
    """
    if item.status is not Status.OK:
        return item
    own = {trial[1:] for trial in results if trial.candidate == candidate}
    gains = []
    for other in finished:
        trials = [trial for trial in results if trial.candidate == other]
        shared = [trial for trial in trials if trial[1:] in own]
        if shared:
            pairs = zip(_mean(results, trials), _mean(results, shared), strict=True)
            gains.append([everywhere - there for everywhere, there in pairs])
    if not gains:
        return replace(item, status=Status.STOPPED)
    shift = [sum(column) / len(gains) for column in zip(*gains, strict=True)]
    objectives = tuple(a + b for a, b in zip(item.objectives, shift, strict=True))
    return replace(item, objectives=objectives, status=Status.STOPPED)


def _mean(results: dict[Trial, Evaluation], trials: Sequence[Trial]) -> list[float]:
    columns = zip(*(results[trial].objectives for trial in trials), strict=True)
    return [sum(column) / len(trials) for column in columns]
