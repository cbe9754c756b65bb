"""The charts' numbers, on histories that are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightning_lossmeta.report.charts import candidates_chart, fates_chart, front_chart
from lightning_lossmeta.report.history import Attempt, History, read_history
from lightning_lossmeta.report.run import RunContents
from lightning_lossmeta.report.sections import sections


def attempt(generation, index, score=None, status="ok", **changes):
    scores = () if score is None else (score,)
    fitness = -np.inf if score is None else -score
    known = Attempt(generation, index, status, "", fitness, scores, 1, None, (float(index),), "")
    return replace(known, **changes)


def run_of(*attempts, objectives=("val_loss",), **changes):
    config = {"session": {"objectives": [{"monitor": "val_loss", "mode": "min"}]}}
    return RunContents(
        Path("run"), True, config=config, history=History(objectives, attempts), **changes
    )


def layers(chart):
    return [layer["data"]["values"] for layer in chart.spec["layer"]]


def test_the_best_so_far_of_errors_only_falls():
    run = run_of(
        attempt(0, 0, status="diverged"),
        attempt(1, 0, 0.7),
        attempt(1, 1, 0.9),
        attempt(2, 0, 0.8),
        attempt(3, 0, 0.2),
    )
    chart = candidates_chart(run, lambda item: f"loss {item.index}")
    best, scored, unscored = layers(chart)
    steps = {point["x"]: point["y"] for point in best}
    assert steps == {1.5: 0.7, 2.5: 0.7, 3.5: 0.2, 4.5: 0.2}, "from the first that has a score"
    assert [point["y"] for point in scored] == [0.7, 0.9, 0.8, 0.2]
    assert [point["why"] for point in unscored] == ["diverged or failed"]
    assert "from 0.7000 to 0.2000" in chart.alt


def test_a_score_far_off_does_not_hide_the_others():
    run = run_of(*(attempt(0, i, 1 + i / 10) for i in range(9)), attempt(0, 9, 1e30))
    chart = candidates_chart(run, str)
    low, high = chart.spec["layer"][1]["encoding"]["y"]["scale"]["domain"]
    assert low == 1.0
    assert 1.8 <= high < 10
    assert "1 scores lie beyond the chart" in chart.note


def test_one_score_alone_has_an_axis():
    chart = candidates_chart(run_of(attempt(0, 0, 0.5)), str)
    low, high = chart.spec["layer"][1]["encoding"]["y"]["scale"]["domain"]
    assert low < 0.5 < high
    assert candidates_chart(run_of(), str) is None


def test_what_became_of_candidates():
    run = run_of(
        attempt(0, 0, 0.1),
        attempt(0, 1, status="rejected", filter="InvariantCheck"),
        attempt(1, 0, 0.1, status="cached", filter="SymbolicArchive"),
        attempt(1, 1, 0.2, status="stopped", trainings=3),
        attempt(1, 2, status="a status to come"),
    )
    counts = {
        (item["generation"], item["fate"]): item["candidates"]
        for item in fates_chart(run).spec["data"]["values"]
    }
    assert counts == {
        (1, "trained"): 1,
        (1, "InvariantCheck"): 1,
        (2, "SymbolicArchive"): 1,
        (2, "given up"): 1,
        (2, "diverged or failed"): 1,
    }
    assert fates_chart(run_of(attempt(0, 0, 0.1))) is None
    assert sections(run)["races"] == [(1, 2, 0), (3, 1, 1)]


def test_the_front_is_that_of_the_state():
    points = [(0.1, 0.9), (0.9, 0.1), (0.1, 0.1)]
    items = [attempt(0, i, scores=pair, fitness=sum(pair)) for i, pair in enumerate(points)]
    run = run_of(*items, objectives=("a", "b"), front={(None, (0.0,)), (None, (1.0,))})
    values = front_chart(run, str).spec["data"]["values"]
    on_front = {(item["a"], item["b"]) for item in values if item["which"] == "on the front"}
    assert on_front == {(0.1, 0.9), (0.9, 0.1)}
    assert len(values) == 3
    assert run.objective == ("fitness", "max")


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "\x00\n"])
def test_a_file_that_is_no_history(tmp_path, text):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(ValueError, match=r"history\.csv"):
        read_history(tmp_path / "history.csv")
