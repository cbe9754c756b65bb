"""Small comparisons, and an evaluator that counts what it trains."""

from strangers import BlobsData
from torch import nn

from lightning_lossmeta.evaluators import TrainerEvaluator
from lightning_lossmeta.losses import CrossEntropy, MeanAbsoluteError, MeanSquaredError
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Session, Task

LOSSES = {"CE": CrossEntropy(), "MAE": MeanAbsoluteError(), "MSE": MeanSquaredError()}


def make_task(name="blobs", seed=3, **session):
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    given = {"steps": 10, "accelerator": "cpu"} | session
    return Task(SupervisedModule(network), BlobsData(), Session(**given), seed=seed, name=name)


class Counting(TrainerEvaluator):
    """Remembers every job; stops after ``limit``, as an interrupt would."""

    def __init__(self, limit=None):
        self.limit = limit
        self.jobs = []

    def _run(self, jobs, family):
        for item in super()._run(jobs, family):
            if self.limit is not None and len(self.jobs) == self.limit:
                raise KeyboardInterrupt
            self.jobs.append(jobs[item[0]])
            yield item
