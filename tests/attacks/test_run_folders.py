"""Folders of runs, damaged: going on with one gives what is right, or is refused with words."""

import collections
import contextlib
import io
import random
import shutil

import pytest
from attack_runs import CASES, differences
from attacking import ending, sizes
from mutations import changed_json, damaged

from lightning_lossmeta.__main__ import main

#: What is damaged in a search that goes on by a generation, and in one that is compared again.
SEARCH = ["state.json"] * 3 + ["history.jsonl"] * 2 + ["history.csv", "best.json", "config.yaml"]
SEARCH += ["tensorboard/**/events*", ".lock*", "config.yaml.seal"]
COMPARISON = ["trainings/*.json"]

TINY = [
    *CASES["cma"],
    *("--generations", "2", "--session.steps", "5", "--searcher.population", "4"),
    *("--finalists", "null", "--model.init_args.network.init_args.hidden", "[4]"),
]


def _lossmeta(*arguments):
    """Status and what is printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main([*map(str, arguments)])
    return status, said.getvalue()


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
    some = paths if rng.random() < 0.2 else rng.sample(paths, min(1, len(paths)))
    for path in some:
        content = _change(path.read_bytes(), path.name, rng)
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    return pattern


def _go_on(run, generations, reference):
    """Resume, and compare with what is right; a refusal is a ``ValueError``."""
    status, said = _lossmeta("search", "--resume", run, "--generations", generations)
    if status == 2 and str(run) in said and "Traceback" not in said and len(said) < 3000:
        raise ValueError(said)
    if status != 0:
        raise RuntimeError(f"status {status}, says {said[-400:]}")
    pattern = "comparison.*" if (reference / "comparison.json").exists() else "**/*"
    if wrong := differences(reference, run, pattern, curves=False):
        raise RuntimeError(f"goes on, but {wrong[:3]}")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run in the middle of its search, what comes of it, and a run with its comparison."""
    folder = tmp_path_factory.mktemp("runs")
    middle, whole, compared = (folder / name for name in ("middle", "whole", "compared"))
    assert _lossmeta(*TINY, "--comparison", "null", "--run_dir", middle)[0] == 0
    shutil.copytree(middle, whole)
    assert _lossmeta("search", "--resume", whole, "--generations", 3)[0] == 0
    small = "{seeds: 2, tuning_seeds: 1, learning_rate_factors: [1.0], steps: 4}"
    assert _lossmeta(*TINY, "--comparison", small, "--run_dir", compared)[0] == 0
    return middle, whole, compared


@pytest.mark.filterwarnings("ignore")
@sizes(small=6, large=1000)
def test_damaged_runs_go_on_or_are_refused(runs, tmp_path, count, seed, report):
    middle, whole, compared = runs
    rng, ends, wrong = random.Random(seed), collections.Counter(), {}
    for _ in range(count):
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        if rng.random() < 0.75:
            shutil.copytree(middle, run)
            kind, generations, reference = _damage(run, SEARCH, rng), 3, whole
        else:
            shutil.copytree(compared, run)
            kind, generations, reference = _damage(run, COMPARISON, rng), 2, compared
        end = ending(lambda: _go_on(run, generations, reference), ValueError, 120)  # noqa: B023
        ends[f"{kind}: {end if end in ('ok', 'refused') else 'wrong'}"] += 1
        if end not in ("ok", "refused"):
            wrong[f"{kind}: {end}"] = wrong.get(f"{kind}: {end}", 0) + 1
            print(kind, end, flush=True)
    report(f"{count} folders, seed {seed}: {dict(sorted(ends.items()))}")
    assert not wrong
