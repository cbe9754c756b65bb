import csv
import json
import re
from typing import ClassVar

import pytest
import yaml

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.cli.compare.tasks import Sweep
from lightning_lossmeta.cli.configuration import patched
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.search.run_lock import run_lock

BASE = {
    "seed": 1,
    "model": {
        "class_path": "lightning_lossmeta.SupervisedModule",
        "init_args": {
            "network": {
                "class_path": "lightning_lossmeta.models.MLP",
                "init_args": {"in_features": 64, "hidden": [16], "num_classes": 10},
            },
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
        },
    },
    "data": {"class_path": "lightning_lossmeta.DigitsDataModule", "init_args": {"batch_size": 50}},
    "losses": {
        "CE": "cross_entropy",
        "GCE": {
            "class_path": "lightning_lossmeta.losses.GeneralizedCrossEntropy",
            "init_args": {"q": 0.5},
        },
    },
    "comparison": {
        "widenings": 0,
        "seeds": 2,
        "tuning_seeds": 1,
        "learning_rate_factors": [0.3, 1.0],
        "steps": 30,
        "validations": 2,
    },
    "evaluator": {"class_path": "lightning_lossmeta.PopulationEvaluator"},
    "accelerator": "cpu",
}
NOISE = {"class_path": "lightning_lossmeta.data.SymmetricNoise", "init_args": {"rate": 0.4}}


@pytest.fixture
def compare(tmp_path):
    """Runs the command on the base configuration with changes; gives its status and folder."""

    def run(*options, command="compare", **changes):
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(BASE | changes, sort_keys=False))
        folder = tmp_path / "run"
        arguments = ["--config", str(path), "--run_dir", str(folder), *options]
        return main([command, *arguments]), folder

    return run


