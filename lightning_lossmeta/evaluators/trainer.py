"""One Lightning fit a candidate."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence

import pytorch_lightning as pl

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator, Job
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.recorder import all_finite
from lightning_lossmeta.training.session import guarded, run_session


class TrainerEvaluator(Evaluator):
    """Fits candidate after candidate in this process; works with any LightningModule."""

    def _run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        task, fresh = None, None
        for place, job in enumerate(jobs):
            if fresh is None or job.task is not task:
                task, fresh = job.task, job.task.fresh_module()
            yield place, fit_candidate(job.candidate, family, job.task, fresh)


def fit_candidate(
    candidate: Candidate, family: LossFamily, task: Task, fresh: pl.LightningModule
) -> Evaluation:
    """Train a copy of a fresh module with a candidate's loss and score it.

    Whatever goes wrong within is the candidate's: it comes back failed, with the reason.
    """

    def score() -> Evaluation:
        started = time.perf_counter()
        module = copy.deepcopy(fresh)
        module.loss_fn = family.build(candidate)
        recorder = run_session(module, task)
        seconds = time.perf_counter() - started
        return recorder.evaluation(candidate, 0, task.session, seconds, all_finite(module))

    return guarded(candidate, score)
