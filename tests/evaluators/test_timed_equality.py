"""A loss with a factor of 1 - t trains as its plain form under a linearly decaying rate."""

import copy
from functools import partial

import pytest
import torch
from inner_fits import distance_moved, largest_difference, make_task
from strangers import BlobsData
from torch import nn
from torch.optim import SGD

from lightning_lossmeta.callbacks.training_progress import TrainingProgress
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluators import PopulationEvaluator, ProcessEvaluator, TrainerEvaluator
from lightning_lossmeta.families import ExpressionFamily
from lightning_lossmeta.modules import PopulationModule, StackedLosses
from lightning_lossmeta.training.session import run_session

STEPS = 12
FAMILY = ExpressionFamily(progress=True)
FADING = Candidate("mul(sub(+1, t), square(sub(f, y)))", (1.0,) * 7)
#: (1 - t/2) times the squared error, and twice the squared error at any time.
HALF = Candidate(FADING.structure, (1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 1.0))
STEADY = Candidate("square(sub(f, y))", (1.0, 2.0**0.5, 2.0**0.5))
FACTORS = {FADING: lambda t: 1 - t, HALF: lambda t: 1 - t / 2, STEADY: lambda t: 2.0}
CANDIDATES = list(FACTORS)


def _task():
    """Each step takes all samples, so that their order does not matter."""
    data = BlobsData(batch_size=180)
    return make_task(data=data, optimizer=partial(SGD, lr=0.5, momentum=0.9), steps=STEPS)


def _by_hand(task, factor):
    """Weights and the last validation's loss of a loop in torch alone."""
    network = copy.deepcopy(task.fresh_module().network)
    task.data.setup("fit")
    ((inputs, target),) = task.data.train_dataloader()
    optimizer = SGD(network.parameters(), lr=0.5, momentum=0.9)

    def error(inputs, target):
        h = network(inputs).softmax(1)
        return (h - nn.functional.one_hot(target, 3)).square().mean()

    for step in range(STEPS):
        optimizer.zero_grad()
        (factor(step / STEPS) * error(inputs, target)).backward()
        optimizer.step()
    ((inputs, target),) = task.data.val_dataloader()
    with torch.no_grad():
        loss = factor((STEPS - 1) / STEPS) * error(inputs, target)
    return network.state_dict(), loss.item()


@pytest.fixture(scope="module")
def expected():
    return [_by_hand(_task(), factor) for factor in FACTORS.values()]


def _weights(expected):
    return [weights for weights, _ in expected]


def test_single_fits_follow_the_loop_by_hand(expected):
    task, found = _task(), []
    for candidate in CANDIDATES:
        module = copy.deepcopy(task.fresh_module())
        module.loss_fn = FAMILY.build(candidate)
        run_session(module, task)
        found.append(module.network.state_dict())
    assert distance_moved(task, found) > 0.1
    assert largest_difference(_weights(expected), found) < 1e-5
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert largest_difference([found[one]], [found[other]]) > 1e-2


@pytest.mark.parametrize("mixed", [False, True])
def test_stacked_fits_follow_the_loop_by_hand(expected, mixed):
    chosen = [0, 1, 2] if mixed else [0, 1]
    losses = [FAMILY.build(CANDIDATES[index]) for index in chosen]
    keys = [CANDIDATES[index].structure for index in chosen]
    module = PopulationModule(_task().fresh_module(), losses, keys)
    run_session(module, _task())
    found = [module.state_of(place) for place in range(len(chosen))]
    assert largest_difference([_weights(expected)[index] for index in chosen], found) < 1e-5


def test_compiled_fits_follow_it_and_are_compiled_once(expected, monkeypatch):
    graphs = []

    def counted(graph, inputs):
        graphs.append(graph)
        return graph.forward

    original = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda step, **_: original(step, backend=counted, fullgraph=True)
    )
    task = _task()
    losses = [FAMILY.build(candidate) for candidate in (FADING, HALF)]
    module = PopulationModule(task.fresh_module(), losses, [0, 0], "default")
    for turned in (False, True):
        if turned:
            module.reset(task.fresh_module(), StackedLosses(losses[::-1], [0, 0]))
        run_session(module, task)
        found = [module.state_of(place) for place in (0, 1)]
        wanted = _weights(expected)[:2]
        assert largest_difference(wanted[::-1] if turned else wanted, found) < 1e-5
    assert module.compiled
    assert len(graphs) == 1


def test_all_evaluators_agree_with_it_and_each_other(expected):
    task = _task()
    results = {}
    for evaluator in (TrainerEvaluator(), PopulationEvaluator(), ProcessEvaluator(processes=1)):
        try:
            results[type(evaluator)] = evaluator.evaluate(CANDIDATES, FAMILY, [task])
        finally:
            evaluator.close()
    single = results[TrainerEvaluator]
    for found in results.values():
        for one, other, (_, loss) in zip(single, found, expected, strict=True):
            assert other.metrics["val_loss"] == pytest.approx(loss, rel=1e-4)
            assert other.metrics == pytest.approx(one.metrics, abs=1e-5)
            assert one.curves.keys() == other.curves.keys()
            assert other.status is one.status
    for one, other in zip(single, results[ProcessEvaluator], strict=True):
        assert one.curves == other.curves


def test_untimed_fits_have_no_further_callback(monkeypatch):
    def forbidden(self):
        raise AssertionError("made")

    monkeypatch.setattr(TrainingProgress, "__init__", forbidden)
    (found,) = TrainerEvaluator().evaluate([STEADY], FAMILY, [_task()])
    assert found.trained
    (found,) = TrainerEvaluator().evaluate([FADING], FAMILY, [_task()])
    assert "made" in found.message
