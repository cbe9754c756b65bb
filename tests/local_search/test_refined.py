import copy
import pickle
from dataclasses import replace
from functools import partial

import pytest
import torch
from engines import RefineThenScore, TaskByTask, refine
from inner_fits import EXPLOSIVE, FAMILY, MSE, UNBUILDABLE, make_task
from torch import nn
from torch.optim import SGD, Adam

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators import TrainerEvaluator
from lightning_lossmeta.families import ExpressionFamily, NormalisedFamily, TaylorFamily
from lightning_lossmeta.local_search import GradientRefiner, RefinerJob
from lightning_lossmeta.local_search import gradient as refined_module
from lightning_lossmeta.local_search.episodes import Episodes
from lightning_lossmeta.local_search.unrolled import meta_loss
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.searchers import CMAESSearcher, GeneticProgrammingSearcher
from lightning_lossmeta.task import Session, Task

TREES = ExpressionFamily()
SQUARE = Candidate("square(sub(f, y))", (1.0, 1.0, 1.0))
ONE_STEP = partial(SGD, lr=0.1)


class _Scorer(TaskByTask):
    """Trains nothing; the fitness is the sum of theta."""

    def _evaluate_task(self, candidates, family, task):
        return [Evaluation(c, (sum(c.theta),), Status.OK, seconds=1.0) for c in candidates]


def _refiner(**changes):
    return GradientRefiner(**({"meta_steps": 3, "meta_lr": 0.01} | changes))


def _refined(evaluator=None, **changes):
    return RefineThenScore(_refiner(**changes), evaluator or _Scorer())


def _outcomes(found):
    return [(item.candidate, item.fitness, item.status) for item in found]


def test_says_how_far_it_is_while_it_is_listened_to():
    heard = []
    refine(
        _refiner(),
        [SQUARE, SQUARE],
        TREES,
        [make_task()],
        on_progress=lambda *what: heard.append(what),
    )
    assert heard == [("local search", done, 3) for done in (1, 2, 3)]


def test_what_comes_back_is_what_was_scored():
    found = _refined().evaluate([SQUARE, SQUARE], TREES, [make_task()])
    for item in found:
        assert item.candidate.structure == SQUARE.structure
        assert item.candidate.theta != SQUARE.theta
        assert item.candidate.theta == pytest.approx(SQUARE.theta, abs=0.05)
        assert item.fitness == sum(item.candidate.theta)
        assert [step for step, _ in item.curves["meta_loss"]] == [0, 1, 2]
        assert item.seconds > 1.0
    assert found[0].candidate == found[1].candidate


def test_with_a_real_evaluator():
    task = make_task()
    (found,) = _refined(TrainerEvaluator()).evaluate([MSE], FAMILY, [task])
    (again,) = TrainerEvaluator().evaluate([found.candidate], FAMILY, [task])
    assert found.status is Status.OK
    assert found.candidate != MSE
    assert found.fitness == again.fitness
    assert set(found.curves) == {*again.curves, "meta_loss"}


def test_bad_candidates_cost_only_themselves():
    task = make_task()
    (good,) = _refined().evaluate([MSE], FAMILY, [task])
    found = _refined().evaluate([UNBUILDABLE, MSE, EXPLOSIVE, MSE], FAMILY, [task])
    assert [item.status for item in found] == [
        Status.FAILED,
        Status.OK,
        Status.DIVERGED,
        Status.OK,
    ]
    assert "8 entries" in found[0].message
    assert found[2].message.startswith("local search: meta-loss or its gradient is not finite")
    assert (found[0].candidate, found[2].candidate) == (UNBUILDABLE, EXPLOSIVE)
    assert _outcomes([found[1], found[3]]) == _outcomes([good, good])


def test_nothing_left_to_score():
    found = _refined().evaluate([UNBUILDABLE], FAMILY, [make_task()])
    assert [item.status for item in found] == [Status.FAILED]
    assert _refined().evaluate([], FAMILY, [make_task()]) == []


