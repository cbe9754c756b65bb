"""``lossmeta search`` on several tasks."""

import copy
import csv
import io
import json
from contextlib import redirect_stdout
from functools import partial

import pytest
import torch
import yaml

from lightning_lossmeta import (
    MLP,
    Candidate,
    CMAESSearcher,
    DigitsDataModule,
    MetaLossTrainer,
    Session,
    SupervisedModule,
    Task,
    TaylorFamily,
    TrainerEvaluator,
)
from lightning_lossmeta.__main__ import main
from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta.cli.configuration import patched
from lightning_lossmeta.models import LogisticRegression

HIDDEN = "model.init_args.network.init_args.hidden"
LOGISTIC = {
    "class_path": "lightning_lossmeta.models.LogisticRegression",
    "init_args": {"in_features": 64, "num_classes": 10},
}
TASKS = {
    "small network": {HIDDEN: [8]},
    "logistic": {"model.init_args.network": LOGISTIC, "data.init_args.batch_size": 30},
}
CONFIG = {
    "seed_everything": 3,
    "trainer": {
        "accelerator": "cpu",
        "callbacks": [{"class_path": "CandidateCurves", "init_args": {"pictures": False}}],
    },
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
    "tasks": TASKS,
    "family": {"class_path": "TaylorFamily", "init_args": {"start": "mse"}},
    "searcher": {"class_path": "CMAESSearcher", "init_args": {"population": 3}},
    "evaluator": "PopulationEvaluator",
    "generations": 2,
    "session": {"steps": 12, "validations": 1},
    "comparison": {"seeds": 2, "tuning_seeds": 1, "learning_rate_factors": [0.1, 1.0]},
}
LOSSES = ["learned", "cross-entropy", "MSE"]


def _search(tmp_path, *options, **changes):
    path = tmp_path / "tasks.yaml"
    path.write_text(yaml.safe_dump(CONFIG | changes, sort_keys=False))
    return main(["search", "--config", str(path), *options])


