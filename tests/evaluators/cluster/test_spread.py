"""Local searches in workers that are lost, and in what order they come back."""

import pytest
from cluster_toys import SigningRefiner
from process_toys import tiny_task

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import TrainerEvaluator
from lightning_lossmeta.evaluators.pool import Lost, WorkerPool
from lightning_lossmeta.local_search import RefinerJob, refine_with


class LosingPool(WorkerPool):
    """Does the last first, and loses the first."""

    stack = 2

    def map(self, function, arguments, shared):
        self.sizes = [len(argument.jobs) for argument in arguments]
        self.shared = shared
        for place in reversed(range(1, len(arguments))):
            yield place, function(arguments[place])
        yield 0, Lost("no worker lived")


class Losing(TrainerEvaluator):
    pool = LosingPool()


@pytest.fixture
def jobs():
    tasks = (tiny_task(),), (tiny_task(seed=9),)
    return [RefinerJob(Candidate(None, (float(n),)), tasks[n % 2]) for n in range(6)]


def test_what_is_lost_is_failed_and_no_more(jobs):
    found = dict(refine_with(SigningRefiner(), Losing(), jobs, None))
    assert [found[place].status for place in (0, 2)] == [Status.FAILED] * 2  # of one task, a share
    assert found[0].message == "no worker lived"
    assert [found[place].candidate.theta for place in (1, 3, 4, 5)] == [(2,), (4,), (5,), (6,)]


def test_only_what_shares_its_tasks_is_searched_together(jobs):
    list(refine_with(SigningRefiner(), Losing(), jobs, None))
    assert Losing.pool.sizes == [2, 1, 2, 1]
    datasets = {id(job.tasks[0].data) for job in jobs}
    assert datasets <= {id(item) for item in Losing.pool.shared}