def test_deterministic_whatever_the_place_and_the_global_random_state():
    network = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3))
    task, others = make_task(network), [Candidate("mul(f, y)", (1.0, 2.0)), SQUARE]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    evaluator = _refined()
    first = evaluator.evaluate([SQUARE, *others], TREES, [task])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = evaluator.evaluate([*others, SQUARE], TREES, [task])
    assert _outcomes([first[0], first[1]]) == _outcomes([second[2], second[0]])
    assert first[0].candidate == first[2].candidate
    other = evaluator.evaluate([SQUARE], TREES, [replace(task, seed=9)])
    assert other[0].candidate != first[0].candidate


@pytest.mark.parametrize("backend", ["func", "higher"])
@pytest.mark.parametrize(("base_steps", "step_length"), [(1, None), (3, 0.5), (2, 4.0)])
def test_the_meta_loss_is_that_of_a_training_by_pytorch(backend, base_steps, step_length):
    task = make_task(optimizer=partial(SGD, lr=0.2, momentum=0.5))
    settings = {"base_steps": base_steps, "step_length": step_length, "backend": backend}
    evaluator = _refined(meta_steps=1, noise=0.0, **settings)
    (found,) = evaluator.evaluate([SQUARE], TREES, [task])
    episode = Episodes(task, base_steps, step_length).next(0)
    network, loss = copy.deepcopy(episode.network), TREES.build(SQUARE)
    optimizer = SGD(network.parameters(), lr=step_length or 0.2, momentum=0.5)
    for inputs, target in episode.batches:
        optimizer.zero_grad()
        loss(network(inputs), target).backward()
        optimizer.step()
    expected = CrossEntropy()(network(inputs), target).item()
    assert found.curves["meta_loss"][0][1] == pytest.approx(expected, rel=1e-5)


def test_both_back_ends_find_the_same():
    found = [
        _refined(backend=backend).evaluate([SQUARE], TREES, [make_task(precision="64-true")])[0]
        for backend in ("func", "higher")
    ]
    assert found[0].candidate.theta == pytest.approx(found[1].candidate.theta, rel=1e-9)
    assert found[0].candidate.theta != SQUARE.theta


def test_several_tasks_are_learned_at_once():
    one, other = make_task(seed=1), replace(make_task(seed=2), name="other")
    alone = [
        _refined(noise=0.0, meta_steps=1).evaluate([SQUARE], TREES, [task])[0]
        for task in (one, other)
    ]
    (both,) = _refined(noise=0.0, meta_steps=1).evaluate([SQUARE], TREES, [one, other])
    values = [item.curves["meta_loss"][0][1] for item in alone]
    assert both.curves["meta_loss"][0][1] == pytest.approx(sum(values) / 2, rel=1e-9)
    assert both.fitness == pytest.approx(sum(both.candidate.theta))


def test_searches_on_different_tasks_do_not_mix():
    one, other = make_task(seed=1), make_task(seed=2)
    jobs = [RefinerJob(SQUARE, (one,)), RefinerJob(SQUARE, (other,)), RefinerJob(SQUARE, (one,))]
    together = dict(_refiner().refine(jobs, TREES))
    alone = [refine(_refiner(), [SQUARE], TREES, [task])[0] for task in (one, other, one)]
    assert [together[place].candidate for place in range(3)] == [c.candidate for c in alone]
    assert together[0].candidate != together[1].candidate


def test_long_curves_are_thinned(monkeypatch):
    monkeypatch.setattr(refined_module, "CURVE_POINTS", 5)
    (found,) = _refined(meta_steps=11).evaluate([SQUARE], TREES, [make_task()])
    assert [step for step, _ in found.curves["meta_loss"]] == [0, 3, 6, 9]


def test_threads_are_limited_while_searching(monkeypatch):
    seen = []

    def spy(episode, loss, theta, task_loss):
        seen.append(torch.get_num_threads())
        return theta.sum()

    monkeypatch.setitem(refined_module.BACKENDS, "func", spy)
    _refined(meta_steps=1, threads=3).evaluate([SQUARE], TREES, [make_task()])
    assert (seen, torch.get_num_threads()) == ([3], 1)