def _rows(folder):
    with (folder / "comparison.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_report_where_it_is_asked_for(compare, capsys):
    status, folder = compare("--report")
    page = folder / "report.html"
    assert status == 0
    assert str(page) in capsys.readouterr().out.replace("\n", "")
    text = page.read_text("utf-8")
    assert "GCE" in text
    assert "report" not in yaml.safe_load((folder / "config.yaml").read_text("utf-8"))


def test_a_report_that_cannot_be_drawn_is_refused_before_any_training(compare, capsys, monkeypatch):
    monkeypatch.setattr("lightning_lossmeta.report.page.find_spec", lambda name: None)
    status, folder = compare("--report")
    assert status == 2
    assert "lightning-lossmeta[report]" in capsys.readouterr().err
    assert not folder.exists()


def test_the_table_and_the_files(compare, capsys):
    status, folder = compare()
    assert status == 0
    printed = capsys.readouterr().out
    for text in ("CE", "GCE", "each loss at its best", "Holm", "comparison.tex"):
        assert text in printed
    names = {path.name for path in folder.iterdir()}
    assert {"config.yaml", "trainings", "comparison.md", "comparison.json"} <= names
    assert len(_rows(folder)) == 4


def test_the_stored_config_runs_again_and_trains_nothing_twice(compare, tmp_path):
    _, folder = compare()
    first = (folder / "comparison.json").read_text()
    trainings = sorted((folder / "trainings").iterdir())
    stamps = [path.stat().st_mtime_ns for path in trainings]
    again = ["compare", "--config", str(folder / "config.yaml"), "--run_dir", str(folder)]
    assert main(again) == 0
    assert (folder / "comparison.json").read_text() == first
    assert [path.stat().st_mtime_ns for path in sorted((folder / "trainings").iterdir())] == stamps


def test_a_loss_added_later_trains_only_what_is_its_own(compare):
    _, folder = compare()
    before = {path.name for path in (folder / "trainings").iterdir()}
    compare(losses=BASE["losses"] | {"MAE": "mean_absolute_error"})
    after = {path.name for path in (folder / "trainings").iterdir()}
    assert before < after
    assert len(after - before) == 2 + 2
    assert len(_rows(folder)) == 6


def test_tasks_a_sweep_and_their_pictures(compare):
    tasks = {"noise": {"data.init_args.noise": NOISE}}
    sweep = {"key": "data.init_args.noise.init_args.rate", "values": [0.0, 0.6]}
    one_rate = ["--comparison.learning_rate_factors", "[1.0]"]
    status, folder = compare(*one_rate, tasks=tasks, sweep=sweep)
    assert status == 0
    found = {row["task"] for row in _rows(folder)}
    assert found == {"noise, noise rate 0", "noise, noise rate 0.6"}
    assert (folder / "sweep.png").stat().st_size > 5000
    assert not (folder / "critical_difference.png").exists(), "its values are no tasks"
    tables = (folder / "comparison.json").read_text()
    only = ["--only", '["noise, noise rate 0.6"]', "--samples", "100"]
    assert compare(*only, command="embed", tasks=tasks, sweep=sweep)[0] == 0
    assert (folder / "embedding.png").stat().st_size > 5000
    assert (folder / "comparison.json").read_text() == tables
    flipped = {row["task"]: row["train_flipped_accuracy"] for row in _rows(folder)}
    assert flipped["noise, noise rate 0.6"]


def test_epochs_are_those_of_each_task(compare):
    tasks = {"all": {}, "few": {"data.init_args.train_size": 200}}
    budget = BASE["comparison"] | {"steps": None, "learning_rate_factors": [1.0]}
    status, folder = compare(tasks=tasks, comparison=budget, epochs=2)
    assert status == 0
    stored = [json.loads(path.read_text()) for path in (folder / "trainings").iterdir()]
    assert {item["training"]["session"]["steps"] for item in stored} == {2 * 4, 2 * 21}
    assert (folder / "critical_difference.png").stat().st_size > 5000


def test_an_embedding(compare, capsys):
    status, folder = compare("--samples", "120", command="embed")
    assert status == 0
    assert capsys.readouterr().out.count("silhouette") == 2
    assert (folder / "embedding.png").stat().st_size > 10000


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ([], {"losses": {"a": "cross_entropy", "b": "cross_entropy"}}, "as 'a' and as 'b'"),
        ([], {"losses": {}}, "at least one"),
        ([], {"baseline": "MSE"}, r"\['CE', 'GCE'\]"),
        (["--comparison.learning_rate_factors", "[]"], {}, "at least one"),
        (["--comparison.seeds", "1"], {}, "seeds"),
        (["--epochs", "3"], {}, "got both"),
        (["--only", '["other"]'], {}, r"\['task'\], got \['other'\]"),
        ([], {"tasks": {"x": {"datum.init_args.noise": 1}}}, "datum.init_args.noise"),
        ([], {"sweep": {"key": "data.init_args.train_size", "values": [5, 5]}}, "each once"),
        (
            [],
            {"tasks": {"x": {"model.init_args.network.init_args.num_classes": 7}}},
            "7 outputs",
        ),
        (
            [],
            {"tasks": {"x": {"data.init_args.noise": NOISE | {"init_args": {"rate": 1.5}}}}},
            r"in \[0, 1\), got 1.5",
        ),
    ],
)
def test_what_is_wrong_is_said_before_any_training(compare, capsys, options, changes, message):
    try:
        status, folder = compare(*options, **changes)
    except SystemExit as stop:
        status, folder = stop.code, None
    assert status == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert "Traceback" not in error
    assert folder is None or not (folder / "trainings").exists()


def test_a_loss_of_another_kind_of_task(compare, capsys):
    regression = {"class_path": "lightning_lossmeta.losses.RegressionSquaredError"}
    status, folder = compare(losses={"MSE": regression})
    assert status == 2
    assert "'MSE', which is for regression" in capsys.readouterr().err
    assert not (folder / "trainings").exists()


def test_a_loss_that_there_is_not(compare, capsys):
    status, _ = compare(losses={"a": "cross_entropie"})
    assert status == 2
    assert "cross_entropy" in capsys.readouterr().err


def test_a_key_twice_is_no_silent_loss(tmp_path, capsys):
    path = tmp_path / "twice.yaml"
    path.write_text("losses:\n  CE: cross_entropy\n  CE: mean_absolute_error\n")
    assert main(["compare", "--config", str(path)]) == 2
    assert "line 3, column 3: found the key 'CE' twice" in capsys.readouterr().err


def test_patches_reach_into_what_was_not_there():
    base = {"model": {}, "data": {"init_args": None}}
    assert patched(base, {"data.init_args.noise.init_args.rate": 0.1}) == {
        "model": {},
        "data": {"init_args": {"noise": {"init_args": {"rate": 0.1}}}},
    }
    assert base["data"]["init_args"] is None


def test_a_sweep_has_the_name_of_its_setting():
    assert Sweep("data.init_args.train_size", [10.0]).label == "train size"
    assert Sweep("data.init_args.noise.init_args.rate", [0.1]).label == "noise rate"


