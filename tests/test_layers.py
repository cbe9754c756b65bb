"""The import contracts of ``pyproject.toml`` hold, and each sees what it is there to see."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECK = "import sys; from importlinter.cli import lint_imports; "
CHECK += "sys.exit(lint_imports(no_cache=True, no_logo=True))"


def _check(folder):
    return subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=folder,
        env=dict(os.environ, PYTHONPATH=str(folder)),
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layers")
    shutil.copy(ROOT / "pyproject.toml", folder)
    ignored = shutil.ignore_patterns("__pycache__", "results")
    shutil.copytree(ROOT / "lightning_lossmeta", folder / "lightning_lossmeta", ignore=ignored)
    return folder


def test_the_contracts_hold(copied):
    done = _check(copied)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("losses/wrong.py", "from lightning_lossmeta.search import trainer", "one way"),
        ("task.py", "def late():\n    import lightning_lossmeta.cli", "one way"),
        ("brand_new/__init__.py", "", "one way"),
        ("families/wrong.py", "from lightning_lossmeta.data.images import mnist", "circles"),
        ("cli/wrong.py", "import matplotlib.pyplot", "matplotlib"),
        ("benchmarks/wrong.py", "def late():\n    from matplotlib import cm", "matplotlib"),
        ("losses/wrong.py", "from lightning_lossmeta import MetaLossTrainer", "own package"),
    ],
)
def test_a_wrong_import_breaks_its_contract(copied, file, line, broken):
    path = copied / "lightning_lossmeta" / file
    before = path.read_text() if path.exists() else None
    if broken == "circles":
        other = copied / "lightning_lossmeta" / "data" / "wrong.py"
        other.write_text("from lightning_lossmeta.families import taylor")
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n{line}\n")
    try:
        done = _check(copied)
    finally:
        path.unlink() if before is None else path.write_text(before)
        if path.parent.name == "brand_new":
            shutil.rmtree(path.parent)
        (copied / "lightning_lossmeta" / "data" / "wrong.py").unlink(missing_ok=True)
    assert done.returncode == 1, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    if "BROKEN" in said:
        before_verdict = [part.rsplit("KEPT", 1)[-1] for part in said.split("BROKEN")[:-1]]
        assert any(broken in part for part in before_verdict), said
    else:
        assert "brand_new" in said, "a layer that is missing is an error of its own"
