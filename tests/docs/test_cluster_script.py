"""The script for SLURM in docs/cluster.md: what it runs, and what it does when its time is up."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from waiting import wait_for

PAGE = Path(__file__).parents[2] / "docs/cluster.md"
LOSSMETA = """#!/bin/bash
echo "lossmeta $*" >> "$HOME/told"
trap 'echo stopped >> "$HOME/told"; kill $!; exit 130' TERM
[ "$MODE" = ends ] && exit 0
sleep 600 &
wait
"""
SCONTROL = """#!/bin/bash
echo "scontrol $*" >> "$HOME/told"
"""


@pytest.fixture
def start(tmp_path):
    """Starts the script with a home, and programs, of its own."""
    script = re.search(r"```bash\n(#!/bin/bash.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    for name, text in (("driver.sh", script), ("lossmeta", LOSSMETA), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path), "SLURM_JOB_ID": "17"}

    def run(mode):
        command = ["bash", str(tmp_path / "driver.sh")]
        return subprocess.Popen(command, env={**environment, "MODE": mode})

    return run


def _told(tmp_path):
    told = tmp_path / "told"
    return told.read_text().splitlines() if told.exists() else []


def test_when_its_time_is_up_it_ends_the_driver_and_is_queued_again(start, tmp_path):
    job = start("waits")
    wait_for(lambda: _told(tmp_path))
    job.send_signal(signal.SIGUSR1)
    assert job.wait(120) == 0
    first, *others = _told(tmp_path)
    assert first.startswith("lossmeta search --config configs/search/quickstart.yaml --run_dir")
    assert "--evaluator SubmititEvaluator --evaluator.folder" in first
    assert others == ["stopped", "scontrol requeue 17"]


def test_the_second_time_it_goes_on(start, tmp_path):
    run = tmp_path / "runs/mnist"
    run.mkdir(parents=True)
    (run / "state.json").touch()
    assert start("ends").wait(120) == 0
    assert _told(tmp_path) == [f"lossmeta search --resume {run}"]
