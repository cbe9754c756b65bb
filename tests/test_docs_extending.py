"""The samples of docs/extending.md do what the page says."""

import re
import sys
from pathlib import Path

import pytest
import torch
from small_search import history, small_search
from toys import make_task

from lightning_lossmeta import MLP, CrossEntropy, PopulationEvaluator, SupervisedModule
from lightning_lossmeta.__main__ import main
from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.cli import commands
from lightning_lossmeta.comparison import ComparisonConfig, compare_losses

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text()
SAMPLES = dict(re.findall(r"^## (.+?)$(?:(?!^## ).)*?^```python\n(.*?)^```$", PAGE, re.M | re.S))


def _sample(title):
    """What a sample defines, by itself."""
    names = {"__name__": "sample"}
    exec(compile(SAMPLES[title], f"docs/extending.md, {title}", "exec"), names)
    return names


def _column(directory, name):
    return [row[name] for row in history(directory)]


def test_every_part_has_a_sample_and_a_place_in_the_table():
    assert list(SAMPLES) == re.findall(r"^## (.+)$", PAGE, re.M)
    anchors = re.findall(r"^\| \[.+?\]\(#(.+?)\)", PAGE, re.M)
    assert anchors == [title.lower().replace(" ", "-") for title in SAMPLES]


def test_a_loss():
    rows = compare_losses(
        {"hinge": _sample("A loss")["Hinge"](), "CE": CrossEntropy()},
        make_task(steps=40),
        PopulationEvaluator(),
        ComparisonConfig(seeds=2, tuning_seeds=1, learning_rate_factors=(1.0,)),
    )
    assert rows[0].mean > 0.6


def test_a_family_and_a_searcher(tmp_path):
    family = _sample("A family")["ErrorPowerFamily"]()
    searcher = _sample("A searcher")["RandomSearch"](population=5)
    result = small_search(tmp_path / "run", family=family, searcher=searcher, generations=2)
    assert set(_column(tmp_path / "run", "structure")) == {"line", "square"}
    assert len(set(_column(tmp_path / "run", "theta"))) == 10
    loss = family.build(result.artifact.candidate)
    read = family.read(loss)
    assert read.structure == result.artifact.candidate.structure
    assert read.theta == pytest.approx(result.artifact.candidate.theta)
    stored = Artifact.load(tmp_path / "run" / "best.json")
    output, target = torch.randn(7, 10), torch.arange(7)
    assert torch.equal(stored.build()(output, target), loss(output, target))


def test_an_evaluator_scores_as_the_one_of_the_package(tmp_path):
    small_search(tmp_path / "own", evaluator=_sample("An evaluator")["OneByOne"](), generations=1)
    small_search(tmp_path / "packaged", generations=1)
    scores = [[float(v) for v in _column(tmp_path / n, "fitness")] for n in ("own", "packaged")]
    assert scores[0] == pytest.approx(scores[1], abs=0.01)


def test_a_refiner(tmp_path):
    refiner = _sample("A refiner")["Rounding"](digits=1)
    searcher = _sample("A searcher")["RandomSearch"](population=4)
    small_search(tmp_path / "run", refiner=refiner, searcher=searcher, generations=1)
    for theta in _column(tmp_path / "run", "theta"):
        assert all(float(value) == round(float(value), 1) for value in theta.split())


def test_an_allocation(tmp_path):
    allocation = _sample("An allocation")["BetterHalf"]()
    small_search(tmp_path / "run", allocation=allocation, generations=1)
    assert sorted(_column(tmp_path / "run", "trainings")) == ["1", "1", "3", "3"]
    assert sorted(_column(tmp_path / "run", "status")) == ["ok", "ok", "stopped", "stopped"]


def test_a_filter(tmp_path):
    small_search(tmp_path / "run", callbacks=[_sample("A filter")["SteepnessFilter"](2.3)])
    rejected = [status == "rejected" for status in _column(tmp_path / "run", "status")]
    thetas = [map(float, theta.split()) for theta in _column(tmp_path / "run", "theta")]
    assert rejected == [max(map(abs, theta)) > 2.3 for theta in thetas]
    assert 0 < sum(rejected) < len(rejected)


def test_a_fitness(tmp_path):
    small_search(tmp_path / "run", callbacks=[_sample("A fitness")["ConfidentAndFair"]()])
    for row in history(tmp_path / "run"):
        parts = float(row["val_confidence"]) + 0.5 * float(row["val_f1"])
        assert float(row["fitness"]) == pytest.approx(parts)


def test_episodes(tmp_path):
    data = _sample("Episodes")["BlobEpisodes"]()
    first, again, other = (next(iter(data.episode(seed)[1]))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    module = SupervisedModule(MLP(6, [8], 3))
    result = small_search(tmp_path / "run", module=module, data=data, steps=30)
    assert result.evaluation.fitness > 0.5


def test_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    (tmp_path / "formula.py").write_text(SAMPLES["A command"])
    try:
        assert main(["--help"]) == 0
        assert "formula" in capsys.readouterr().out
        stored = ROOT / "checkpoints" / "taylorglo-digits-mlp.json"
        assert main(["formula", str(stored)]) == 0
        assert capsys.readouterr().out.strip() == Artifact.load(stored).formula()
    finally:
        sys.modules.pop(f"{commands.__name__}.formula", None)
