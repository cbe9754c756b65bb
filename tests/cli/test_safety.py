"""What files from strangers can do: see SECURITY.md."""

import os
import pickle
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.cli import trust
from lightning_lossmeta.cli.class_paths import refuse_functions
from lightning_lossmeta.modules import SupervisedModule

ROOT = Path(__file__).parents[2]
DIGITS = str(ROOT / "configs" / "fit" / "digits.yaml")
QUIET = ["--trainer.logger", "false", "--trainer.enable_checkpointing", "false"]
QUIET += ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
TINY = ["--generations", "2", "--session.steps", "6", "--searcher.init_args.population", "4"]
TINY += ["--comparison", "null", "--evaluator", "lightning_lossmeta.PopulationEvaluator"]


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Something to call, by class path, that leaves a file."""
    monkeypatch.chdir(tmp_path)
    return {"class_path": "os.system", "init_args": {"command": "touch EXECUTED"}}


def _status(arguments):
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Of the network that the configuration describes."""
    folder = tmp_path_factory.mktemp("fit")
    arguments = ["--config", DIGITS, "--trainer.max_steps", "2", *QUIET[:2], *QUIET[4:]]
    assert main(["fit", *arguments, "--trainer.default_root_dir", str(folder)]) == 0
    (path,) = folder.rglob("*.ckpt")
    return torch.load(path, weights_only=True)


PLANTED = {
    "optimizer": lambda call: {"optimizer": call},
    "with its class": lambda call: {
        "_class_path": "lightning_lossmeta.SupervisedModule",
        "optimizer": call,
    },
    "another class": lambda call: {"_class_path": "os.system", "command": "touch EXECUTED"},
    "instantiator": lambda call: {"_instantiator": "os.system", "network": call, "loss_fn": call},
}


@pytest.mark.parametrize(
    ("subcommand", "where"),
    [
        *(("fit", where) for where in PLANTED),
        ("validate", "with its class"),
        ("test", "optimizer"),
        ("predict", "another class"),
    ],
)
def test_hyper_parameters_of_a_checkpoint_name_nothing(
    subcommand, where, checkpoint, command, capsys
):
    torch.save({**checkpoint, "hyper_parameters": PLANTED[where](command)}, "planted.ckpt")
    arguments = ["--config", DIGITS, *QUIET, "--ckpt_path", "planted.ckpt"]
    if subcommand == "fit":
        arguments += ["--trainer.max_steps", "3"]
    assert _status([subcommand, *arguments]) == 0
    assert not Path("EXECUTED").exists()


class Evil:
    def __reduce__(self):
        return os.system, ("touch EXECUTED",)


def test_a_pickle_in_a_checkpoint_is_not_run(checkpoint, command):
    torch.save({**checkpoint, "more": Evil()}, "planted.ckpt")
    with pytest.raises(pickle.UnpicklingError, match="Weights only"):
        main(["test", "--config", DIGITS, *QUIET, "--ckpt_path", "planted.ckpt"])
    assert not Path("EXECUTED").exists()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "finished"
    config = str(ROOT / "configs" / "search" / "quickstart.yaml")
    assert main(["search", "--config", config, *TINY, "--run_dir", str(folder)]) == 0
    return folder


@pytest.fixture
def strangers(finished, tmp_path, command):
    """A run whose configuration was changed by somebody else."""
    folder = tmp_path / "stranger"
    shutil.copytree(finished, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["model"]["init_args"]["optimizer"] = command
    config["family"] = "strange_module.Family"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "strange_module.py").write_text("open('EXECUTED', 'w')\n")
    return folder


def test_a_strangers_run_is_not_gone_on_with_unasked(strangers, capsys):
    assert main(["search", "--resume", str(strangers)]) == 2
    said = capsys.readouterr().err
    for part in ("os.system", "strange_module.Family", "--trust", "config.yaml"):
        assert part in said
    assert "Traceback" not in said
    assert not Path("EXECUTED").exists()
    assert "strange_module" not in sys.modules


@pytest.mark.parametrize(("answer", "status"), [("n", 2), ("", 2), ("y", 0)])
def test_in_a_terminal_it_asks(finished, tmp_path, monkeypatch, capsys, answer, status):
    folder = tmp_path / "stranger"
    shutil.copytree(finished, folder)
    (folder / "config.yaml.seal").unlink()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    assert main(["search", "--resume", str(folder)]) == status
    assert "lightning_lossmeta.TaylorFamily" in capsys.readouterr().out
    assert trust.is_sealed(folder / "config.yaml") == (status == 0)


def test_the_own_run_goes_on_wherever_it_lies(finished, tmp_path):
    folder = tmp_path / "moved and renamed"
    shutil.copytree(finished, folder)
    assert main(["search", "--resume", str(folder)]) == 0


