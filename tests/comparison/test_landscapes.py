"""Landscapes of trained networks against networks that are trained and asked by hand."""

import csv
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml
from scipy import stats

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.analysis.directions import filter_normalised_direction
from lightning_lossmeta.comparison import (
    ComparisonConfig,
    LandscapeConfig,
    NetworkLandscape,
    network_landscapes,
)
from lightning_lossmeta.comparison.compare import variants
from lightning_lossmeta.comparison.landscape_report import (
    curves_csv,
    networks_csv,
    rank_correlations,
    spearman,
    summary,
)
from lightning_lossmeta.data import DiabetesDataModule, DigitsDataModule
from lightning_lossmeta.losses import (
    CrossEntropy,
    LossFunction,
    MeanSquaredError,
    RegressionSquaredError,
)
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Objective, Session, Task
from lightning_lossmeta.training.session import run_session

LOSSES = {"CE": CrossEntropy(), "MSE": MeanSquaredError()}
SETTINGS = ComparisonConfig(seeds=2, learning_rate_factors=(1.0,), steps=20)
DRAWN = LandscapeConfig(points=3, directions=2, samples=150, plane=3)


def task(data, outputs=10, **session):
    inputs = 64 if outputs == 10 else 10
    module = SupervisedModule(MLP(inputs, [8], outputs), RegressionSquaredError())
    return Task(module, data, Session(accelerator="cpu", **session), seed=3)


def test_networks_are_those_of_a_training_by_hand():
    data = DigitsDataModule(batch_size=100, train_size=300)
    given = task(data)
    state = torch.get_rng_state()
    found = network_landscapes(LOSSES, given, SETTINGS, DRAWN, {"MSE": 3.0})
    assert torch.equal(torch.get_rng_state(), state)
    assert [(item.loss, item.number, item.factor) for item in found] == [
        ("CE", 0, 1.0),
        ("CE", 1, 1.0),
        ("MSE", 0, 3.0),
        ("MSE", 1, 3.0),
    ]
    own = [variant for variant, _ in variants(given, SETTINGS, [3.0], tuning=False)]
    for variant, item in zip(own, found[2:], strict=True):
        module = variant.fresh_module()
        module.loss_fn = MeanSquaredError()
        session = replace(variant.session, callbacks=(), validations=0)
        run_session(module, replace(variant, session=session))
        generator = torch.Generator().manual_seed(variant.seed)
        first = filter_normalised_direction(module, generator)
        test, train = data.splits.test, data.splits.train
        with torch.no_grad():
            for part, held in (("test", test), ("training", train)):
                right = (module(held.inputs).argmax(1) == held.targets).float().mean()
                assert item.accuracies[part] == pytest.approx(float(right))
            outputs = module(test.inputs[:150])
            right = (outputs.argmax(1) == test.targets[:150]).float().mean()
            assert item.curves["test"]["accuracy"][:, 1] == pytest.approx(float(right))
            loss = MeanSquaredError()(outputs, test.targets[:150])
            assert item.curves["test"]["own_loss"][0, 1] == pytest.approx(float(loss), rel=1e-5)
            assert item.planes["test"]["own_loss"][1, 1] == pytest.approx(float(loss), rel=1e-5)
            for name, step in first.items():
                module.get_parameter(name).sub_(step)
            outputs = module(test.inputs[:150])
            value = torch.nn.functional.cross_entropy(outputs, test.targets[:150])
            there = item.curves["test"]["cross_entropy"][0, 0]
            assert there == pytest.approx(float(value), rel=1e-5)
            # The first of a plane's directions is the first of the curves'.
            assert item.planes["test"]["cross_entropy"][0, 1] == pytest.approx(there, rel=1e-5)
        assert item.gap == item.accuracies["training"] - item.accuracies["test"]
    assert found[0].statistics == "no normalisation layers with running statistics"


