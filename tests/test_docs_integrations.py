"""The samples of docs/integrations.md and docs/noisy_labels.md run as they stand."""

import re
from pathlib import Path

import pytest

from lightning_lossmeta.artifacts import Artifact, ready_names
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import TaylorFamily

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "integrations.md").read_text()
NOISE = (DOCS / "noisy_labels.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", PAGE + NOISE, re.M | re.S))
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
        exec(compile(sample, f"docs, {section}", "exec"), names)
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


def test_elr_in_a_loop_of_ones_own():
    names = _run("ELR in a loop of your own")
    assert (names["elr"].memory.sum(1) - 0.3).abs().max() < 1e-5  # each sample was seen once


def test_which_labels_are_wrong(learned):
    _run("Which labels are wrong")
    assert len(Path("suspicious.csv").read_text().splitlines()) > 1000


def test_every_loss_of_the_table_is_ready():
    names = re.findall(r"`([a-z_]+)`", NOISE.split("| method |")[0])
    assert {"nce_and_amse", "logit_bias", "nce_and_nnce"} <= set(names) <= {*ready_names()}
