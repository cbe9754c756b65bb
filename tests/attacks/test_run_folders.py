"""Folders of runs, damaged: going on with one gives what is right, or is refused with words."""

import collections
import contextlib
import io
import random
import shutil

import pytest
from attack_runs import differences
from attacking import ending, sizes
from mutations import changed_json, damaged
from small_search import small_search

from lightning_lossmeta import CandidateCurves, ComparisonConfig

#: What is damaged in a search that goes on by a generation, and in one that is compared again.
SEARCH = ["state.json"] * 3 + ["history.jsonl"] * 2 + ["history.csv"] * 2
SEARCH += ["best.json", "tensorboard/**/events*", ".lock"]
COMPARISON = ["trainings/*.json"]

SMALL = ComparisonConfig(seeds=2, tuning_seeds=1, learning_rate_factors=(1.0,), steps=4)


def _search(directory, **more):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        return small_search(directory, [CandidateCurves(top_k=1)], steps=5, **more)


def _change(content, name, rng):
    """New content of a file; ``None`` removes it."""
    if rng.random() < 0.05:
        return None
    if name.endswith(".json") and rng.random() < 0.7:
        return changed_json(content.decode(), rng)
    return damaged(content, rng)


def _damage(run, patterns, rng):
    """Damage a file or all of a kind; says which."""
    pattern = rng.choice(patterns)
    paths = sorted(path for path in run.glob(pattern) if path.is_file())
    for path in paths if rng.random() < 0.2 else rng.sample(paths, 1):
        content = _change(path.read_bytes(), path.name, rng)
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    return pattern


def _go_on(run, reference, **more):
    """Resume, and compare with what is right; a refusal is a ``ValueError``."""
    try:
        _search(None, resume=str(run), **more)
    except (ValueError, FileNotFoundError) as error:
        if str(run) not in str(error) or len(str(error)) > 1000:
            raise RuntimeError(f"unclear words {error!s:.300}") from error
        raise ValueError(str(error)) from None
    pattern = "comparison.*" if "comparison" in more else "**/*"
    if wrong := differences(reference, run, pattern, curves=False):
        raise RuntimeError(f"goes on, but {wrong[:3]}")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run in the middle of its search, what comes of it, and a run with its comparison."""
    folder = tmp_path_factory.mktemp("runs")
    middle, whole, compared = (folder / name for name in ("middle", "whole", "compared"))
    _search(middle, generations=2)
    shutil.copytree(middle, whole)
    _search(None, resume=str(whole), generations=3)
    shutil.copytree(middle, compared)
    _search(None, resume=str(compared), generations=2, comparison=SMALL)
    return middle, whole, compared


@pytest.mark.filterwarnings("ignore")
@sizes(small=8, large=1000)
def test_damaged_runs_go_on_or_are_refused(runs, tmp_path, count, seed, report):
    middle, whole, compared = runs
    rng, ends, wrong = random.Random(seed), collections.Counter(), collections.Counter()
    for _ in range(count):
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        if rng.random() < 0.75:
            shutil.copytree(middle, run)
            kind, reference, more = _damage(run, SEARCH, rng), whole, {"generations": 3}
        else:
            shutil.copytree(compared, run)
            kind, reference = _damage(run, COMPARISON, rng), compared
            more = {"generations": 2, "comparison": SMALL}
        end = ending(lambda: _go_on(run, reference, **more), ValueError, 120)  # noqa: B023
        ends[f"{kind}: {end if end in ('ok', 'refused') else 'wrong'}"] += 1
        if end not in ("ok", "refused"):
            wrong[f"{kind}: {end}"] += 1
            print(kind, end, flush=True)
    report(f"{count} folders, seed {seed}: {dict(sorted(ends.items()))}")
    assert not wrong
