"""Curves of a training, step by step, against networks that are asked by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.analysis.learning_figure import learning_figure
from lightning_lossmeta.comparison import ComparisonConfig, compare_losses
from lightning_lossmeta.comparison.compare import variants
from lightning_lossmeta.comparison.learning import learning_curves
from lightning_lossmeta.data import DigitsDataModule, EpisodeDataModule
from lightning_lossmeta.evaluators import PopulationEvaluator
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.session import run_session

LOSSES = {"CE": CrossEntropy(), "MSE": MeanSquaredError()}
SETTINGS = ComparisonConfig(seeds=3, learning_rate_factors=(1.0,), steps=8, validations=4)


def _task(data):
    return Task(SupervisedModule(MLP(64, [8], 10)), data, Session(accelerator="cpu"), seed=1)


@pytest.mark.parametrize("episodes", [True, False])
def test_curves_end_where_networks_by_hand_do_and_scores_of_a_comparison(episodes):
    data = DigitsDataModule(batch_size=100, train_size=300)
    task = _task(EpisodeDataModule(data, queries=20) if episodes else data)
    curves = learning_curves(LOSSES, task, PopulationEvaluator(), SETTINGS, {"MSE": 3.0})
    settings = replace(SETTINGS, learning_rate_factors=(3.0,))
    rows = compare_losses(LOSSES, task, PopulationEvaluator(), settings)
    assert curves["MSE"].steps.tolist() == [2, 4, 6, 8]
    np.testing.assert_allclose(curves["MSE"].scored[:, -1], rows[1].scores, atol=3e-3)
    own = [variant for variant, _ in variants(task, settings, [3.0], tuning=False)]
    for variant, found in zip(own, curves["MSE"].training[:, -1], strict=True):
        module = variant.fresh_module()
        module.loss_fn = MeanSquaredError()
        run_session(module, replace(variant, session=replace(variant.session, callbacks=())))
        if episodes:
            train, _ = variant.data.episode(variant.seed)
            inputs, targets = train.inputs, train.targets
        else:
            inputs, targets = data.splits.train.inputs, data.splits.train.targets
        with torch.no_grad():
            right = (module(inputs).argmax(dim=1) == targets).float().mean()
        assert found == pytest.approx(float(right), abs=2 / len(targets))
    assert curves["CE"].training[:, -1].mean() > curves["CE"].training[:, 0].mean()


def test_the_command_draws_and_writes_them(tmp_path):
    network = {"class_path": "lightning_lossmeta.MLP", "init_args": {"in_features": 64}}
    network["init_args"] |= {"hidden": [8], "num_classes": 10}
    digits = {"class_path": "lightning_lossmeta.DigitsDataModule"}
    episodes = {"class_path": "lightning_lossmeta.EpisodeDataModule"}
    config = {
        "model": {
            "class_path": "lightning_lossmeta.SupervisedModule",
            "init_args": {"network": network},
        },
        "data": {**episodes, "init_args": {"source": digits, "queries": 20}},
        "losses": {"CE": "cross_entropy", "MSE": "mse"},
        "comparison": {"seeds": 2, "learning_rate_factors": [1], "steps": 4, "validations": 2},
        "evaluator": {"class_path": "lightning_lossmeta.PopulationEvaluator"},
        "accelerator": "cpu",
    }
    path = tmp_path / "few.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["learning", "--config", str(path), "--run_dir", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "learning.png").stat().st_size > 10000
    header, *lines = (tmp_path / "run" / "learning.csv").read_text().splitlines()
    assert header.startswith("loss,step,training")
    assert [line.split(",")[:2] for line in lines] == [
        [name, step] for name in ("CE", "MSE") for step in ("2", "4")
    ]


def test_no_curves_and_ragged_ones_are_refused():
    with pytest.raises(ValueError, match="at least one loss, got none"):
        learning_figure({}, "nothing")
    with pytest.raises(ValueError, match="2 steps, got shape"):
        learning_figure({"CE": ([1, 2], np.zeros((3, 2)), np.zeros((3, 1)))}, "ragged")
