import math

import pytest
from engines import TaskByTask
from inner_fits import CANDIDATES, FAMILY, make_task

from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.task import Task


class _ByTask(TaskByTask):
    """Gives what it was told for each task."""

    def __init__(self, **outcomes):
        self.outcomes = outcomes

    def _evaluate_task(self, candidates, family, task):
        fitness, status = self.outcomes[task.name]
        return [
            Evaluation(
                candidate,
                (fitness + index,) if status is Status.OK else (),
                status,
                metrics={"score": fitness},
                curves={"score": ((1, fitness),)},
                seconds=2.0,
                message="" if status is Status.OK else "reason",
            )
            for index, candidate in enumerate(candidates)
        ]


def _tasks(*names):
    plain = make_task()
    return [Task(plain.module, plain.data, plain.session, name=name) for name in names]


def test_mean_over_tasks():
    evaluator = _ByTask(a=(1.0, Status.OK), b=(2.0, Status.OK))
    found = evaluator.evaluate(CANDIDATES, FAMILY, _tasks("a", "b"))
    assert [item.fitness for item in found] == [1.5, 2.5, 3.5]
    assert [item.candidate for item in found] == CANDIDATES
    assert found[0].metrics == {"a/score": 1.0, "b/score": 2.0}
    assert found[0].curves == {"a/score": ((1, 1.0),), "b/score": ((1, 2.0),)}
    assert found[0].seconds == 4.0
    assert found[0].status is Status.OK


@pytest.mark.parametrize("status", [Status.DIVERGED, Status.FAILED])
def test_what_fails_on_one_task_has_no_fitness(status):
    evaluator = _ByTask(a=(1.0, Status.OK), b=(2.0, status))
    for item in evaluator.evaluate(CANDIDATES, FAMILY, _tasks("a", "b")):
        assert item.fitness == -math.inf
        assert item.status is status
        assert item.message == "b: reason"


def test_one_task_is_left_as_it_is():
    (found,) = _ByTask(a=(1.0, Status.OK)).evaluate(CANDIDATES[:1], FAMILY, _tasks("a"))
    assert found.metrics == {"score": 1.0}


def test_tasks_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"of different names, got \['a', 'a'\]"):
        _ByTask(a=(1.0, Status.OK)).evaluate(CANDIDATES, FAMILY, _tasks("a", "a"))


def test_without_state_by_default():
    evaluator = _ByTask()
    assert evaluator.state_dict() == {}
    evaluator.load_state_dict({})
    evaluator.close()
