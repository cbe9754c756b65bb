"""The tutorials do what they say: their own code blocks, one after the other, as a reader would."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

from lightning_lossmeta.__main__ import main

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "tutorials"
PAGES = {path.stem: path.read_text() for path in FOLDER.glob("*.md")}
QUICK = ["own-module", "read-a-loss", "regression"]
SLOW = sorted(set(PAGES) - {*QUICK, "index"})
BLOCK = re.compile(r'^```(bash|python)(?: title="(.+?)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@pytest.fixture
def walk(tmp_path, monkeypatch, capsys):
    """Runs a page in an empty folder with the configurations, and returns what it left."""
    pytest.importorskip("vl_convert")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("my_project",):  # other tests have modules of this name
        monkeypatch.delitem(sys.modules, name, raising=False)
    known = set(sys.modules)

    def run(page):
        names = {"__name__": "__main__"}
        for kind, file, code in BLOCK.findall(PAGES[page]):
            if file:
                (tmp_path / file).write_text(code)
            elif kind == "python":
                exec(compile(code, f"docs/tutorials/{page}.md", "exec"), names)
            else:
                for line in code.replace("\\\n", " ").splitlines():
                    assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
        return names, capsys.readouterr().out

    yield run
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_each_page_has_code_and_a_test():
    assert {*QUICK, *SLOW} == set(PAGES) - {"index"}
    assert len(SLOW) == 3
    assert all(BLOCK.findall(PAGES[page]) for page in (*QUICK, *SLOW))


def test_own_module(walk, tmp_path):
    names, _ = walk("own-module")
    assert (tmp_path / "runs" / "own" / "report.html").is_file()
    assert names["trainer"].global_step == 30


def test_read_a_loss(walk, tmp_path):
    names, said = walk("read-a-loss")
    usual, learned = names["usual"], names["learned"]
    assert usual.minimum == 1.0
    assert usual.pull_to_push is None
    assert learned.minimum < 1, "as the page says of learned losses"
    logits, target = names["logits"], names["target"]
    own = names["ExportedLoss"]()(logits, target)
    torch.testing.assert_close(own, names["loss_fn"](logits, target))
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 3
    assert r"\mathcal{L}" in said


def test_regression(walk, tmp_path):
    _, said = walk("regression")
    table = json.loads((tmp_path / "runs" / "table" / "comparison.json").read_text())
    assert {"learned", "squared error"} <= {row["loss"] for row in table}
    assert "squared error [" in said


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", SLOW)
def test_the_longer_ones(walk, tmp_path, page):
    walk(page)
    folders = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    assert folders
    assert all((folder / "comparison.json").is_file() for folder in folders)
    assert any((folder / "report.html").is_file() for folder in folders)
