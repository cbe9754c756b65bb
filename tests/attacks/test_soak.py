"""Searches and comparisons for a long time in one process: nothing piles up."""

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from attacking import sizes
from small_search import small_search

from lightning_lossmeta import (
    AutoEvaluator,
    ComparisonConfig,
    ExpressionFamily,
    GeneticProgrammingSearcher,
    GradientRefiner,
    PopulationEvaluator,
    ProcessEvaluator,
    TrainerEvaluator,
)

#: How much of each a process may have more of at the end than after the first round.
ROOM = {"files": 3, "threads": 2, "children": 2, "shared memory": 3, "temporary files": 3}
#: MiB that the resident memory may grow by in the second half.
MEMORY = 60


def _children():
    tasks = Path("/proc/self/task").iterdir()
    return sum(len((task / "children").read_text().split()) for task in tasks)


def _reading(folder):
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "children": _children(),
        "shared memory": len(os.listdir("/dev/shm")),
        "temporary files": sum(1 for _ in folder.rglob("*")),
    }


def _round(folder, evaluators, **more):
    """A search with each evaluator, and one over expressions."""
    for place, evaluator in enumerate(evaluators):
        small_search(folder / str(place), evaluator=evaluator, generations=2, steps=6, **more)
    small_search(
        folder / "expressions",
        family=ExpressionFamily(),
        searcher=GeneticProgrammingSearcher(4),
        refiner=GradientRefiner(meta_steps=2),
        generations=2,
        steps=6,
    )
    return len(evaluators) + 1


def _large_round(folder):
    evaluators = [PopulationEvaluator(), TrainerEvaluator(), ProcessEvaluator(2), AutoEvaluator()]
    comparison = ComparisonConfig(seeds=2, tuning_seeds=1, learning_rate_factors=(1.0,), steps=5)
    return _round(folder, evaluators, comparison=comparison)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
@sizes(small=2, large=120)
def test_nothing_piles_up(request, tmp_path, monkeypatch, count, report):
    """Rounds in the small one, minutes in the large one."""
    large = request.node.get_closest_marker("attack") is not None
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    end, searches, readings = time.monotonic() + 60 * count, 0, []
    while time.monotonic() < end if large else len(readings) <= count:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        searches += _large_round(folder) if large else _round(folder, [TrainerEvaluator()])
        shutil.rmtree(folder)
        readings.append(_reading(temporary))
        if large and len(readings) % 5 == 1:
            print(f"{searches} searches, {_words(readings[-1])}", flush=True)
    first, middle, last = readings[0], readings[len(readings) // 2], readings[-1]
    report(f"{searches} searches; first {_words(first)}; middle {_words(middle)}; {_words(last)}")
    for name, room in ROOM.items():
        assert last[name] - first[name] <= room, (name, first, last)
    assert last["memory"] - middle["memory"] <= MEMORY, (middle, last)


def _words(reading):
    return ", ".join(f"{name} {value:.0f}" for name, value in reading.items())
