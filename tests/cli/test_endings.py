"""How commands end: interrupted, with nobody reading, on a full disk, in folders of any name."""

import errno
import io
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from interrupts import hears_ctrl_c

from lightning_lossmeta.__main__ import main
from lightning_lossmeta._machine import machine_trouble
from lightning_lossmeta.artifacts import files
from lightning_lossmeta.cli.endings import interrupted, last_words, prepare_process
from lightning_lossmeta.cli.streams import SteadyStream, steady_streams

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "configs" / "search" / "quickstart.yaml")
TINY = ["--generations", "1", "--session.steps", "4", "--searcher.init_args.population", "4"]
TINY += ["--comparison", "null", "--evaluator", "lightning_lossmeta.PopulationEvaluator"]
STOPPED = """
import atexit, signal, sys, time
atexit.register(lambda: print("leaving", flush=True) or time.sleep(1))
from lightning_lossmeta.cli.endings import interrupted
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("Go on with: lossmeta search --resume 'my run'") from stop
    finally:
        print("closing", flush=True)
        time.sleep(60)
except KeyboardInterrupt as stop:
    sys.exit(interrupted(stop))
"""


def _environment():
    return dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")


def test_a_second_ctrl_c_does_not_lose_the_words():
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
        preexec_fn=hears_ctrl_c,
    )
    for expected in ("ready\n", "closing\n"):
        assert process.stdout.readline() == expected
        process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "leaving\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "\nGo on with: lossmeta search --resume 'my run'\n"


def test_a_third_while_they_are_printed_does_not_either(monkeypatch):
    class Slow(io.StringIO):
        def write(self, text):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            return super().write(text)

    slow = Slow()
    monkeypatch.setattr(sys, "stderr", slow)
    before = signal.getsignal(signal.SIGINT)
    assert interrupted(KeyboardInterrupt("Go on with: this")) == 130
    assert slow.getvalue() == "\nGo on with: this\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_full_disk_is_not_told_by_threads_too(monkeypatch, capsys):
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    before = signal.getsignal(signal.SIGTERM)
    prepare_process()
    signal.signal(signal.SIGTERM, before)

    def fails(error):
        raise error

    for error in (OSError(errno.ENOSPC, "No space left on device"), KeyError("a bug")):
        thread = threading.Thread(target=fails, args=(error,))
        thread.start()
        thread.join()
    said = capsys.readouterr().err
    assert "No space" not in said
    assert "KeyError: 'a bug'" in said


def test_the_words_of_an_interrupt_without_any():
    assert last_words(KeyboardInterrupt()) == "Interrupted."
    stop = KeyboardInterrupt()
    stop.__context__ = ValueError("something else")
    assert last_words(stop) == "Interrupted."


class Shut(io.StringIO):
    """A stream whose reader has gone."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC])
def test_a_stream_that_can_not_be_written_stops_nothing(number):
    stream = SteadyStream(Shut(number))
    assert stream.write("lost") == 4
    stream.flush()
    assert stream.error.errno == number
    assert stream.getvalue() == ""


def test_streams_are_put_back(capsys):
    out, err = sys.stdout, sys.stderr
    with steady_streams():
        print("shown")
    assert (sys.stdout, sys.stderr) == (out, err)
    assert capsys.readouterr().out == "shown\n"


@pytest.mark.parametrize("command", [["zoo"], ["export", "baikal", "--format", "python"]])
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_reader_that_has_gone_costs_nothing(command, name, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, name, stream)
        assert main(command) == 0
        monkeypatch.undo()


def test_head_1_costs_nothing():
    line = f"{shlex.quote(sys.executable)} -m lightning_lossmeta --help"
    done = subprocess.run(
        ["bash", "-c", f"({line}; echo status $? >&2) | head -1 > /dev/null"],
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    assert done.stderr == "status 0\n"


def test_a_search_outlives_its_reader(tmp_path):
    run = tmp_path / "run"
    arguments = ["search", "--config", QUICKSTART, *TINY, "--run_dir", str(run)]
    line = shlex.join([sys.executable, "-m", "lightning_lossmeta", *arguments])
    done = subprocess.run(
        ["bash", "-c", f"({line} 2>&1; echo $? > {shlex.quote(str(tmp_path / 'status'))}) | true"],
        cwd=tmp_path,
        env=_environment(),
    )
    assert done.returncode == 0
    assert (tmp_path / "status").read_text() == "0\n"
    assert (run / "fit.yaml").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_results_on_a_full_disk_are_an_error():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lightning_lossmeta", "zoo"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
        )
    assert done.returncode == 1
    assert done.stderr == "lossmeta: standard output is cut: No space left on device.\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_disk_that_is_full_or_shut_is_one_line(number, tmp_path, monkeypatch, capsys):
    def fails(path, text):
        raise OSError(number, os.strerror(number), str(path))

    search = ["search", "--config", QUICKSTART, *TINY, "--run_dir", str(tmp_path / "run")]
    monkeypatch.setattr("lightning_lossmeta.cli.run_files.write_atomic", fails)
    assert main(search) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("lossmeta: ")]
    assert os.strerror(number) in line
    assert "config.yaml" in line


def test_other_errors_of_the_system_are_not_the_machines():
    assert machine_trouble(FileNotFoundError(errno.ENOENT, "No such file", "a")) is None
    assert machine_trouble(OSError("a message alone")) is None


def test_light_commands_on_a_full_disk(tmp_path, monkeypatch, capsys):
    def fails(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fails)
    out = str(tmp_path / "loss.py")
    assert main(["export", "baikal", "--format", "python", "--out", out]) == 2
    said = capsys.readouterr().err
    assert said.startswith("lossmeta export: No space left on device; make room.")
    assert list(tmp_path.iterdir()) == []


PROJECT = """
import pytorch_lightning as pl
import torch
from torch import nn

class MyModule(pl.LightningModule):
    def __init__(self, width=4):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        self.loss_fn = nn.CrossEntropyLoss()

    def training_step(self, batch, batch_idx):
        return self.loss_fn(self.net(batch[0].float()), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val_accuracy", (self.net(batch[0].float()).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
"""


def test_modules_of_the_current_folder_are_found_and_paths_quoted(tmp_path):
    home = tmp_path / "my home"
    home.mkdir()
    (home / "my_project.py").write_text(PROJECT)
    (home / "yaml.py").write_text("raise SystemExit('the wrong yaml')")
    model = ["--model", "my_project.MyModule", "--data", "lightning_lossmeta.DigitsDataModule"]
    small = ["--generations", "1", "--session.steps", "4", "--family", "TaylorFamily", "--searcher"]
    small += ["CMAESSearcher", "--searcher.population", "4", "--evaluator", "TrainerEvaluator"]
    script = "import sys; sys.path.pop(0); from lightning_lossmeta.__main__ import main;"
    script += "sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "search", *model, *small, "--run_dir", "~/the run"],
        cwd=home,
        env={**_environment(), "HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (home / "the run" / "best.json").is_file()
    commands = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")][-3:]
    paths = [shlex.split(command, comments=True)[-1] for command in commands]
    names = ("best.json", "tensorboard", "fit.yaml")
    assert [Path(path).name for path in paths] == list(names)
    assert all(Path(path).exists() for path in paths)
    assert yaml.safe_load((home / "the run" / "fit.yaml").read_text())