def test_regression_has_losses_alone():
    given = task(DiabetesDataModule(), outputs=1, objectives=(Objective("val_accuracy"),))
    drawn = LandscapeConfig(points=3, directions=1, samples=50)
    (first, _) = network_landscapes({"SE": RegressionSquaredError()}, given, SETTINGS, drawn, {})
    assert set(first.curves["test"]) == {"own_loss"}
    assert np.isnan(first.gap)
    assert np.isnan(first.width("test"))
    assert first.at_edge("test") == 0
    assert rank_correlations([first]) == []


def test_networks_that_diverged_are_left_out():
    class Exploding(LossFunction):
        def per_sample(self, output, target):
            return output.exp().sum(dim=1) * float("inf")

    losses = {"CE": CrossEntropy(), "exploding": Exploding()}
    data = DigitsDataModule(batch_size=100, train_size=300)
    drawn = LandscapeConfig(points=3, directions=1, samples=50)
    found = network_landscapes(losses, task(data), SETTINGS, drawn, {})
    assert [item.loss for item in found] == ["CE", "CE"]


def test_a_module_without_a_forward_is_refused():
    class Silent(SupervisedModule):
        forward = pl.LightningModule.forward

        def training_step(self, batch, batch_idx):
            return self.loss_fn(self.network(batch[0]), batch[1])

        def validation_step(self, batch, batch_idx):
            self.log("val_accuracy", 0.0)

    data = DigitsDataModule(batch_size=100, train_size=300)
    given = replace(task(data), module=Silent(MLP(64, [8], 10)))
    with pytest.raises(TypeError, match=r"Silent to have a `forward\(inputs\)`"):
        network_landscapes({"CE": CrossEntropy()}, given, SETTINGS, DRAWN, {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"points": 4}, "odd number"),
        ({"reach": 0}, "`reach` to be a positive"),
        ({"directions": 0}, "`directions` to be an integer of at least 1"),
        ({"level": 1.5}, "`level` to be a number"),
        ({"plane": 2}, "odd number"),
        ({"batch_norm": "new"}, "'kept' or 'recomputed', got 'new'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        LandscapeConfig(**settings)


def made(loss, number, half, gap):
    """A network whose accuracy is a triangle that is flat for a width of 0.2 half."""
    alphas = np.linspace(-1, 1, 41)
    curve = {"accuracy": (1 - np.abs(alphas) / half)[None]}
    curves = {"test": curve, "training": curve}
    accuracies = {"training": 1.0, "test": 1 - gap}
    return NetworkLandscape(loss, number, 1.0, accuracies, curves, {}, "kept", 0.9, alphas)


def test_summary_and_rank_correlations_of_known_widths():
    networks = [made("CE", i, 1 + 0.1 * i, 0.3 - 0.01 * i) for i in range(4)]
    networks += [made("flat", i, 2 + 0.2 * i, 0.2 - 0.01 * i) for i in range(4)]
    networks += [made("flatter", i, 4 + 0.1 * i, 0.1 - 0.01 * i) for i in range(4)]
    rows = summary(networks, "CE")
    assert [row["loss"] for row in rows] == ["CE", "flat", "flatter"]
    widths = 0.2 * (1 + 0.1 * np.arange(4))
    assert rows[0]["test width"] == pytest.approx(widths.mean())
    assert rows[0]["test width std"] == pytest.approx(widths.std(ddof=1))
    assert np.isnan(rows[0]["test p"])
    assert rows[1]["test p"] == pytest.approx(stats.ttest_rel(2 * widths, widths).pvalue)
    assert rows[2]["gap"] == pytest.approx(0.085)
    correlations = rank_correlations(networks)
    assert all(item.score == "gap" for item in correlations[:6])
    assert correlations[7].score == "test accuracy"
    assert correlations[7].rho == pytest.approx(1)  # the less the gap, the more of it here
    found = {(item.part, item.over): item for item in correlations[:6]}
    assert found["test", "networks"][3:] == (pytest.approx(-1), pytest.approx(0), 12)
    assert found["test", "losses"].rho == pytest.approx(-1)
    assert found["test", "losses"].p == pytest.approx(1 / 3)  # 2 of 3! orders
    assert found["training", "networks of one loss"].rho < -0.9
    assert len(networks_csv(networks).splitlines()) == 13
    lines = list(csv.DictReader(curves_csv(networks).splitlines()))
    assert len(lines) == 3 * 2 * 41
    middle = next(line for line in lines if line["alpha"] == "0" and line["loss"] == "CE")
    assert middle["accuracy"] == "1"


def test_the_exact_p_of_a_rank_correlation():
    x, y = [3.0, 1.0, 4.0, 1.5, 5.0], [2.0, 7.0, 1.0, 8.0, 2.8]
    rho, p = spearman(x, y)
    ranks = stats.rankdata(x), stats.rankdata(y)
    assert rho == pytest.approx(np.corrcoef(*ranks)[0, 1])
    all_rho = [np.corrcoef(order, ranks[1])[0, 1] for order in permutations(ranks[0])]
    far = np.abs(all_rho) >= abs(rho) - 1e-9
    assert p == pytest.approx(far.mean())
    generator = np.random.default_rng(0)
    many = generator.normal(size=(2, 40))
    assert spearman(*many) == pytest.approx(tuple(stats.spearmanr(*many)))
    assert np.isnan(spearman([1, 2], [1, 2])).all()
    assert np.isnan(spearman([1, 1, 1], [1, 2, 3])).all()


def config(tmp_path, **changes):
    network = {"class_path": "lightning_lossmeta.MLP", "init_args": {"in_features": 64}}
    network["init_args"] |= {"hidden": [8], "num_classes": 10}
    content = {
        "model": {
            "class_path": "lightning_lossmeta.SupervisedModule",
            "init_args": {"network": network},
        },
        "data": {"class_path": "lightning_lossmeta.DigitsDataModule"},
        "losses": {"CE": "cross_entropy", "MSE": "mse"},
        "comparison": {"seeds": 2, "learning_rate_factors": [1], "steps": 4},
        "landscape": {"points": 3, "directions": 2, "samples": 60, "plane": 3},
        "accelerator": "cpu",
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return ["--config", str(path), "--run_dir", str(tmp_path / "run")]


def test_the_command_draws_and_writes_them(tmp_path, capsys):
    assert main(["landscape", *config(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "no normalisation layers" in out
    assert "Rank correlation of width on test data and gap" in out
    folder = tmp_path / "run"
    for name in ("landscape.png", "landscape-plane.png"):
        assert (folder / name).stat().st_size > 10000
    lines = list(csv.DictReader((folder / "landscape.csv").read_text().splitlines()))
    assert [line["alpha"] for line in lines[:3]] == ["-1", "0", "1"]
    networks = list(csv.DictReader((folder / "landscape-networks.csv").read_text().splitlines()))
    assert [(line["loss"], line["seed"]) for line in networks] == [
        (name, seed) for name in ("CE", "MSE") for seed in ("0", "1")
    ]
    plane = list(csv.DictReader((folder / "landscape-plane.csv").read_text().splitlines()))
    assert len(plane) == 2 * 9


def test_the_command_takes_learning_rates_that_were_found(tmp_path):
    (tmp_path / "run").mkdir()
    rows = '[{"task": "task", "loss": "MSE", "learning_rate_factor": 3.0}]'
    (tmp_path / "run" / "comparison.json").write_text(rows)
    assert main(["landscape", *config(tmp_path), "--landscape.plane", "0"]) == 0
    lines = (tmp_path / "run" / "landscape-networks.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in lines[1:]] == ["1", "1", "3", "3"]


def test_the_command_refuses_what_is_out_of_range(tmp_path, capsys):
    assert main(["landscape", *config(tmp_path), "--landscape.points", "4"]) == 2
    assert "odd number of at least 3" in capsys.readouterr().err
