"""A training that failed is told from one that diverged, with the reason."""

import csv
import json
import math

import pytest
import torch
from rich.console import Console
from torch import nn
from toys import make_task

from lightning_lossmeta.comparison import (
    ComparisonConfig,
    ComparisonError,
    Report,
    Row,
    compare_losses,
    pooled,
    refuse_if_all_failed,
    with_p_values,
)
from lightning_lossmeta.evaluators import PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.losses import CrossEntropy, Focal
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.task import Objective

SMALL = ComparisonConfig(widenings=0, seeds=2, tuning_seeds=1, learning_rate_factors=(0.1, 1.0))
ONE_RATE = ComparisonConfig(seeds=2, learning_rate_factors=(1.0,))


class Raises(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def extra_repr(self):
        return repr(self.error)

    def forward(self, output, target):
        raise self.error


class Gives(nn.Module):
    def __init__(self, what):
        super().__init__()
        self.what = what

    def extra_repr(self):
        return self.what

    def forward(self, output, target):
        return {
            "one a sample": output.sum(dim=1),
            "a float": 1.0,
            "a tuple": (output.sum(), output.sum()),
            "one a class": output.sum(dim=0),
        }[self.what]


class Explodes(LossFunction):
    """Diverges: weights are not finite after a step."""

    def per_sample(self, output, target):
        return output.sum(dim=1) * math.inf


FAILING = {
    "raises": (Raises(ValueError("Expected a better loss.")), "Expected a better loss."),
    "raises something odd": (Raises(KeyError("weights")), "KeyError: 'weights'"),
    "memory": (Raises(torch.OutOfMemoryError("out of memory: 80 GiB")), "80 GiB"),
    "shape": (Gives("one a sample"), ""),
    "matrix": (Gives("one a class"), ""),
    "type": (Gives("a float"), ""),
    "tuple": (Gives("a tuple"), ""),
    "weights": (nn.CrossEntropyLoss(weight=torch.ones(2)), "weight"),
    "reduction": (nn.CrossEntropyLoss(reduction="none"), ""),
    "own reduction": (Focal(reduction="none"), ""),
}


@pytest.mark.parametrize("evaluator", [TrainerEvaluator, PopulationEvaluator])
@pytest.mark.parametrize("settings", [SMALL, ONE_RATE], ids=["tuned", "one rate"])
def test_a_failure_has_its_reason_and_is_no_divergence(evaluator, settings, tmp_path):
    losses = {"CE": CrossEntropy(), "exploding": Explodes()}
    losses |= {name: loss for name, (loss, _) in FAILING.items()}
    rows = compare_losses(losses, make_task(), evaluator(), settings)
    refuse_if_all_failed(rows)
    by_name = {row.name: row for row in rows}
    assert not by_name["CE"].failures
    assert (by_name["exploding"].diverged, by_name["exploding"].failures) == (2, {})
    for name, (_, message) in FAILING.items():
        row = by_name[name]
        assert row.diverged == 0
        assert set(row.failures) == {0, 1}
        assert all(text and message in text for text in row.failures.values()), row.failures
        assert len(row.tuning_failures) == (2 if settings is SMALL else 0)
        assert row.factor == 1.0, "nothing tells which rate is best"

    report = Report(with_p_values(rows, "CE"), "accuracy", "CE")
    report.write(tmp_path)
    with (tmp_path / "comparison.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    statuses = {row["loss"]: row["status"] for row in written}
    assert statuses == {"CE": "ok", "exploding": "diverged"} | dict.fromkeys(FAILING, "failed")
    assert "Expected a better loss." in next(r["error"] for r in written if r["loss"] == "raises")
    stored = {row["loss"]: row for row in json.loads((tmp_path / "comparison.json").read_text())}
    assert "80 GiB" in stored["memory"]["failures"]["1"]
    assert stored["CE"]["failures"] == stored["exploding"]["failures"] == {}
    for text in (report.markdown(), report.latex(), _printed(report)):
        assert "raises: 2 of 2 trainings failed: ValueError: Expected a better loss." in text
        assert "exploding: 2 of 2 trainings diverged." in text


def _printed(report):
    console = Console(width=300)
    with console.capture() as capture:
        console.print(report.table("Title"))
    return " ".join(capture.get().split())


@pytest.mark.parametrize("monitor", ["val_f1", "val_loss/total"])
def test_a_metric_that_is_not_logged(monitor):
    rows = compare_losses({"CE": CrossEntropy()}, make_task(objectives=(Objective(monitor),)),
                          TrainerEvaluator(), SMALL)  # fmt: skip
    with pytest.raises(ComparisonError, match=f"(?s)Every training .*'CE' on 'blobs'.*{monitor}"):
        refuse_if_all_failed(rows)


def test_what_failed_in_some_trainings_is_counted_apart():
    scores = (0.5, math.nan, math.nan, 0.7)
    row = Row("X", 1.0, False, scores, failures={2: "RuntimeError: [red]no[/red]\nmemory"})
    report = Report(with_p_values([Row("CE", 1.0, False, (0.4,) * 4), row], "CE"), "score", "CE")
    text = _printed(report)
    assert "(1 failed, 1 diverged)" in text
    assert "X: 1 of 4 trainings failed: RuntimeError: [red]no[/red] memory" in text
    assert "X: 1 of 4 trainings diverged." in text
    refuse_if_all_failed([row])


def test_failures_of_tuning_alone_are_named_too():
    row = Row("X", 1.0, False, (0.5, 0.6), tuning_failures=["RuntimeError: boom"])
    report = Report([Row("CE", 1.0, False, (0.4, 0.5)), row], "score", "CE")
    assert "X: 1 trainings that choose its learning rate failed: RuntimeError: boom" in (
        _printed(report)
    )


def test_failures_stay_with_their_scores_where_searches_are_joined():
    first = Row("GP 1", 1.0, False, (math.nan, 0.5), failures={0: "one"})
    second = Row("GP 2", 1.0, False, (0.5, math.nan), failures={1: "two"}, tuning_failures=["t"])
    (row,) = pooled([first, second], {"GP": ["GP 1", "GP 2"]})
    assert row.failures == {0: "one", 3: "two"}
    assert row.tuning_failures == ("t",)
    assert row.diverged == 0


def test_all_failing_names_the_first():
    rows = [
        Row(name, 1.0, False, (math.nan,) * 2, failures={0: f"{name} 0", 1: f"{name} 1"})
        for name in "ab"
    ]
    with pytest.raises(ComparisonError, match=r"'a' on 'task'.* with: a 0"):
        refuse_if_all_failed(rows)
    refuse_if_all_failed([*rows, Row("c", 1.0, False, (math.nan, math.nan))])
    refuse_if_all_failed([])
