import re

import pytest

from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.cli.commands import inspect
from lightning_lossmeta.families import ExpressionFamily

FAMILY = ExpressionFamily(problem="regression")


@pytest.fixture
def best(tmp_path):
    path = tmp_path / "run" / "best.json"
    path.parent.mkdir()
    found = {"fitness": -0.61234, "monitor": "val_mse", "mode": "min", "num_classes": None}
    candidate = Candidate("abs(sub(f, y))", (0.5, 1.0, 1.0))
    Artifact(FAMILY, candidate, provenance=found).save(path)
    return path


def squeezed(text):
    return re.sub(r"[\s│]+", " ", text)


def test_formula_and_figure_of_a_regression_loss(best, capsys):
    assert inspect.main([str(best), "--figure", "all"]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    assert Artifact.load(best).formula() in squeezed(shown)
    assert "fitness -0.6123" in squeezed(shown)
    assert "gamma" not in shown
    assert f"loss figure: {best.with_name('best-loss.png')}" in shown
    assert {file.name for file in best.parent.iterdir()} == {"best.json", "best-loss.png"}


@pytest.mark.parametrize("kind", ["gamma", "attraction", "heatmap"])
def test_figures_of_classes_are_refused(best, kind, capsys):
    assert inspect.main([str(best), "--figure", kind]) == 2
    assert f"the figure 'loss' alone, no '{kind}'" in capsys.readouterr().err
    assert len(list(best.parent.iterdir())) == 1


def test_losses_of_both_kinds_are_inspected_one_at_a_time(best, capsys):
    assert inspect.main(["mse", str(best)]) == 2
    shown = capsys.readouterr().err
    assert "'mean_squared_error' is for classification, 'best' for regression" in shown


def test_a_binary_loss_is_drawn_against_the_probability(tmp_path, capsys):
    family = ExpressionFamily(problem="binary")
    Artifact(family, family.baselines()["mse"]).save(tmp_path / "best.json")
    assert inspect.main([str(tmp_path / "best.json"), "bce", "--figure", "all"]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    assert "gamma" not in shown
    assert [file.name for file in tmp_path.glob("*.png")] == ["best-and-others-loss.png"]
    assert inspect.main([str(tmp_path / "best.json"), "--figure", "heatmap"]) == 2
    assert "the figure 'loss' alone, no 'heatmap'" in capsys.readouterr().err