def test_attention_is_twice_differentiable():
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(2, 1, batch_first=True)
            self.last = nn.Linear(6, 3)

        def forward(self, inputs):
            tokens = inputs.unflatten(1, (3, 2))
            found, _ = self.attention(tokens, tokens, tokens, need_weights=False)
            return self.last(found.flatten(1))

    (found,) = _refined().evaluate([SQUARE], TREES, [make_task(Attends())])
    assert found.status is Status.OK, found.message


def _mean_meta_loss(candidate, task, family, count=30):
    """On episodes that no local search of the test has seen."""
    episodes = Episodes(replace(task, seed=12345), 1, 5.0)
    loss = family.build(candidate)
    values = [
        meta_loss(episodes.next(number), loss, loss.theta, CrossEntropy()).item()
        for number in range(count)
    ]
    return sum(values) / count


def test_a_poor_start_on_digits_becomes_better():
    module = SupervisedModule(MLP(64, [16], 10), optimizer=ONE_STEP)
    session = Session(steps=20, validations=1, accelerator="cpu")
    task = Task(module, DigitsDataModule(batch_size=100), session, seed=1)
    family, start = TaylorFamily(), Candidate(None, (0.1,) * 8)
    evaluator = _refined(meta_steps=60, meta_lr=0.05, step_length=5.0)
    (found,) = evaluator.evaluate([start], family, [task])
    before, after = (_mean_meta_loss(c, task, family) for c in (start, found.candidate))
    assert before > 2.2
    assert after < before - 0.2


def test_genetic_programming_takes_refined_weights_and_cma_es_does_not():
    searcher = GeneticProgrammingSearcher(population=4)
    searcher.start(TREES.space, 0)
    found = _refined(meta_steps=1).evaluate(searcher.ask(), TREES, [make_task()])
    assert searcher.accepts_refined
    searcher.tell(found)
    assert [item.candidate for item in searcher.history[0]] == [item.candidate for item in found]
    cma = CMAESSearcher(population=4)
    cma.start(FAMILY.space, 0)
    with pytest.raises(ValueError, match="Expected evaluation 0 to be of"):
        cma.tell(_refined(meta_steps=1).evaluate(cma.ask(), FAMILY, [make_task()]))


def test_can_be_pickled():
    evaluator = pickle.loads(pickle.dumps(_refined(base_steps=2)))
    expected = _refined(base_steps=2).evaluate([SQUARE], TREES, [make_task()])
    assert _outcomes(evaluator.evaluate([SQUARE], TREES, [make_task()])) == _outcomes(expected)


@pytest.mark.parametrize(
    ("task", "family", "changes", "message"),
    [
        (
            make_task(),
            NormalisedFamily(FAMILY, 3),
            {},
            "the scale of a normalised loss changes with theta",
        ),
        (
            make_task(optimizer=partial(Adam, lr=0.1)),
            FAMILY,
            {"backend": "higher"},
            "task: higher 0.2.1 differentiates SGD alone rightly",
        ),
        (make_task(gradient_clip_val=1.0), FAMILY, {}, "task: clipped gradients are not unrolled"),
    ],
)
def test_refusals(task, family, changes, message):
    with pytest.raises(ValueError, match=f"GradientRefiner can't be used here: {message}"):
        _refined(**changes).evaluate([MSE], family, [task])


def test_adam_as_the_base_optimiser():
    task = make_task(optimizer=partial(Adam, lr=0.01, eps=1e-3))
    (found,) = _refined(base_steps=2).evaluate([SQUARE], TREES, [task])
    assert found.status is Status.OK
    assert found.candidate.theta != SQUARE.theta


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"meta_steps": 0}, "`meta_steps` to be an integer of at least 1, got 0"),
        ({"base_steps": 1.5}, "`base_steps` to be an integer of at least 1, got 1.5"),
        ({"threads": 0}, "`threads` to be an integer of at least 1"),
        ({"meta_lr": 0.0}, "`meta_lr` to be a number in"),
        ({"step_length": -1.0}, "`step_length` to be a number in"),
        ({"noise": -0.1}, "`noise` to be a number in"),
        ({"backend": "jax"}, r"`backend` to be one of \['func', 'higher'\], got 'jax'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GradientRefiner(**arguments)