@pytest.mark.parametrize(
    ("key", "values", "names"),
    [
        ("data.init_args.train_size", [200, 300], ["train size 200", "train size 300"]),
        ("data.init_args.noise_seed", [1234567, 1234568], ["seed 1234567", "seed 1234568"]),
        ("model.init_args.optimizer.init_args.lr", [1, 0.5], ["lr 1", "lr 0.5"]),
    ],
)
def test_sweeps_over_numbers_of_any_kind_with_one_loss(compare, key, values, names):
    one_rate = ["--comparison.learning_rate_factors", "[1.0]"]
    sweep = {"key": key, "values": values}
    status, folder = compare(*one_rate, losses={"CE": "cross_entropy"}, sweep=sweep)
    assert status == 0
    tasks = list(dict.fromkeys(row["task"] for row in _rows(folder)))
    assert [task.endswith(name) for task, name in zip(tasks, names, strict=True)] == [True, True]
    assert (folder / "sweep.png").stat().st_size > 5000
    assert "average rank" not in (folder / "comparison.md").read_text()


def test_a_learned_loss_is_named_by_its_file(compare, tmp_path):
    path = tmp_path / "learned.json"
    family = TaylorFamily(start="mse")
    Artifact(family, Candidate(None, family.space.start)).save(path)
    status, folder = compare(losses={"CE": "cross_entropy", "learned": str(path)})
    assert status == 0
    assert {row["loss"] for row in _rows(folder)} == {"CE", "learned"}


class _Setups(DigitsDataModule):
    counts: ClassVar[list[str]] = []

    def prepare_data(self):
        self.counts.append("prepare")

    def setup(self, stage=None):
        self.counts.append(str(stage))
        super().setup(stage)


def test_data_are_set_up_once(compare):
    data = {"class_path": f"{__name__}._Setups", "init_args": {"batch_size": 50}}
    budget = BASE["comparison"] | {"steps": None, "learning_rate_factors": [1.0]}
    _Setups.counts.clear()
    status, _ = compare(data=data, comparison=budget, epochs=1)
    assert status == 0
    assert sorted(_Setups.counts) == ["fit", "prepare", "test"]


WEIGHTS = {"class_path": "torch.nn.CrossEntropyLoss", "init_args": {"reduction": "none"}}


def test_what_failed_stands_in_the_table_with_its_reason(compare, capsys):
    status, folder = compare(losses=BASE["losses"] | {"odd": WEIGHTS})
    assert status == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "odd: 2 of 2 trainings failed:" in printed
    assert "diverged" not in printed
    assert {row["loss"]: row["status"] for row in _rows(folder)} == {
        "CE": "ok",
        "GCE": "ok",
        "odd": "failed",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"losses": {"odd": WEIGHTS}}, "Every training"), ({"monitor": "val_f1"}, "val_f1")],
)
def test_nothing_but_failures_is_an_error(compare, capsys, changes, message):
    status, folder = compare(**changes)
    assert status == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (folder / "comparison.csv").exists()


@pytest.mark.parametrize("precision", ["64-true", "bf16-true"])
@pytest.mark.parametrize("evaluator", ["PopulationEvaluator", "TrainerEvaluator"])
def test_other_precisions_have_scores(compare, precision, evaluator):
    status, folder = compare(
        precision=precision, evaluator={"class_path": f"lightning_lossmeta.{evaluator}"}
    )
    assert status == 0
    assert {row["status"] for row in _rows(folder)} == {"ok"}
    assert min(float(row["test accuracy"]) for row in _rows(folder)) > 0.3


def test_a_second_comparison_in_the_folder_is_refused(compare, tmp_path, capsys):
    with run_lock(tmp_path / "run"):
        status, folder = compare()
    assert status == 2
    assert "used by no other process" in capsys.readouterr().err
    assert {path.name for path in folder.iterdir()} == {".lock"}


def test_results_are_written_before_they_are_printed(compare, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rich.console.Console.print", full)
    assert compare()[0] != 0
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert {f"comparison.{end}" for end in ("csv", "md", "tex", "json")} <= written


def test_names_of_tasks_lead_nowhere_else(compare, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    tasks = {"../outside": {}, "a|b": {"data.init_args.train_size": 200}}
    status, folder = compare(tasks=tasks)
    assert status == 0
    assert {row["task"] for row in _rows(folder)} == set(tasks)
    assert [path.name for path in outside.iterdir()] == ["precious"]
