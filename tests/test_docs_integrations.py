"""The samples of docs/integrations.md run as they stand."""

import re
from pathlib import Path

import pytest

from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import TaylorFamily

PAGE = (Path(__file__).parents[1] / "docs" / "integrations.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
NEEDS = {"Hugging Face": ["transformers", "accelerate"], "scikit-learn": ["skorch"]}


@pytest.fixture
def learned(tmp_path, monkeypatch):
    """A folder with ``best.json``, the squared error, which learns in few steps."""
    monkeypatch.chdir(tmp_path)
    family = TaylorFamily(start="mse")
    theta = tuple(10 * value for value in family.space.start[2:])
    Artifact(family, Candidate(None, family.space.start[:2] + theta)).save(tmp_path / "best.json")


def _run(section):
    """What the samples of a section define."""
    for package in NEEDS.get(section, ()):
        pytest.importorskip(package)
    samples = re.findall(r"^```python\n(.*?)^```$", SECTIONS[section], re.M | re.S)
    assert samples
    names = {"__name__": "sample"}
    for sample in samples:
        exec(compile(sample, f"docs/integrations.md, {section}", "exec"), names)
    return names


def test_every_section_is_in_the_table():
    anchors = re.findall(r"^\| \[.+?\]\(#(.+?)\)", PAGE, re.M)
    assert set(anchors) <= {title.lower().replace(" ", "-") for title in SECTIONS}


def test_pytorch(learned):
    names = _run("PyTorch")
    each = names["loss_fn"].per_sample(names["logits"][[0, 1, 3]], names["target"][[0, 1, 3]])
    expected = (each[0] + 2.5 * each[1] + 2 * each[2]) / 5.5
    assert names["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_lightning(learned):
    assert _run("Lightning")["trainer"].global_step == 20


def test_hugging_face(learned):
    assert _run("Hugging Face")["trainer"].state.global_step == 2


def test_scikit_learn(learned):
    assert _run("scikit-learn")["scores"].mean() > 0.8
