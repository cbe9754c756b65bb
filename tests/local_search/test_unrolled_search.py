import math

import pytest
import torch
from unrolled_toys import make_episode

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.families import ExpressionFamily, TaylorFamily
from lightning_lossmeta.families.base import LossFamily, UnusableLossError
from lightning_lossmeta.local_search.search import LocalSearch
from lightning_lossmeta.losses import CrossEntropy, RegressionSquaredError

FAMILY = TaylorFamily()
START = Candidate(None, (0.1, -0.2, 0.3, -1.0, 0.2, 2.0, 0.1, -0.3))
EPISODE, _ = make_episode()


def _search(meta_loss, candidate=START, family=FAMILY, noise=0.0, task_loss=None, meta_lr=0.1):
    return LocalSearch(candidate, family, meta_lr, noise, 7, task_loss, meta_loss)


def _bowl(episode, loss, theta, task_loss):
    """Least at the seed of the episode."""
    return (theta - episode.seed).square().sum()


def _at(seed):
    return type(EPISODE)(EPISODE.network, EPISODE.rules, EPISODE.batches, seed)


def test_adam_on_the_mean_slope_of_all_tasks():
    search = _search(_bowl)
    theta = torch.tensor(START.theta, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([theta], lr=0.1)
    values = []
    for _ in range(5):
        search.step([_at(1), _at(4)])
        adam.zero_grad()
        mean = ((theta - 1).square().sum() + (theta - 4).square().sum()) / 2
        mean.backward()
        values.append(mean.item())
        adam.step()
    assert search.refined().theta == pytest.approx(theta.tolist(), rel=1e-12)
    assert search.curve == tuple(enumerate(pytest.approx(v, rel=1e-12) for v in values))
    assert search.seconds > 0


def test_converges():
    search = _search(_bowl)
    for _ in range(400):
        search.step([_at(2)])
    assert search.refined().theta == pytest.approx((2.0,) * 8, abs=1e-3)
    assert search.refined().structure is None


def test_structure_stays():
    family = ExpressionFamily()
    search = _search(_bowl, Candidate("square(sub(f, y))", (1.0, 1.0, 1.0)), family)
    search.step([_at(5)])
    found = search.refined()
    assert found.structure == "square(sub(f, y))"
    assert found.theta == pytest.approx((1.1,) * 3, abs=1e-6)
    family.build(found)


def test_noise_breaks_ties_the_same_for_all():
    candidate = Candidate("mul(f, add(y, y))", (1.0,) * 4)
    found = [_search(_bowl, candidate, ExpressionFamily(), 1e-3).refined().theta for _ in range(2)]
    assert found[0] == found[1]
    assert len(set(found[0])) == 4
    assert found[0] == pytest.approx((1.0,) * 4, abs=5e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_diverged(bad):
    def sometimes(episode, loss, theta, task_loss):
        return theta.sum() * (bad if episode.seed else 1.0)

    search = _search(sometimes)
    for seed in (0, 0, 1, 0):
        search.step([_at(seed)])
    assert search.verdict.status is Status.DIVERGED
    assert search.verdict.candidate == START
    assert search.verdict.message.endswith("not finite at step 2")
    assert len(search.curve) == 3
    with pytest.raises(ValueError, match="Expected a search that went well, got: local search"):
        search.refined()


def test_a_slope_that_is_not_finite():
    search = _search(lambda e, loss, theta, t: (theta - theta.detach()).abs().sqrt().sum())
    search.step([_at(0)])
    assert search.verdict.status is Status.DIVERGED


def test_what_raises_is_failed():
    def broken(episode, loss, theta, task_loss):
        raise RuntimeError("no such kernel")

    search = _search(broken)
    search.step([_at(0)])
    assert search.verdict.status is Status.FAILED
    assert search.verdict.message == "RuntimeError: no such kernel"


def test_what_can_not_be_built_is_failed():
    search = _search(_bowl, Candidate(None, (1.0,)))
    search.step([_at(0)])
    assert search.verdict.status is Status.FAILED
    assert "8 entries" in search.verdict.message
    assert search.curve == ()


class _Odd(LossFamily):
    name = "odd"
    space = None

    def __init__(self, make):
        self.make = make

    def build(self, candidate):
        return self.make()

    def read(self, loss):
        return START

    def formula(self, candidate):
        return ""

    def settings(self):
        return {}


def test_losses_without_theta_are_failed():
    search = _search(_bowl, family=_Odd(CrossEntropy))
    assert search.verdict.status is Status.FAILED
    assert search.verdict.message == (
        "TypeError: Expected a loss with a buffer `theta` to refine, got CrossEntropy."
    )


def test_what_is_no_loss_is_rejected():
    def refuse():
        raise UnusableLossError("constant")

    assert _search(_bowl, family=_Odd(refuse)).verdict.status is Status.REJECTED


@pytest.mark.parametrize(
    ("task", "given", "expected"),
    [
        ("classification", None, CrossEntropy),
        ("regression", None, RegressionSquaredError),
        ("classification", RegressionSquaredError(), RegressionSquaredError),
    ],
)
def test_the_task_loss(task, given, expected):
    seen = []

    def spy(episode, loss, theta, task_loss):
        seen.append(type(task_loss))
        return theta.sum()

    candidate = Candidate("square(sub(f, y))", (1.0, 1.0, 1.0))
    _search(spy, candidate, ExpressionFamily(task), task_loss=given).step([_at(0)])
    assert seen == [expected]


def test_each_draws_the_same_in_an_episode():
    def drawn(episode, loss, theta, task_loss):
        return theta.sum() * torch.rand(())

    searches = [_search(drawn) for _ in range(2)]
    for search in searches:
        search.step([_at(3)])
    assert searches[0].curve == searches[1].curve