def _history(folder):
    with (folder / "history.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def _compared(folder):
    with (folder / "comparison.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a small search on two tasks."""
    folder = tmp_path_factory.mktemp("multitask")
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert _search(folder, "--run_dir", str(folder / "run")) == 0
    (folder / "printed.txt").write_text(printed.getvalue())
    return folder / "run"


def test_fitness_is_the_mean_of_what_each_task_gives_alone(run):
    session = Session(steps=12, validations=1, accelerator="cpu")
    sgd = partial(torch.optim.SGD, lr=0.1)
    alone = [
        Task(lambda: SupervisedModule(MLP(64, [8], 10), optimizer=sgd), DigitsDataModule(50)),
        Task(
            lambda: SupervisedModule(LogisticRegression(64, 10), optimizer=sgd),
            DigitsDataModule(30),
        ),
    ]
    family, evaluator = TaylorFamily(start="mse"), TrainerEvaluator()
    rows = _history(run)
    assert len(rows) == 6
    for generation in range(2):
        own = [row for row in rows if int(row["generation"]) == generation]
        candidates = [Candidate(None, tuple(map(float, row["theta"].split()))) for row in own]
        scores = []
        for number, task in enumerate(alone):
            seed = derived_seed(3, Purpose.GENERATION, generation, number)
            seeded = Task(task.module, task.data, session, seed)
            found = evaluator.evaluate(candidates, family, [seeded])
            scores.append([item.fitness for item in found])
        assert scores[0] != scores[1]
        expected = [(a + b) / 2 for a, b in zip(*scores, strict=True)]
        found = [float(row["fitness"]) for row in own]
        assert found == pytest.approx(expected, abs=0.003)  # two samples


def test_the_comparison_covers_all_tasks(run):
    rows = _compared(run)
    for name in TASKS:
        losses = [row["loss"] for row in rows if row["task"] == name]
        assert losses == [loss for loss in LOSSES for _ in range(2)]
    assert len(rows) == len(TASKS) * len(LOSSES) * 2


def test_what_a_run_keeps_of_its_tasks(run):
    assert yaml.safe_load((run / "config.yaml").read_text())["tasks"] == TASKS
    described = json.loads((run / "best.json").read_text())["provenance"]["tasks"]
    assert [task["name"] for task in described] == list(TASKS)
    assert [task["network"] for task in described] == ["MLP", "LogisticRegression"]


def test_a_fit_goes_on_with_the_main_task(run):
    fit = yaml.safe_load((run / "fit.yaml").read_text())
    assert fit["model"]["init_args"]["network"]["init_args"]["hidden"] == [8]
    assert fit["data"]["init_args"]["batch_size"] == 50
    (first, *_) = _compared(run)
    assert first["task"] == "small network"
    factor = fit["trainer"]["callbacks"][0]["init_args"]["learning_rate_factor"]
    assert factor == float(first["learning_rate_factor"])


def test_a_table_a_task_and_the_mean_are_printed(run):
    printed = " ".join((run.parent / "printed.txt").read_text().split())
    for name in TASKS:
        assert f"best learning rate: {name} " in printed
    assert "Average rank over 2 tasks" in printed
    assert "mean over 2 tasks: val_accuracy 0." in printed


def test_a_stopped_search_goes_on_bit_for_bit(run, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    ask = CMAESSearcher.ask

    def stopping(self):
        if self.generation == 1:
            raise KeyboardInterrupt
        return ask(self)

    with monkeypatch.context() as patch:
        patch.setattr(CMAESSearcher, "ask", stopping)
        assert _search(tmp_path, "--run_dir", str(folder)) == 130
    assert len(_history(folder)) == 3
    assert main(["search", "--resume", str(folder)]) == 0
    assert _history(folder) == _history(run)
    assert _compared(folder) == _compared(run)
    assert (folder / "fit.yaml").read_text() == (run / "fit.yaml").read_text().replace(
        str(run), str(folder)
    )


@pytest.mark.parametrize(
    ("tasks", "named"),
    [
        (TASKS | {"logistic": {HIDDEN: [9]}}, "logistic"),
        ({"small network": TASKS["small network"]}, "logistic"),
    ],
)
def test_resume_refuses_other_tasks_and_names_them(run, tmp_path, capsys, tasks, named):
    assert _search(tmp_path, "--resume", str(run), tasks=tasks) == 2
    said = capsys.readouterr().err
    assert "these differ" in said
    assert named in said


REGRESSION = {
    "model.init_args.network.init_args": {"in_features": 10, "hidden": [4], "num_classes": 1},
    "data.class_path": "lightning_lossmeta.data.DiabetesDataModule",
    "data.init_args": {},
}


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ({"modl.init_args.network": 3}, ["a setting of model or data", "'modl.init_args.network'"]),
        (
            {"model.init_args.network.init_args.hiden": [3]},
            ["'hiden' is not accepted", "Did you mean 'hidden'?"],
        ),
        ({"data.init_args.batchsize": 3}, ["'batchsize' is not accepted", "'batch_size'?"]),
        ({"data.init_args.processes": 3}, ["It is an argument of ProcessEvaluator."]),
        ({"data.class_path": "lightning_lossmeta.NoData"}, ["'lightning_lossmeta.NoData'"]),
        ({"model.init_args.network.init_args.num_classes": 7}, ["7 outputs", "the task 'second'"]),
        (REGRESSION, ["a loss that fits the targets of Diabetes", "the task 'second'"]),
        (
            {"model.init_args.metric_name": "f1"},
            ["the task 'second'", "to log `val_accuracy`", "val_f1"],
        ),
    ],
)
def test_what_is_wrong_with_a_task_is_one_clear_message(tmp_path, capsys, change, messages):
    tasks = {"first": {}, "second": copy.deepcopy(change)}
    assert _search(tmp_path, "--run_dir", str(tmp_path / "run"), tasks=tasks) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    for message in messages:
        assert message in said
    assert not (tmp_path / "run" / "history.jsonl").exists(), "no generation was done"


@pytest.mark.parametrize("key", ["model", "data.class_path.a", "trainer.accelerator"])
def test_keys_that_lead_nowhere_are_named(key):
    with pytest.raises(ValueError, match=f"a setting of model or data, .* got '{key}'"):
        patched({"model": CONFIG["model"], "data": CONFIG["data"]}, {key: 3})


def test_a_task_twice_is_no_silent_loss_of_one(tmp_path, capsys):
    path = tmp_path / "twice.yaml"
    path.write_text("tasks:\n  a: {}\n  a: {}\n")
    assert main(["search", "--config", str(path)]) == 2
    assert "found the key 'a' twice" in capsys.readouterr().err


@pytest.mark.parametrize("names", [("a", "a"), ("task0", "b")])
def test_tasks_of_one_name_are_refused(tmp_path, names):
    module, data = SupervisedModule(MLP(64, [], 10)), DigitsDataModule()
    trainer = MetaLossTrainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    more = [Task(module, data, name=name) for name in names]
    with pytest.raises(ValueError, match="different names, got"):
        trainer.search(module, data, more_tasks=more, run_dir=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
