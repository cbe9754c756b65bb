import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_ind

from lightning_lossmeta.comparison import Row, best_searches, pooled, with_p_values

BASE = Row("CE", 1.0, False, (0.50, 0.52, 0.51), metrics={"seconds": (1.0, 1.0, 1.0)})
LEARNED = [
    Row("GP 1", 1.0, False, (0.6, 0.7, 0.65), metrics={"x": (1.0, 2.0, 3.0)}),
    Row("GP 2", 3.0, True, (0.5, 0.55, 0.45)),
    Row("GP 3", 10.0, False, (0.8, 0.82, 0.84)),
]


def test_losses_of_a_method_stand_as_one():
    rows = pooled([BASE, *LEARNED], {"GP": ["GP 1", "GP 2", "GP 3"]})
    assert [row.name for row in rows] == ["CE", "GP"]
    assert rows[0] is BASE
    found = rows[1]
    assert found.scores == (0.6, 0.7, 0.65, 0.5, 0.55, 0.45, 0.8, 0.82, 0.84)
    assert (found.factor, found.at_edge, found.searches) == (3.0, True, 3)
    assert found.metrics["x"][:3] == (1.0, 2.0, 3.0)
    assert all(map(math.isnan, found.metrics["x"][3:]))


def test_what_is_tested_are_the_means_of_the_searches():
    rows = with_p_values(pooled([BASE, *LEARNED], {"GP": ["GP 1", "GP 2", "GP 3"]}), "CE")
    means = [np.mean(row.scores) for row in LEARNED]
    expected = ttest_ind(means, BASE.scores, equal_var=False, alternative="greater").pvalue
    assert rows[1].p_value == pytest.approx(expected)


def test_every_task_has_its_own():
    rows = [Row("GP 1", 1.0, False, (task, task), task=str(task)) for task in (1.0, 2.0)]
    found = pooled(rows, {"GP": ["GP 1"]})
    assert [(row.task, row.scores) for row in found] == [("1.0", (1.0, 1.0)), ("2.0", (2.0, 2.0))]


def test_without_methods_rows_stay():
    assert pooled(LEARNED, {}) == LEARNED


def test_validation_alone_chooses_among_searches():
    tunings = [{1.0: 0.7, 3.0: 0.2}, {1.0: math.nan, 3.0: 0.8}, {1.0: math.nan}]
    losses = [replace(row, tuning=t) for row, t in zip(LEARNED, tunings, strict=True)]
    base, chosen = best_searches([BASE, *losses], {"GP": ["GP 1", "GP 2", "GP 3"]})
    assert base is BASE
    assert chosen == replace(losses[1], name="GP")  # the worst on the test split
    assert chosen.samples == LEARNED[1].scores


def test_validation_chooses_task_by_task():
    rows = [
        Row(f"GP {number}", 1.0, False, (0.0,), task=task, tuning={1.0: score})
        for task, scores in {"a": (0.9, 0.1), "b": (-2.0, -1.0)}.items()
        for number, score in enumerate(scores, start=1)
    ]
    found = best_searches(rows, {"GP": ["GP 1", "GP 2"]})
    assert [(row.task, row.tuning[1.0]) for row in found] == [("a", 0.9), ("b", -1.0)]
