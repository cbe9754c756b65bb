import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.callbacks.search_state import load_state
from lightning_lossmeta.cli.search_methods import make_search_method, read_search_method
from lightning_lossmeta.search.run_lock import run_lock

TAYLOR = {
    "trainer": {"callbacks": [{"class_path": "lightning_lossmeta.SymbolicArchive"}]},
    "family": {"class_path": "lightning_lossmeta.TaylorFamily", "init_args": {"start": "mse"}},
    "searcher": {
        "class_path": "lightning_lossmeta.CMAESSearcher",
        "init_args": {"population": 4},
    },
    "evaluator": {"class_path": "lightning_lossmeta.PopulationEvaluator"},
    "generations": 2,
    "session": {"steps": 20},
}
BASE = {
    "seed": 1,
    "model": {
        "class_path": "lightning_lossmeta.SupervisedModule",
        "init_args": {
            "network": {
                "class_path": "lightning_lossmeta.models.MLP",
                "init_args": {"in_features": 64, "hidden": [8], "num_classes": 10},
            },
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
        },
    },
    "data": {"class_path": "lightning_lossmeta.DigitsDataModule", "init_args": {"batch_size": 50}},
    "tasks": {
        "small": {},
        "wide": {"model.init_args.network.init_args.hidden": [12]},
    },
    "losses": {"CE": "cross_entropy"},
    "methods": {
        "Taylor": {"file": "taylor.yaml"},
        "Taylor 4": {"file": "taylor.yaml", "family.init_args.order": 4, "generations": 1},
    },
    "searches": 2,
    "comparison": {
        "seeds": 2,
        "tuning_seeds": 1,
        "learning_rate_factors": [0.3, 1.0],
        "steps": 20,
        "validations": 2,
    },
    "evaluator": {"class_path": "lightning_lossmeta.PopulationEvaluator"},
    "accelerator": "cpu",
}


@pytest.fixture
def written(tmp_path):
    """Writes the files, with changes; gives the arguments."""

    def write(**changes):
        (tmp_path / "taylor.yaml").write_text(yaml.safe_dump(TAYLOR))
        (tmp_path / "compare.yaml").write_text(yaml.safe_dump(BASE | changes, sort_keys=False))
        return ["compare", "--config", str(tmp_path / "compare.yaml"), "--run_dir", _run(tmp_path)]

    return write


def _run(tmp_path):
    return str(tmp_path / "run")


def _table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _method(loss):
    return loss if loss == "CE" else loss.rsplit(" ", 1)[0]


def test_methods_learn_losses_that_are_compared(written, tmp_path, capsys):
    assert main(written()) == 0
    folder = tmp_path / "run"
    rows = _table(folder / "comparison.csv")
    counts = {}
    for row in rows:
        counts[row["task"], row["loss"]] = counts.get((row["task"], row["loss"]), 0) + 1
    assert counts == {
        (task, loss): 2 if loss == "CE" else 4
        for task in ("small", "wide")
        for loss in ("CE", "Taylor", "Taylor 4")
    }
    # Pooled rows hold the scores of each search's loss.
    each = _table(folder / "each_search" / "comparison.csv")
    for task in ("small", "wide"):
        pooled = [r["test accuracy"] for r in rows if (r["task"], r["loss"]) == (task, "Taylor")]
        single = [
            r["test accuracy"]
            for name in ("Taylor 1", "Taylor 2")
            for r in each
            if (r["task"], r["loss"]) == (task, name)
        ]
        assert pooled == single
    losses = sorted(str(path.relative_to(folder / "losses")) for path in folder.glob("losses/*/*"))
    names = ["Taylor 4-1", "Taylor 4-2", "Taylor-1", "Taylor-2"]
    assert losses == [f"{task}/{name}.json" for task in ("small", "wide") for name in names]
    made = Artifact.load(folder / "losses/wide/Taylor 4-2.json")
    assert made.family.order == 4
    assert made.provenance["tasks"][0]["name"] == "task0"
    assert len(_table(folder / "searches/small/Taylor-1/history.csv")) == 8
    said = capsys.readouterr().out
    assert "min a search" in said
    assert "2 searches of 2 seeds" in said
    assert "of each method the search that validation prefers" in " ".join(said.split())
    assert (folder / "critical_difference.png").exists()

    # The search with the best validation score stands for its method.
    each = json.loads((folder / "each_search" / "comparison.json").read_text())
    for row in json.loads((folder / "best_search" / "comparison.json").read_text()):
        own = [r for r in each if r["task"] == row["task"] and _method(r["loss"]) == row["loss"]]
        preferred = max(own, key=lambda r: max(r["tuning"].values()))
        assert row["scores"] == preferred["scores"]

    # Again: nothing is learned or trained.
    before = {path: path.stat().st_mtime_ns for path in folder.glob("[lsc]*/**/*.json")}
    assert main(written()) == 0
    assert "search 1 of" not in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("[lsc]*/**/*.json")}
    assert _table(folder / "comparison.csv") == rows


def test_searches_have_seeds_of_their_own_which_methods_share(written, tmp_path):
    assert main(written(tasks={}, methods={"A": "taylor.yaml"})) == 0
    found = [
        Artifact.load(tmp_path / f"run/losses/task/A-{number}.json").provenance["seed"]
        for number in (1, 2)
    ]
    assert found[0] != found[1]


