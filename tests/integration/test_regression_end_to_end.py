"""Regression from configuration files: search, fit, inspect, compare."""

import csv
import json
import math
from pathlib import Path

import pytest
import yaml

from lightning_lossmeta.__main__ import main

ROOT = Path(__file__).parents[2]
SEARCH = ROOT / "configs" / "search" / "diabetes_expression.yaml"
FIT = ROOT / "configs" / "fit" / "diabetes.yaml"
QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "1"]


def _csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The search of the configuration on a tiny budget."""
    folder = tmp_path_factory.mktemp("regression") / "run"
    small = ["--generations", "2", "--session.steps", "12", "--searcher.init_args.population", "5"]
    small += ["--evaluator", "lightning_lossmeta.PopulationEvaluator", "--finalists.count", "2"]
    small += ["--comparison.seeds", "2", "--comparison.tuning_seeds", "1"]
    small += ["--comparison.learning_rate_factors", "[0.3, 1.0]", "--finalists.seeds", "1"]
    assert main(["search", "--config", str(SEARCH), *small, "--run_dir", str(folder)]) == 0
    return folder


def test_a_search_finds_an_expression_with_a_finite_error(run):
    found = json.loads((run / "best.json").read_text())
    assert found["family"]["settings"]["problem"] == "regression"
    assert found["provenance"]["num_classes"] is None
    assert found["provenance"]["mode"] == "min"
    assert math.isfinite(found["provenance"]["fitness"])
    assert found["provenance"]["fitness"] < 0  # the negative of an error
    rows = _csv(run / "history.csv")
    assert len(rows) == 10
    assert {row["status"] for row in rows} <= {"ok", "diverged"}


def test_the_learned_loss_is_compared_with_losses_for_regression(run):
    rows = _csv(run / "comparison.csv")
    names = list(dict.fromkeys(row["loss"] for row in rows))
    assert names == ["learned", "squared error", "absolute error", "Huber"]
    squared = [float(row["test mse"]) for row in rows if row["loss"] == "squared error"]
    assert len(squared) == 2
    assert all(0.3 < score < 3 for score in squared)
    tuning = json.loads((run / "comparison.json").read_text())[1]
    chosen = tuning["learning_rate_factor"]
    # the least error on validation data, not the greatest
    assert tuning["tuning"][str(chosen)] == max(tuning["tuning"].values())
    assert max(tuning["tuning"].values()) < 0


def test_fit_and_test_with_what_the_search_leaves(run, tmp_path, capsys):
    root = ["--trainer.default_root_dir", str(tmp_path), "--trainer.max_epochs", "1", *QUIET]
    assert main(["fit", "--config", str(run / "fit.yaml"), *root]) == 0
    assert main(["test", "--config", str(FIT), *root]) == 0
    assert "test_mse" in capsys.readouterr().out


def test_inspect_tells_the_formula_and_draws_the_error(run, capsys):
    assert main(["inspect", str(run / "learned.json")]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    assert "mean[" in shown
    assert "Key figures" not in shown  # these are of classes
    assert (run / "learned-loss.png").read_bytes()[:4] == b"\x89PNG"


def test_an_own_table_takes_the_place_of_diabetes(tmp_path, capsys):
    path = tmp_path / "x.csv"
    lines = [f"{n % 7},{'ab'[n % 2]},{n % 7 - n % 2}" for n in range(60)]
    path.write_text("\n".join(["number,letter,y", *lines]))
    given = ["--data", "lightning_lossmeta.data.TableDataModule", "--data.path", str(path)]
    given += ["--data.target", "y", "--model.network.init_args.in_features", "3"]
    root = ["--trainer.default_root_dir", str(tmp_path), "--trainer.max_epochs", "1", *QUIET]
    assert main(["fit", "--config", str(FIT), *given, *root]) == 0


def test_compare_ranks_by_the_least_error(tmp_path, capsys):
    """A loss that learns beats one that does not, with the p-value to say so."""
    base = yaml.safe_load(SEARCH.read_text())
    losses = {
        name: {"class_path": f"lightning_lossmeta.losses.{cls}"}
        for name, cls in (("squared", "RegressionSquaredError"), ("Huber", "RegressionHuber"))
    }
    losses["flat"] = {
        "class_path": "lightning_lossmeta.families.ExpressionLoss",
        "init_args": {
            "structure": "mul(sign(f), y)",
            "theta": [1.0, 1.0, 1.0],
            "link": {"class_path": "lightning_lossmeta.Identity"},
        },
    }
    config = {
        "model": base["model"],
        "data": base["data"],
        "losses": losses,
        "baseline": "flat",
        "monitor": "val_mse",
        "mode": "min",
        "comparison": {"seeds": 5, "learning_rate_factors": [1.0], "steps": 40},
        "evaluator": {"class_path": "lightning_lossmeta.PopulationEvaluator"},
        "accelerator": "cpu",
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    folder = tmp_path / "run"
    assert main(["compare", "--config", str(tmp_path / "c.yaml"), "--run_dir", str(folder)]) == 0
    rows = {row["loss"]: row for row in json.loads((folder / "comparison.json").read_text())}
    worst = min(rows["flat"]["scores"])
    for name in ("squared", "Huber"):
        assert max(rows[name]["scores"]) < worst
        assert rows[name]["p_value"] < 0.05
    assert "test mse" in capsys.readouterr().out
