"""Networks as losses, and Taylor losses for regression, under the local search."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from engines import RefineThenScore, TaskByTask
from torch.optim import SGD
from unrolled_toys import make_episode, theta_of

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data import DiabetesDataModule, DigitsDataModule
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import NetworkFamily, TaylorFamily
from lightning_lossmeta.local_search import GradientRefiner
from lightning_lossmeta.local_search.episodes import Episodes
from lightning_lossmeta.local_search.unrolled import meta_gradient, meta_loss
from lightning_lossmeta.losses import CrossEntropy, RegressionSquaredError
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.searchers import GradientSearcher
from lightning_lossmeta.task import Session, Task

FAMILIES = [
    NetworkFamily([4, 3]),
    NetworkFamily([4, 3], "regression"),
    TaylorFamily(problem="regression"),
]


class _Unscored(TaskByTask):
    """Trains nothing."""

    def _evaluate_task(self, candidates, family, task):
        return [Evaluation.scored(candidate, 0.0) for candidate in candidates]


@pytest.mark.parametrize("optimizer", ["plain", "nesterov", "adam"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family.name} {family.problem}")
def test_meta_gradient_against_finite_differences(family, optimizer):
    generator = torch.Generator().manual_seed(2)
    drawn = torch.randn(family.space.dimension, generator=generator, dtype=torch.float64)
    loss = family.build(Candidate(None, tuple((0.8 * drawn).tolist())))
    kind = "regression" if family.problem == "regression" else "taylor"
    episode, task_loss = make_episode(kind, optimizer)
    theta = theta_of(loss)
    found = meta_gradient(meta_loss(episode, loss, theta, task_loss), theta)
    expected = torch.empty_like(found)
    for index in range(len(theta)):
        away = torch.zeros_like(found)
        away[index] = 1e-6
        ahead, behind = (meta_loss(episode, loss, theta + s * away, task_loss) for s in (1, -1))
        expected[index] = (ahead - behind).detach() / 2e-6
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    assert found.abs().max() > 1e-4


def _task(kind):
    session = {"steps": 5, "validations": 1, "accelerator": "cpu"}
    if kind == "regression":
        module = SupervisedModule(MLP(10, [8], 1), optimizer=partial(SGD, lr=0.1))
        return Task(module, DiabetesDataModule(batch_size=64), Session(**session), seed=1)
    module = SupervisedModule(MLP(64, [16], 10), optimizer=partial(SGD, lr=2.0))
    return Task(module, DigitsDataModule(batch_size=100), Session(**session), seed=1)


def _mean_meta_loss(candidate, task, family, task_loss, count=20):
    """On episodes that no local search of the test has seen."""
    episodes = Episodes(replace(task, seed=12345), 1, None)
    loss = family.build(candidate)
    values = [
        meta_loss(episodes.next(number), loss, loss.theta, task_loss).item()
        for number in range(count)
    ]
    return sum(values) / count


@pytest.mark.parametrize(
    ("kind", "task_loss", "share"),
    [("regression", RegressionSquaredError(), 0.9), ("classification", CrossEntropy(), 0.95)],
)
def test_stretch_by_stretch_the_meta_loss_falls(kind, task_loss, share):
    task, family = _task(kind), NetworkFamily([20, 20], kind)
    refiner = GradientRefiner(meta_steps=40, meta_lr=0.01, noise=0.0)
    evaluator = RefineThenScore(refiner, _Unscored())
    searcher = GradientSearcher()
    searcher.start(family.space, 0)
    start = searcher.ask()[0]
    values = [_mean_meta_loss(start, task, family, task_loss)]
    for _ in range(3):
        asked = searcher.ask()
        found = evaluator.evaluate(asked, family, [task])
        assert found[0].status is Status.OK
        searcher.tell(found)
        assert searcher.ask() == [found[0].candidate] != asked
        values.append(_mean_meta_loss(searcher.ask()[0], task, family, task_loss))
    assert values[3] < values[1] < values[0]
    assert values[3] < share * values[0], values