def test_a_method_with_other_settings_is_not_taken_for_the_old_one(written, tmp_path, capsys):
    arguments = written(tasks={}, methods={"A": "taylor.yaml"}, searches=1)
    assert main(arguments) == 0
    changed = {"A": {"file": "taylor.yaml", "generations": 1}}
    assert main(written(tasks={}, methods=changed, searches=1)) == 2
    assert "something has changed" in capsys.readouterr().err


def test_a_killed_comparison_goes_on_with_its_search(written, tmp_path):
    slow = {"A": {"file": "taylor.yaml", "generations": 6, "session.steps": 60}}
    arguments = written(tasks={}, methods=slow, searches=1)
    command = [sys.executable, "-m", "lightning_lossmeta", *arguments]
    folder = tmp_path / "run/searches/task/A-1"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ})
    until = time.monotonic() + 240
    while not _generation_is_stored(folder) and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    told = len(load_state(folder).history)
    assert 1 <= told < 6
    assert main(arguments) == 0
    resumed = _told(folder)
    folder.parent.parent.parent.rename(tmp_path / "first")
    assert main(arguments) == 0
    assert _told(folder) == resumed


def _generation_is_stored(folder):
    state = folder / "state.json"
    return state.exists() and json.loads(state.read_text())["history"]["bytes"] > 0


def _told(folder):
    return load_state(folder).history


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": {"A": "nowhere.yaml"}}, "file of a method at 'nowhere.yaml'"),
        ({"methods": {"A": {"file": "taylor.yaml", "famly.order": 2}}}, "famly.order"),
        ({"methods": {"A": {"file": "taylor.yaml", "generatons": 2}}}, "generatons"),
        ({"methods": {"CE": "taylor.yaml"}}, r"\['CE'\] in both"),
        ({"searches": 0}, "searches"),
    ],
)
def test_errors_before_any_training(written, tmp_path, capsys, changes, message):
    assert main(written(**changes)) == 2
    error = capsys.readouterr().err
    import re

    assert re.search(message, error), error
    assert not (tmp_path / "run").exists()


def test_the_methods_that_come_with_the_project():
    from pathlib import Path

    files = sorted(Path("configs/methods").glob("*.yaml"))
    assert [path.stem for path in files] == ["evomal", "gp_lfl", "ml3", "taylorglo"]
    for path in files:
        for task in ("classification", "regression"):
            method = make_search_method(
                read_search_method({"file": str(path), "family.init_args.problem": task})
            )
            assert method.family.settings()["problem"] == task
            assert method.session.steps == 500


def test_a_comparison_killed_before_a_first_generation_begins_anew(written, tmp_path):
    folder = tmp_path / "run/searches/task/A-1"
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("generation,index\n")
    assert main(written(tasks={}, methods={"A": "taylor.yaml"}, searches=1)) == 0
    assert len(_table(folder / "history.csv")) == 8


def test_nothing_that_others_made_is_removed(written, tmp_path):
    folder = tmp_path / "run/searches/task/A-1"
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("years of work")
    outside = tmp_path / "outside" / "A-1"
    outside.mkdir(parents=True)
    (outside / "thesis.tex").write_text("more of it")
    tasks = {"task": {}, "../../outside": {"data.init_args.batch_size": 40}}
    assert main(written(tasks=tasks, methods={"A": "taylor.yaml"}, searches=1)) == 0
    kept = [path.read_text() for path in tmp_path.glob("**/thesis.tex")]
    assert sorted(kept) == ["more of it", "years of work"]
    assert [path.name for path in outside.iterdir()] == ["thesis.tex"]
    assert len(list((tmp_path / "run/losses").glob("*/A-1.json"))) == 2


def test_a_live_search_in_the_folder_is_left_alone(written, tmp_path, capsys):
    folder = tmp_path / "run/searches/task/A-1"
    with run_lock(folder):
        assert main(written(tasks={}, methods={"A": "taylor.yaml"}, searches=1)) == 2
        assert "used by no other process" in capsys.readouterr().err
        assert folder.exists()


@pytest.mark.parametrize(
    "changes", [{"seed": 2}, {"data": BASE["data"] | {"init_args": {"batch_size": 40}}}]
)
def test_a_loss_of_another_task_or_seed_is_not_taken(written, capsys, changes):
    settings = {"tasks": {}, "methods": {"A": "taylor.yaml"}, "searches": 1}
    assert main(written(**settings)) == 0
    assert main(written(**settings, **changes)) == 2
    assert "something has changed" in capsys.readouterr().err


def test_what_was_not_learned_is_marked(written, tmp_path, capsys):
    rejecting = {
        "file": "taylor.yaml",
        "callbacks": [
            {"class_path": "lightning_lossmeta.RejectionFilter", "init_args": {"threshold": 9}}
        ],
        "generations": 1,
    }
    assert main(written(tasks={}, methods={"A": rejecting}, searches=1)) == 0
    said = capsys.readouterr().out
    assert "A 1 on task was not learned: it is mse" in said
    assert "A: 1 of 1 searches found nothing" in " ".join(said.split())
    rows = [row for row in _table(tmp_path / "run/comparison.csv") if row["loss"] == "A"]
    assert {row["not_learned"] for row in rows} == {"1.0"}
