"""Searches with and without an invariant spend the same trainings, and their table is right."""

import json

import numpy as np
import pytest
from scipy import stats

from lightning_lossmeta.benchmarks import invariant_searches
from lightning_lossmeta.benchmarks.invariant_table import summary
from lightning_lossmeta.families import TaylorLoss
from lightning_lossmeta.theory import trainable


@pytest.fixture
def short(monkeypatch):
    for name, value in (("STEPS", 2), ("REAL_STEPS", 4), ("FINAL_SEEDS", 2)):
        monkeypatch.setattr(invariant_searches, name, value)


@pytest.mark.parametrize("test", ["exact", "published"])
def test_rejected_candidates_cost_no_training(short, test):
    found = invariant_searches.search(test, population=6, seed=1, trainings=15)
    plain = invariant_searches.search("none", population=6, seed=1, trainings=15)
    for cell in (found, plain):
        assert cell["trained"] == len(cell["fitness"]) == 15  # amid the third generation
        assert len(cell["accuracies"]) == 2
        assert cell["asked"] == cell["trained"] + cell["rejected"]
    assert plain["rejected"] == 0 < found["rejected"]
    assert trainable(TaylorLoss(found["theta"]), 10, test)


def test_a_search_that_is_there_is_not_run_again(tmp_path, monkeypatch):
    calls = []

    def search(**settings):
        calls.append(settings)
        return {"search_s": 1.0}

    monkeypatch.setattr(invariant_searches, "search", search)
    for _ in range(2):
        cells = invariant_searches.measure(tmp_path, [20], [1, 2], 40)
    assert len(calls) == len(cells) == 6
    assert json.loads((tmp_path / "none-20-2.json").read_text()) == cells[-1]
    with pytest.raises(ValueError, match=r"to hold a search of .*80.*got one of .*40"):
        invariant_searches.measure(tmp_path, [20], [1], 80)


def cell(test, seed, accuracy, rejected):
    return {
        "settings": {"test": test, "population": 20, "seed": seed},
        "accuracies": [accuracy, accuracy + 0.02],
        "short_accuracies": [accuracy / 2, accuracy / 2],
        "fitness": [0.1, 0.5, 0.9, 0.29],
        "asked": 4 + rejected,
        "rejected": rejected,
        "trained": 4,
        "search_s": 2.0,
    }


def test_the_table_of_known_searches():
    exact, none = [0.95, 0.93, 0.97], [0.91, 0.92, 0.93]
    cells = [cell("exact", i, value, 4) for i, value in enumerate(exact)]
    cells += [cell("none", i, value, 0) for i, value in reversed(list(enumerate(none)))]
    first, last = summary(cells)
    assert first["accuracy"] == pytest.approx(np.mean(exact) + 0.01)
    assert first["accuracy_std"] == pytest.approx(np.std(exact, ddof=1))
    assert (first["rejected"], last["rejected"]) == (0.5, 0)
    assert first["train"] == 0.5
    assert first["short"] == pytest.approx(np.mean(exact) / 2)
    assert first["p_short_two_sided"] == pytest.approx(stats.ttest_rel(exact, none).pvalue)
    assert first["validation"] == 0.9
    assert first["p"] == pytest.approx(stats.ttest_rel(exact, none, alternative="greater").pvalue)
    assert np.isnan(last["p"])
