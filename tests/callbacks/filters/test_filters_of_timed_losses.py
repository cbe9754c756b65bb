from dataclasses import replace

import pytest
import torch
from searches import make_search

from lightning_lossmeta.artifacts import Artifact, ExportError, export_file, find_loss
from lightning_lossmeta.callbacks import GradientEquivalence, InvariantCheck, RejectionFilter
from lightning_lossmeta.callbacks.filters.rejection import improvement
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import ExpressionFamily, NormalisedFamily
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.searchers import GeneticProgrammingSearcher

FAMILY = ExpressionFamily(progress=True)
SQUARED = "square(sub(f, y))"
FADING = f"mul(sub(+1, t), {SQUARED})"
GROWING = f"mul(t, {SQUARED})"
AWAY_LATER = f"mul(sub(sub(+1, t), t), {SQUARED})"  # 1 - 2 t: turns around in the middle


def _plain(text):
    return Candidate(text, (1.0,) * (len(parse_expression(text)) - 1))


def _search(tmp_path, told=()):
    searcher = GeneticProgrammingSearcher(population=2)
    searcher.start(FAMILY.space, 1)
    searcher._history = [list(told)] if told else []
    search = make_search(tmp_path)
    return replace(search, family=FAMILY, searcher=searcher, num_classes=3)


def _verdict(callback, method, text):
    candidate = _plain(text)
    return getattr(callback, method)(candidate, FAMILY.build(candidate))


def test_a_loss_that_fades_has_not_the_fitness_of_what_it_begins_as(tmp_path):
    equivalence = GradientEquivalence()
    equivalence.on_search_start(_search(tmp_path, [Evaluation.scored(_plain(SQUARED), 0.75)]))
    assert _verdict(equivalence, "screen_refined", FADING) is None
    assert _verdict(equivalence, "screen_refined", f"add({SQUARED}, +1)").fitness == 0.75
    fading = GradientEquivalence()
    fading.on_search_start(_search(tmp_path, [Evaluation.scored(_plain(FADING), 0.5)]))
    assert _verdict(fading, "screen_refined", f"add({FADING}, t)").fitness == 0.5
    assert _verdict(fading, "screen_refined", GROWING) is None


@pytest.mark.parametrize("text", [SQUARED, FADING, GROWING])
def test_losses_that_learn_at_any_time_pass(tmp_path, text):
    for callback in (RejectionFilter(), InvariantCheck()):
        callback.on_search_start(_search(tmp_path))
        assert _verdict(callback, "screen", text) is None


def test_losses_that_lead_away_are_rejected(tmp_path):
    for callback in (RejectionFilter(), InvariantCheck()):
        callback.on_search_start(_search(tmp_path))
        found = _verdict(callback, "screen", f"mul(sub(t, +1), {SQUARED})")
        assert found.status is Status.REJECTED


def test_free_predictions_go_through_all_times():
    family = ExpressionFamily("regression", progress=True)
    output, target = torch.randn(2, 50, 1, dtype=torch.float64)
    whole = improvement(family.build(_plain(SQUARED)), output, target)
    turned = improvement(family.build(_plain(AWAY_LATER)), output, target)
    assert turned < 0.9 * whole


def test_the_range_of_a_growing_loss_is_not_that_of_its_start():
    family = NormalisedFamily(FAMILY, 3)
    loss = family.build(_plain(GROWING))
    assert float(loss.loss.progress) == 0
    still = family.normalisation(FAMILY.build(_plain(SQUARED)))
    half = family.normalisation(FAMILY.build(_plain(GROWING)))
    assert half.scale == pytest.approx(2 * still.scale)
    assert family.baselines() == FAMILY.baselines()


@pytest.mark.parametrize("form", ["python", "onnx", "latex"])
def test_no_file_can_know_the_time(tmp_path, form):
    path = tmp_path / "loss.json"
    Artifact(FAMILY, _plain(FADING)).save(path)
    with pytest.raises(ExportError, match="progress t"):
        export_file(find_loss(str(path)), form, tmp_path / "out")
