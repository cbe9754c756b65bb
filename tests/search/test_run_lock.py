"""One process in a run's folder, whatever became of those before it."""

import json
import multiprocessing
import os
import signal
import socket
import threading
import time

import pytest

from lightning_lossmeta.search import run_lock as run_lock_module
from lightning_lossmeta.search.run_folder import make_directory, new_directory
from lightning_lossmeta.search.run_lock import HOLDER, RunLockedError, run_lock

FORK = multiprocessing.get_context("fork")


def _hold(folder, held, child):
    with run_lock(folder):
        if child and os.fork() == 0:
            time.sleep(2)  # a child that has the lock's file open too
            os._exit(0)
        held.set()
        time.sleep(600)


@pytest.fixture
def holder(tmp_path):
    """Starts a process that holds the folder ``run``."""
    started = []

    def start(child=False):
        held = FORK.Event()
        process = FORK.Process(target=_hold, args=(tmp_path / "run", held, child))
        process.start()
        started.append(process)
        assert held.wait(60)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def test_the_second_is_told_of_the_first(holder, tmp_path):
    first = holder()
    with pytest.raises(RunLockedError) as refusal, run_lock(tmp_path / "run"):
        pass
    text = str(refusal.value)
    assert text.startswith("Expected")
    for part in (f"process {first.pid}", socket.gethostname(), "since 2", "`run_dir`", "run'"):
        assert part in text
    assert first.is_alive()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_was_killed_is_no_obstacle(holder, tmp_path, number):
    first = holder()
    os.kill(first.pid, number)
    first.join()
    partial = tmp_path / "run" / "cells" / f".x.json.{first.pid}.part"
    partial.parent.mkdir()
    partial.write_text("half")
    kept = tmp_path / "run" / ".mine.part"
    kept.write_text("whole")
    with run_lock(tmp_path / "run"):
        assert json.loads((tmp_path / "run" / HOLDER).read_text())["pid"] == os.getpid()
        assert not partial.exists()
        assert kept.exists()
    assert not (tmp_path / "run" / HOLDER).exists()


def test_children_of_a_killed_process_are_waited_for(holder, tmp_path):
    first = holder(child=True)
    first.kill()
    first.join()
    started = time.monotonic()
    with run_lock(tmp_path / "run"):
        assert time.monotonic() - started < 30


def test_one_process_does_not_hold_it_twice_and_gives_it_back(tmp_path):
    refusals = []

    def again():
        try:
            with run_lock(tmp_path):
                pass
        except RunLockedError as error:
            refusals.append(str(error))

    def fail():
        with run_lock(tmp_path):
            thread = threading.Thread(target=again)
            thread.start()
            thread.join()
            again()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(refusals) == 2
    assert all("this process" in text for text in refusals)
    with run_lock(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"pid": "x"}', '{"pid": 1e400}'])
def test_a_damaged_name_of_the_holder_is_no_obstacle(holder, tmp_path, monkeypatch, text):
    monkeypatch.setattr(run_lock_module, "_INTRODUCTION", 0.2)
    first = holder()
    (tmp_path / "run" / HOLDER).write_text(text)
    with (
        pytest.raises(RunLockedError, match="to be used by no other process"),
        run_lock(tmp_path / "run"),
    ):
        pass
    first.kill()
    first.join()
    with run_lock(tmp_path / "run"):
        pass


def test_a_folder_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(PermissionError, match="`run_dir` to be a folder that can be written"),
        run_lock(tmp_path / "file" / "run"),
    ):
        pass


def test_a_locked_folder_counts_as_empty(tmp_path):
    with run_lock(tmp_path / "run"):
        make_directory(tmp_path / "run")


def test_folders_of_one_second_differ():
    names = {str(new_directory("digits")) for _ in range(200)}
    assert len(names) == 200
    assert all(name.startswith(os.path.join("runs", "digits-2")) for name in names)
    assert new_directory("../../x").parent.name == "runs"
