import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from interrupts import hears_ctrl_c
from waiting import wait_for

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.callbacks.search_state import load_state

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "configs" / "search" / "quickstart.yaml")
DIGITS = str(ROOT / "configs" / "fit" / "digits.yaml")
TINY = ["--generations", "2", "--session.steps", "12", "--searcher.init_args.population", "4"]
STACKED = ["--evaluator", "lightning_lossmeta.PopulationEvaluator"]
STRANGER = {
    "trainer": {"accelerator": "cpu"},
    "model": {"class_path": "strangers.StrangersNet"},
    "data": {"class_path": "strangers.BlobsData"},
    "monitor": "val_acc",
    "family": {"class_path": "TaylorFamily", "init_args": {"start": "mse"}},
    "searcher": {"class_path": "CMAESSearcher", "init_args": {"population": 4}},
    "evaluator": "TrainerEvaluator",
    "generations": 6,
    "session": {"steps": 20},
}


def _rows(run):
    with (Path(run) / "history.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The quickstart on a tiny budget."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    small = ["--comparison.seeds", "2", "--comparison.tuning_seeds", "1", "--run_dir", str(folder)]
    small += ["--comparison.learning_rate_factors", "[0.3, 1.0]"]
    assert main(["search", "--config", QUICKSTART, *TINY, *STACKED, *small]) == 0
    return folder


def test_the_folder_of_a_run(run):
    names = {path.name for path in run.iterdir()}
    expected = {"config.yaml", "history.csv", "tensorboard", "best.json", "state.json", "fit.yaml"}
    assert expected <= names
    assert len(_rows(run)) == 8
    assert (run / "tensorboard" / "gen001" / "cand03").is_dir()


def test_the_table_and_the_next_commands_are_printed(tmp_path, capsys):
    arguments = [*TINY, *STACKED, "--run_dir", str(tmp_path / "run")]
    small = ["--comparison.seeds", "2", "--comparison.tuning_seeds", "1"]
    small += ["--comparison.learning_rate_factors", "[1.0]"]
    assert main(["search", "--config", QUICKSTART, *arguments, *small]) == 0
    printed = capsys.readouterr().out
    for text in ("cross-entropy", "MSE", "learned", "generation 2/2", "mean_k["):
        assert text in printed
    for command in ("lossmeta inspect", "tensorboard --logdir", "lossmeta fit --config"):
        assert command in printed


def test_the_saved_config_runs_again_as_it_is(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = shutil.copy(run / "config.yaml", tmp_path / "again.yaml")
    assert main(["search", "--config", str(config)]) == 0
    (again,) = (tmp_path / "runs").iterdir()
    assert again.name.startswith("again-")
    assert _rows(again) == _rows(run)


def test_fit_with_a_learned_loss_by_option(run, tmp_path):
    loss = ["--model.init_args.loss_fn", "lightning_lossmeta.LearnedLoss"]
    loss += ["--model.init_args.loss_fn.init_args.path", str(run / "best.json")]
    common = ["--config", DIGITS, *loss, "--trainer.default_root_dir", str(tmp_path)]
    common += ["--trainer.enable_progress_bar", "false"]
    assert main(["fit", *common, "--trainer.max_epochs", "1"]) == 0
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    for command in ("validate", "test", "predict"):
        assert main([command, *common, "--ckpt_path", str(checkpoint)]) == 0
    saved = yaml.safe_load(next(tmp_path.rglob("config.yaml")).read_text())
    assert saved["model"]["init_args"]["loss_fn"]["class_path"] == "lightning_lossmeta.LearnedLoss"
    # A checkpoint does not depend on the loss that trained it.
    plain = ["--config", DIGITS, "--trainer.default_root_dir", str(tmp_path)]
    assert main(["test", *plain, "--ckpt_path", str(checkpoint)]) == 0


def test_fit_with_the_config_that_a_search_leaves(run, tmp_path, capsys):
    arguments = ["--config", str(run / "fit.yaml"), "--trainer.default_root_dir", str(tmp_path)]
    assert main(["fit", *arguments]) == 0
    content = yaml.safe_load((run / "fit.yaml").read_text())
    (callback,) = content["trainer"]["callbacks"]
    assert callback["class_path"] == "lightning_lossmeta.InjectLoss"
    rows = json.loads((run / "comparison.json").read_text())
    kept = json.loads((run / "best.json").read_text())["provenance"].get("not_learned", "learned")
    (factor,) = [row["learning_rate_factor"] for row in rows if row["loss"] == kept]
    assert callback["init_args"]["learning_rate_factor"] == factor


def _config(tmp_path, **changes):
    path = tmp_path / "stranger.yaml"
    path.write_text(yaml.safe_dump({**STRANGER, **changes}))
    return str(path)


def test_a_strangers_module_and_data(tmp_path):
    folder = tmp_path / "run"
    config = _config(tmp_path, generations=2)
    assert main(["search", "--config", config, "--run_dir", str(folder)]) == 0
    assert json.loads((folder / "best.json").read_text())["provenance"]["fitness"] > 0.8
    root = ["--trainer.default_root_dir", str(tmp_path)]
    assert main(["fit", "--config", str(folder / "fit.yaml"), *root]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stepz", "3"], "Did you mean 'session.steps'?"),
        (["--family", "TaylorFamly"], "Did you mean 'TaylorFamily'?"),
        (["--model", "strangers.StrangerNet"], "Did you mean 'StrangersNet'?"),
        (["--searcher.init_args.populaton", "3"], "Did you mean 'population'?"),
        (["--searcher.init_args.population", "1"], "`population` to be an integer of at least 2"),
        (["--generations", "0"], "`generations` to be an integer of at least 1, got 0"),
        (["--session.steps", "-1"], "`steps` to be an integer of at least 1, got -1"),
        (["--model.init_args.outputs", "2"], "targets from 0 to 2"),
        (["--resume", "nowhere"], "nowhere/state.json"),
        (["--monitor", "val_f1"], "val_f1"),
    ],
)
def test_bad_input_is_one_clear_message(tmp_path, capsys, arguments, message):
    config = _config(tmp_path)
    try:
        status = main(["search", "--config", config, "--run_dir", str(tmp_path / "r"), *arguments])
    except SystemExit as stop:
        status = stop.code
    printed = capsys.readouterr().err
    assert status == 2
    assert message in printed
    assert "Traceback" not in printed


def test_a_data_folder_that_is_not_there(tmp_path, capsys):
    config = str(ROOT / "configs" / "search" / "taylorglo_mnist.yaml")
    data = ["--data.init_args.root", str(tmp_path), "--data.init_args.download", "false"]
    assert main(["search", "--config", config, *data]) == 2
    printed = capsys.readouterr().err
    assert str(tmp_path / "MNIST" / "raw") in printed
    assert "t10k-labels-idx1-ubyte" in printed


def test_no_such_command(capsys):
    assert main(["serch"]) == 2
    assert "Did you mean 'search'?" in capsys.readouterr().err
    assert main([]) == 0
    assert "lossmeta search --config" in capsys.readouterr().out
    assert main(["--version"]) == 0


def test_help_imports_no_torch():
    code = "import sys; from lightning_lossmeta.__main__ import main; main(['--help']);"
    code += "assert not {'torch', 'pytorch_lightning', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def _start(arguments, folder):
    path = os.pathsep.join(
        [str(ROOT), str(ROOT / "tests" / "helpers"), os.environ.get("PYTHONPATH", "")]
    )
    return subprocess.Popen(
        [sys.executable, "-m", "lightning_lossmeta", "search", *arguments],
        cwd=folder,
        env=dict(os.environ, PYTHONPATH=path, OMP_NUM_THREADS="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=hears_ctrl_c,
    )


def _wait_for_rows(process, run, count):
    def enough():
        if process.poll() is not None:
            raise AssertionError(process.communicate()[0])
        return (run / "state.json").exists() and len(_rows(run)) >= count

    wait_for(enough)


def test_after_kill_9_a_search_goes_on_bit_for_bit(tmp_path):
    # More generations than can be done before it is killed, however late that is.
    config = _config(tmp_path, generations=10**6)
    process = _start(["--config", config, "--run_dir", "cut"], tmp_path)
    _wait_for_rows(process, tmp_path / "cut", 8)
    process.kill()
    process.wait()
    generations = ["--generations", str(len(_rows(tmp_path / "cut")) // 4 + 4)]
    assert main(["search", "--resume", str(tmp_path / "cut"), *generations]) == 0
    whole = ["--config", _config(tmp_path), "--run_dir", str(tmp_path / "whole")]
    assert main(["search", *whole, *generations]) == 0
    assert _rows(tmp_path / "cut") == _rows(tmp_path / "whole")
    best = [(tmp_path / name / "best.json").read_text() for name in ("whole", "cut")]
    assert best[0] == best[1]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_says_how_to_go_on(tmp_path, kind):
    process = _start(
        ["--config", _config(tmp_path, generations=10**6), "--run_dir", "run"], tmp_path
    )
    _wait_for_rows(process, tmp_path / "run", 4)
    process.send_signal(kind)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 130, printed
    assert "lossmeta search --resume run" in printed
    assert "Traceback" not in printed
    done = load_state(tmp_path / "run").history
    resumed = ["search", "--resume", str(tmp_path / "run"), "--generations", str(len(done) + 1)]
    assert main(resumed) == 0
