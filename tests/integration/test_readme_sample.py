"""The README's Python sample as a file, without its guard, and from standard input."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START = """
from strangers import BlobsData as MyData, StrangersNet as MyModule
print("started", flush=True)
"""
SMALLER = {
    "population=20": "population=2",
    "generations=10": "generations=1",
    "steps=200": "steps=4",
    "ComparisonConfig()": "ComparisonConfig(seeds=2, tuning_seeds=1, learning_rate_factors=(1.0,))",
}


def _sample():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (sample,) = (block for block in blocks if "MetaLossTrainer(" in block)
    for whole, small in SMALLER.items():
        assert whole in sample
        sample = sample.replace(whole, small)
    return START + sample


def _unguarded(sample):
    start, guard, guarded = re.split(r"^(if __name__ == .*\n)", sample, flags=re.MULTILINE)
    assert guard
    return start + textwrap.dedent(guarded)


@pytest.mark.parametrize("way", ["file", "file without guard", "standard input"])
def test_the_sample_runs(tmp_path, way):
    sample = _sample() if way == "file" else _unguarded(_sample())
    (tmp_path / "sample.py").write_text(sample)
    paths = [str(ROOT), str(ROOT / "tests" / "helpers")]
    with (tmp_path / "sample.py").open() as file:
        done = subprocess.run(
            [sys.executable, "-" if way == "standard input" else "sample.py"],
            stdin=file,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "t-test paired by seed" in " ".join(done.stdout.split())
    if way != "file":
        assert done.stdout.count("started") == 1
