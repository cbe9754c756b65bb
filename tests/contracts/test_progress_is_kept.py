"""Whatever looks at a loss leaves it at the moment of training at which it was."""

import inspect
from dataclasses import replace

import pytest
import torch
from searches import make_search
from walking import concrete_subclasses

from lightning_lossmeta import analysis, losses, theory
from lightning_lossmeta.callbacks import InvariantCheck, MetaCallback
from lightning_lossmeta.callbacks.filters.gradient_equivalence import gradient_norms
from lightning_lossmeta.callbacks.filters.rejection import artificial_predictions, improvement
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.families import ExpressionFamily, NormalisedFamily
from lightning_lossmeta.losses import ProgressDependentLoss, at_progress, set_progress
from lightning_lossmeta.modules import StackedLosses
from lightning_lossmeta.searchers import GeneticProgrammingSearcher

FAMILY = ExpressionFamily(progress=True)
FADING = Candidate("mul(sub(+1, t), square(sub(f, y)))", (1.0,) * 7)
LEADING_AWAY = Candidate("mul(sub(t, +1), square(sub(f, y)))", (1.0,) * 7)
CONSTANT = Candidate("add(t, mul(sub(f, f), y))", (1.0,) * 6)
PROGRESS = 0.3


class Broken(ProgressDependentLoss):
    """Raises wherever it is called."""

    def per_sample(self, output, target):
        raise RuntimeError("no loss at all")


def _progress(loss):
    return [part.progress.item() for part in loss.modules() if hasattr(part, "progress")]


def _losses():
    """Losses that pass filters, are rejected by them, or make them fail."""
    normalised = NormalisedFamily(FAMILY, 3, samples=20).build(FADING)
    timed = [FAMILY.build(candidate) for candidate in (FADING, LEADING_AWAY, CONSTANT)]
    for loss in (*timed, normalised, Broken()):
        set_progress(loss, PROGRESS)
        yield loss


def _call(operation):
    """Whether it goes well is its own affair."""
    try:
        operation()
    except (RuntimeError, ValueError, NotImplementedError):
        return


def _search(directory):
    searcher = GeneticProgrammingSearcher(population=2)
    searcher.start(FAMILY.space, 0)
    return replace(make_search(directory), family=FAMILY, searcher=searcher)


@pytest.mark.parametrize("cls", concrete_subclasses(MetaCallback), ids=lambda cls: cls.__name__)
def test_by_every_filter(cls, tmp_path):
    callback = cls.example()
    callback.on_search_start(_search(tmp_path))
    for loss in _losses():
        for screen in (callback.screen, callback.screen_refined):
            _call(lambda screen=screen, loss=loss: screen(FADING, loss))
            assert _progress(loss) == [PROGRESS]


def test_by_every_family_that_takes_losses():
    normalised = NormalisedFamily(FAMILY, 3, samples=20)
    for loss in _losses():
        for operation in (FAMILY.read, normalised.read, normalised.normalisation):
            _call(lambda operation=operation, loss=loss: operation(loss))
            assert _progress(loss) == [PROGRESS]


@pytest.mark.parametrize("candidate", [FADING, LEADING_AWAY])
def test_what_a_family_builds_begins_at_the_start(candidate):
    family = NormalisedFamily(FAMILY, 3, samples=20)
    family.formula(candidate)
    family.freeze(candidate)
    for built in (family.build(candidate), FAMILY.build(candidate)):
        assert _progress(built) == [0.0]


def test_losses_of_all_kinds_are_tried():
    callback = InvariantCheck()
    callback._num_classes = 3
    fading, leading_away, *_, broken = _losses()
    assert callback.screen(FADING, fading) is None
    assert callback.screen(FADING, leading_away).status is Status.REJECTED
    with pytest.raises(RuntimeError, match="no loss at all"):
        callback.screen(FADING, broken)


def _functions_of_losses():
    """The public functions of theory and analysis whose first argument is one loss."""
    for package in (theory, analysis):
        for name in package.__all__:
            function = getattr(package, name)
            if inspect.isfunction(function):
                first = next(iter(inspect.signature(function).parameters.values()), None)
                if first is not None and first.annotation == "LossFunction":
                    yield function


_SHARES = torch.tensor([0.25, 0.5], dtype=torch.float64)
ARGUMENTS = {
    "logits": torch.zeros(2, 3, dtype=torch.float64),
    "probabilities": torch.full((2, 3), 1 / 3, dtype=torch.float64),
    "target": torch.tensor([0, 1]),
    "confidence": _SHARES,
    "label": _SHARES,
    "epsilon": _SHARES,
    "num_classes": 3,
}


@pytest.mark.parametrize("function", _functions_of_losses(), ids=lambda f: f.__name__)
def test_by_theory_and_analysis(function):
    parameters = list(inspect.signature(function).parameters.values())[1:]
    needed = {p.name: ARGUMENTS[p.name] for p in parameters if p.default is p.empty}
    for loss in _losses():
        _call(lambda loss=loss: function(loss, **needed))
        assert _progress(loss) == [PROGRESS]


def test_by_what_filters_are_made_of():
    for loss in _losses():
        pair = artificial_predictions(loss, 6, 3, 0)
        for function in (improvement, gradient_norms):
            _call(lambda function=function, loss=loss, pair=pair: function(loss, *pair))
            assert _progress(loss) == [PROGRESS]


@pytest.mark.parametrize("inner", [0, 0.5, 1])
def test_a_context_sets_it_moves_it_and_gives_it_back(inner):
    loss = next(_losses())
    with at_progress(loss, inner):
        assert _progress(loss) == [inner]
        set_progress(loss, 0.75)
        with at_progress(loss, 0.5):
            assert _progress(loss) == [0.5]
        assert _progress(loss) == [0.75]
    assert _progress(loss) == [PROGRESS]


def test_also_after_an_error_or_a_value_that_is_none():
    loss = next(_losses())
    with pytest.raises(KeyError), at_progress(loss, 0.5):
        raise KeyError
    assert _progress(loss) == [PROGRESS]
    with pytest.raises(ValueError, match="`value` to be a number in"), at_progress(loss, 1.5):
        pass
    assert _progress(loss) == [PROGRESS]


def test_each_loss_gets_its_own_back():
    early, late, plain = FAMILY.build(FADING), FAMILY.build(FADING), losses.CrossEntropy()
    set_progress(early, 0.1)
    set_progress(late, 0.9)
    stacked = StackedLosses([early, late, plain], ["tree", "tree", "ce"])
    outputs, target = torch.randn(3, 4, 5), torch.arange(4)
    before = stacked(outputs, target)
    with at_progress(stacked, 0.5):
        assert not torch.equal(stacked(outputs, target), before)
    assert torch.equal(stacked(outputs, target), before)
    both = torch.nn.ModuleList([early, late])
    with at_progress(both, 0.5):
        assert [_progress(part) for part in both] == [[0.5], [0.5]]
    assert [_progress(part) for part in both] == [[0.1], [0.9]]


def test_in_inference_mode_and_within_gradients():
    loss = next(_losses())
    with torch.inference_mode(), at_progress(loss, 0.5):
        pass
    assert _progress(loss) == [PROGRESS]
    logits = torch.randn(4, 3, requires_grad=True)
    with at_progress(loss, 0.5):
        loss(logits, torch.arange(4) % 3).backward()
    assert logits.grad.isfinite().all()
    assert _progress(loss) == [PROGRESS]
