"""What one worker of a cluster is given at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator, Job
from lightning_lossmeta.evaluators.population.evaluator import PopulationEvaluator
from lightning_lossmeta.evaluators.population.stacks import group
from lightning_lossmeta.evaluators.trainer import TrainerEvaluator
from lightning_lossmeta.families.base import LossFamily


@dataclass(frozen=True)
class Share:
    """Jobs that one worker does.

    Args:
        jobs: The trainings, as many as a stack has at the most.
        family: Builds the losses.
        stacked: Whether they are trained in one stack.
    """

    jobs: tuple[Job, ...]
    family: LossFamily
    stacked: bool


def divide(
    jobs: Sequence[Job], family: LossFamily, stack: int, stacker: PopulationEvaluator
) -> list[tuple[list[int], bool]]:
    """Divide jobs into shares, by the jobs alone: never by how many workers there are.

    Args:
        jobs: The trainings.
        family: Builds the losses.
        stack: How many candidates are in a stack at the most; 1 for none.
        stacker: Knows which tasks can be stacked.

    Returns:
        The places of each share's jobs, and whether they are stacked.
    """
    if stack == 1:
        return [([place], False) for place in range(len(jobs))]
    tasks = {id(job.task): job.task for job in jobs}
    fits = {key: stacker.unsupported(family, [task]) is None for key, task in tasks.items()}
    places = [place for place, job in enumerate(jobs) if fits[id(job.task)]]
    groups = [[places[i] for i in part] for part in group([jobs[place] for place in places])]
    shares = [(part[i : i + stack], True) for part in groups for i in range(0, len(part), stack)]
    alone = [([place], False) for place, job in enumerate(jobs) if not fits[id(job.task)]]
    return shares + alone


def train(share: Share) -> list[Evaluation]:
    """Train a share's jobs, in a worker.

    Returns:
        One evaluation a job, in order.
    """
    evaluator: Evaluator = TrainerEvaluator()
    if share.stacked:
        evaluator = PopulationEvaluator(max_candidates=len(share.jobs))
    # Not by way of `run`, which would try the stack once more before each share.
    results = dict(evaluator._run(share.jobs, share.family))
    return [results[place] for place in range(len(share.jobs))]
