"""A built package holds what a checkout holds beside it: the learned losses, and the stub."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = {path.name for path in (ROOT / "checkpoints").glob("*.json")}
NAMES = "from lightning_lossmeta.artifacts import ready_names; print(*ready_names())"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a source distribution, so that both must hold the files."""
    pytest.importorskip("pip")
    work = tmp_path_factory.mktemp("build")
    source = work / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("lightning_lossmeta", "checkpoints"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools import build_meta; build_meta.build_sdist('..')"
    _run(source, "-c", build)
    (archive,) = work.glob("*.tar.gz")
    pip = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    _run(work, *pip, str(work), str(archive))
    (built,) = work.glob("*.whl")
    return built


def _run(folder, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_learned_losses_and_the_stub(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert SHIPPED
    assert {f"lightning_lossmeta/checkpoints/{name}" for name in SHIPPED} <= inside
    assert {"lightning_lossmeta/__init__.pyi", "lightning_lossmeta/py.typed"} <= inside
    assert "lightning_lossmeta/report/templates/report.html" in inside
    assert not [name for name in inside if name.startswith(("checkpoints", "tests"))]


def test_an_installed_wheel_knows_the_learned_losses(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    printed = _run(tmp_path, "-c", NAMES, PYTHONPATH=str(tmp_path / "site"))
    assert {Path(name).stem for name in SHIPPED} <= set(printed.split())


def test_so_does_a_checkout(tmp_path):
    printed = _run(tmp_path, "-c", NAMES, PYTHONPATH=str(ROOT))
    assert {Path(name).stem for name in SHIPPED} <= set(printed.split())


EDITABLE = """
import sys
from setuptools import Distribution
from lightning_lossmeta._build import BuildWithCheckpoints

command = BuildWithCheckpoints(Distribution({"packages": []}))
command.ensure_finalized()
command.build_lib, command.editable_mode = sys.argv[1], sys.argv[2] == "editable"
command.run()
"""


@pytest.mark.parametrize("mode", ["editable", "ordinary"])
def test_an_editable_install_gets_no_copy(mode, tmp_path):
    """A copy would hide what is changed in the checkout."""
    _run(ROOT, "-c", EDITABLE, str(tmp_path), mode)
    assert {path.name for path in tmp_path.rglob("*.json")} == (
        SHIPPED if mode != "editable" else set()
    )