def test_a_trusted_run_is_trusted_from_then_on(finished, tmp_path, monkeypatch):
    folder = tmp_path / "stranger"
    shutil.copytree(finished, folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    assert main(["search", "--resume", str(folder)]) == 2
    assert main(["search", "--resume", str(folder), "--trust"]) == 0
    assert main(["search", "--resume", str(folder)]) == 0


@pytest.mark.parametrize("key", ["", "zz" * 32, "é", "00" * 31])
def test_a_damaged_key_makes_no_seal(key, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "lightning_lossmeta").mkdir()
    (tmp_path / "lightning_lossmeta" / "key").write_text(key)
    config = tmp_path / "config.yaml"
    config.write_text("a: 1\n")
    trust.seal(config)
    assert not trust.is_sealed(config)


def test_a_seal_is_of_the_text_and_the_key(tmp_path, monkeypatch):
    config = tmp_path / "config.yaml"
    config.write_text("a: 1\n")
    trust.seal(config)
    assert trust.is_sealed(config)
    config.write_text("a: 2\n")
    assert not trust.is_sealed(config)
    key = Path(os.environ["XDG_STATE_HOME"]) / "lightning_lossmeta" / "key"
    assert key.stat().st_mode & 0o077 == 0
    for damaged in (b"\xff\xfe", b"", "\u00e9".encode(), b"0" * 64):
        (tmp_path / "config.yaml.seal").write_bytes(damaged)
        assert not trust.is_sealed(config)


@pytest.mark.parametrize("argument", ["optimizer", "lr_scheduler"])
@pytest.mark.parametrize(
    "maker",
    [
        os.system,
        partial(os.system, "touch EXECUTED"),
        partial(partial(os.system), "touch EXECUTED"),
        subprocess.Popen,
        partial(subprocess.Popen, ["touch", "EXECUTED"]),
        partial(subprocess.run, ["touch", "EXECUTED"]),
        nn.Linear,
        0,
        "SGD",
    ],
    ids=[str(number) for number in range(9)],
)
def test_a_module_takes_makers_of_its_kind_alone(argument, maker, command):
    with pytest.raises(ValueError, match=f"Expected argument `{argument}` to be a subclass of"):
        SupervisedModule(nn.Linear(2, 2), **{argument: maker})
    assert not Path("EXECUTED").exists()


@pytest.mark.parametrize("argument", ["optimizer", "lr_scheduler"])
def test_what_a_function_makes_is_looked_at(argument):
    module = SupervisedModule(nn.Linear(2, 2), **{argument: lambda *_: 3})
    with pytest.raises(ValueError, match=f"Expected argument `{argument}` to make a .*, got 3"):
        module.configure_optimizers()


@pytest.mark.parametrize("path", ["os.system", "subprocess.run", "shutil.rmtree", "torch.hub.load"])
@pytest.mark.parametrize("argument", ["optimizer", "lr_scheduler"])
def test_functions_that_a_configuration_names_are_not_called(argument, path, command, capsys):
    call = {"class_path": path, "init_args": {}}
    arguments = ["--config", DIGITS, *QUIET, f"--model.init_args.{argument}", str(call)]
    assert _status(["fit", *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_no_command_calls_a_function(command, capsys):
    config = yaml.safe_load(Path(DIGITS).read_text())
    config["model"]["init_args"]["optimizer"] = command
    Path("config.yaml").write_text(
        yaml.safe_dump({"model": config["model"], "data": config["data"]})
    )
    for name in ("fit", "search", "compare", "embed", "learning"):
        assert _status([name, "--config", "config.yaml"]) == 2
        assert (
            "Expected each `class_path` to name a class, got 'os.system'" in capsys.readouterr().err
        )
    assert not Path("EXECUTED").exists()


def test_a_task_of_several_does_not_either(command, capsys):
    dotted = {"model.init_args.optimizer.class_path": "os.system"}
    for change in ({"model.init_args.optimizer": command}, dotted):
        tasks = yaml.safe_dump({"a": {}, "b": change}, default_flow_style=True)
        for name in ("search", "compare"):
            given = yaml.safe_load(Path(DIGITS).read_text())
            Path("c.yaml").write_text(yaml.safe_dump({k: given[k] for k in ("model", "data")}))
            assert _status([name, "--config", "c.yaml", "--tasks", tasks]) == 2
            assert "os.system" in capsys.readouterr().err
    assert not Path("EXECUTED").exists()


def resnet() -> nn.Module:
    """A function that says what it makes."""
    return nn.Linear(2, 2)


def test_functions_that_say_what_they_make_pass():
    refuse_functions({"class_path": "torchvision.models.resnet18"})
    refuse_functions([{"class_path": f"{__name__}.resnet"}, {"class_path": "torch.nn.ReLU"}])
    refuse_functions({"class_path": "no.such.thing"})
    with pytest.raises(ValueError, match=r"got 'os\.getcwd'"):
        refuse_functions({"a": [{"b": {"class_path": "os.getcwd"}}]})
