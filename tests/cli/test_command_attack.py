"""The command as a user types it: tables, files, learning rates and complaints."""

import csv
import json

import pytest
import yaml

from lightning_lossmeta.__main__ import main

CONFIG = {
    "seed": 1,
    "model": {
        "class_path": "lightning_lossmeta.SupervisedModule",
        "init_args": {
            "network": {
                "class_path": "lightning_lossmeta.models.MLP",
                "init_args": {"in_features": 64, "hidden": [16], "num_classes": 10},
            }
        },
    },
    "data": {"class_path": "lightning_lossmeta.DigitsDataModule"},
    "losses": {"CE": "cross_entropy", "MSE": "mse"},
    "comparison": {"seeds": 2, "learning_rate_factors": [1.0], "steps": 30},
    "evaluator": {"class_path": "lightning_lossmeta.PopulationEvaluator"},
    "steps": 3,
    "accelerator": "cpu",
}


@pytest.fixture
def attack(tmp_path):
    """Runs the command with changes; gives its status and folder."""

    def run(*options, **changes):
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(CONFIG | changes))
        folder = tmp_path / "run"
        return main(["attack", "--config", str(path), "--run_dir", str(folder), *options]), folder

    return run


def _lines(folder):
    with (folder / "attack.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_tables_lines_and_picture(attack, capsys):
    status, folder = attack("--epsilons", "0,0.1,0.2", "--attack", "fgsm,pgd")
    assert status == 0
    printed = capsys.readouterr().out
    for text in ("under FGSM", "under PGD, 3 steps", "s a training", "Holm", "attack.png"):
        assert text in printed
    lines = _lines(folder)
    assert len(lines) == 2 * 2 * 3 * 2
    clean = {line["accuracy"] for line in lines if line["epsilon"] == "0" and line["loss"] == "CE"}
    assert len(clean) <= 2, "the same under both attacks, for two seeds"
    assert (folder / "attack.png").stat().st_size > 10_000
    assert (folder / "attack.md").read_text().count("\n| 0.2 |") == 2
    kept = sorted((folder / "trainings").iterdir())
    text = (folder / "config.yaml").read_text()
    assert main(["attack", "--config", str(folder / "config.yaml"), "--run_dir", str(folder)]) == 0
    assert sorted((folder / "trainings").iterdir()) == kept, "nothing was trained again"
    assert _lines(folder) == lines
    assert (folder / "config.yaml").read_text() == text


def test_learning_rates_of_a_comparison_and_given_ones(attack):
    assert attack("--epsilons", "0.1", "--attack", "fgsm")[0] == 0
    _, folder = attack("--epsilons", "0.1", "--attack", "fgsm")
    assert not (folder / "attack.png").exists(), "one epsilon makes no curve"
    found = [
        {"task": "task", "loss": "CE", "learning_rate_factor": 0.3},
        {"task": "task", "loss": "MSE", "learning_rate_factor": 0.1},
    ]
    (folder / "comparison.json").write_text(json.dumps(found))
    assert attack("--attack", "fgsm", epsilons=[0.1], learning_rates={"MSE": 3.0})[0] == 0
    rates = {(line["loss"], line["learning_rate_factor"]) for line in _lines(folder)}
    assert rates == {("CE", "0.3"), ("MSE", "3")}


def test_data_whose_normalisation_nobody_knows(attack, capsys):
    network = {"class_path": "lightning_lossmeta.models.MLP"}
    network["init_args"] = {"in_features": 6, "hidden": [8], "num_classes": 3}
    model = {"class_path": "lightning_lossmeta.SupervisedModule"}
    status, folder = attack(
        data={"class_path": "strangers.BlobsData"},
        model={**model, "init_args": {"network": network}},
    )
    assert status == 2
    assert "BlobsData to have attributes `mean` and `std`" in capsys.readouterr().err
    assert not (folder / "trainings").exists()


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        (["--attack", "cw"], {}, "some of fgsm, pgd"),
        (["--epsilons", "0,-0.1"], {}, "`epsilons` to be a number"),
        (["--epsilons", "0,much"], {}, "as '0,0.05,0.1', got 'much'"),
        (["--epsilons", "0.2,0.1"], {}, "rising"),
        ([], {"learning_rates": {"GCE": 1.0}}, "`learning_rates` to name some of"),
        ([], {"learning_rates": {"CE": 0.0}}, "positive numbers, got 0.0 for 'CE'"),
        (["--epsilon", "0.1"], {}, "Did you mean 'epsilons'"),
        (["--attacked", "0"], {}, "`samples` to be an integer of at least 1"),
    ],
)
def test_complaints_before_any_training(attack, capsys, options, changes, message):
    status, folder = attack(*options, **changes)
    assert status == 2
    assert not (folder / "trainings").exists()
    assert message in capsys.readouterr().err
