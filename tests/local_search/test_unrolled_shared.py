import pytest
import torch
from torch import nn
from unrolled_toys import make_episode, make_network

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.families import ExpressionFamily, TaylorFamily
from lightning_lossmeta.families.expression.loss import ExpressionLoss
from lightning_lossmeta.local_search.higher_backend import meta_loss_by_higher
from lightning_lossmeta.local_search.search import LocalSearch
from lightning_lossmeta.local_search.shared import step_together
from lightning_lossmeta.local_search.unrolled import Episode, meta_loss
from lightning_lossmeta.losses import CrossEntropy

TREES = ExpressionFamily()
TREE = Candidate("square(sub(f, y))", (1.0, 1.1, 0.9))
OTHERS = [
    Candidate("mul(f, y)", (-1.0, 2.0)),
    Candidate("square(sub(f, y))", (0.5, 1.0, 1.0)),
    Candidate("tanh(sub(f, y))", (1.0, 2.0, 1.0)),
]


def _searches(candidates=(TREE, *OTHERS), family=TREES, back_end=meta_loss, task_loss=None):
    return [LocalSearch(c, family, 0.01, 0.0, 7, task_loss, back_end) for c in candidates]


def _one_step(network=None):
    return make_episode("taylor", "nesterov", 1, network)[0]


@pytest.fixture
def alone(monkeypatch):
    """Searches that went through an episode by themselves."""
    found, go_through = [], LocalSearch.go_through

    def spy(search, episode):
        if search.verdict is None:
            found.append(search)
        go_through(search, episode)

    monkeypatch.setattr(LocalSearch, "go_through", spy)
    return found


def _assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert [v for _, v in one.curve] == pytest.approx([v for _, v in other.curve], rel=1e-10)
        assert one.refined().theta == pytest.approx(other.refined().theta, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(
    ("family", "candidates"),
    [
        (TREES, (TREE, *OTHERS)),
        (TREES, (TREE,)),
        (TaylorFamily(), [Candidate(None, (0.1 * i,) * 7 + (1.0,)) for i in range(3)]),
    ],
)
def test_the_same_as_one_by_one(family, candidates, alone):
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Linear(3, 20), nn.Tanh(), nn.Dropout(0.3), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 3)
    )
    episodes = [_one_step(), _one_step(network.double())]
    together, one_by_one = (_searches(candidates, family) for _ in range(2))
    for _ in range(4):
        step_together(together, episodes)
    assert alone == []
    for search in one_by_one:
        for _ in range(4):
            search.step(episodes)
    _assert_same(together, one_by_one)
    assert together[0].refined() != candidates[0]
    assert all(search.seconds > 0 for search in together)


@pytest.mark.parametrize(
    ("network", "back_end"),
    [
        (lambda: make_network(nn.BatchNorm1d(4), nn.Tanh()), meta_loss),
        (
            lambda: nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 1, 1), nn.Flatten()),
            meta_loss,
        ),
        (make_network, meta_loss_by_higher),
    ],
)
def test_other_networks_and_back_ends_go_alone(network, back_end, alone):
    searches = _searches(back_end=back_end)
    step_together(searches, [_one_step(network().double())])
    assert alone == searches
    assert all(search.verdict is None for search in searches)


def test_one_task_of_two_is_shared(alone):
    searches = _searches()
    several, _ = make_episode("taylor", "plain", 2)
    step_together(searches, [_one_step(), several])
    assert alone == searches
    expected = _searches()
    for search in expected:
        search.step([_one_step(), several])
    _assert_same(searches, expected)


class _Loss(ExpressionLoss):
    def __init__(self, candidate, trouble):
        super().__init__(candidate.structure, candidate.theta)
        self.trouble = trouble

    def per_sample(self, output, target):
        return self.trouble(super().per_sample(output, target), self.theta)


class _Troubled(ExpressionFamily):
    """Losses of the structure of ``TREE`` do something else."""

    def __init__(self, trouble):
        super().__init__()
        self.trouble = trouble

    def build(self, candidate):
        if candidate.structure == TREE.structure:
            return _Loss(candidate, self.trouble)
        return super().build(candidate)


def _by_number(values, theta):
    return values * (2.0 if theta[0].item() > 0.7 else 3.0)  # refused by vmap


def _constant(values, theta):
    return theta.sum() + torch.zeros_like(values)


def _broken(values, theta):
    raise RuntimeError("no such kernel")


def _flat(values, theta):
    return values.sign() + theta.sum()


@pytest.mark.parametrize("trouble", [_by_number, _constant, _flat])
def test_odd_losses_are_refined_as_one_by_one(trouble):
    family = _Troubled(trouble)
    found, expected = _searches(family=family), _searches(family=family)
    for _ in range(3):
        step_together(found, [_one_step()])
    for search in expected:
        for _ in range(3):
            search.step([_one_step()])
    _assert_same(found, expected)


def test_what_raises_costs_only_itself():
    found, good = _searches(family=_Troubled(_broken)), _searches()
    for searches in (found, good):
        for _ in range(2):
            step_together(searches, [_one_step()])
    assert [search.verdict is None for search in found] == [False, True, False, True]
    assert found[0].verdict.status is Status.FAILED
    assert found[0].verdict.message == "RuntimeError: no such kernel"
    _assert_same([found[1], found[3]], [good[1], good[3]])


def test_what_diverges_costs_only_itself():
    explosive = Candidate("square(sub(f, y))", (1e200, 1e200, 1e200))
    found, good = _searches([explosive, *OTHERS]), _searches(OTHERS)
    for searches in (found, good):
        for _ in range(2):
            step_together(searches, [_one_step()])
    assert found[0].verdict.status is Status.DIVERGED
    assert found[0].verdict.message.endswith("not finite at step 0")
    _assert_same(found[1:], good)


class _Careful(CrossEntropy):
    """Reads values, which vmap refuses."""

    def forward(self, output, target):
        if not bool(output.isfinite().all()):
            raise ValueError("Expected finite logits.")
        return super().forward(output, target)


def test_a_task_loss_that_can_not_be_stacked():
    explosive = Candidate("square(sub(f, y))", (1e200, 1e200, 1e200))
    found = _searches([explosive, *OTHERS], task_loss=_Careful())
    step_together(found, [_one_step()])
    assert [search.verdict is None for search in found] == [False, True, True, True]
    assert found[0].verdict.message == "ValueError: Expected finite logits."
    expected = _searches(OTHERS)
    step_together(expected, [_one_step()])
    _assert_same(found[1:], expected)


def test_large_populations_go_in_parts(monkeypatch):
    monkeypatch.setattr("lightning_lossmeta.local_search.shared._NUMBERS", 100)
    network = make_network(nn.Dropout(0.5), nn.Tanh())
    found, expected = _searches(), _searches()
    step_together(found, [_one_step(network)])
    for search in expected:
        search.step([_one_step(network)])
    _assert_same(found, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu():
    episode = _one_step()
    (inputs, target) = episode.batches[0]
    moved = Episode(episode.network.cuda(), episode.rules, [(inputs.cuda(), target.cuda())])
    found = _searches()
    step_together(found, [moved])
    expected = _searches()
    step_together(expected, [_one_step()])
    _assert_same(found, expected)
