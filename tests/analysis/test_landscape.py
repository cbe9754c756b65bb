"""Landscapes against closed forms, and against copies of networks that are moved by hand."""

import copy

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from lightning_lossmeta.analysis.directions import filter_normalised_direction
from lightning_lossmeta.analysis.landscape import loss_landscape
from lightning_lossmeta.analysis.landscape_batches import first_samples, pair_of
from lightning_lossmeta.analysis.landscape_figure import landscape_figure, plane_figure
from lightning_lossmeta.losses import CrossEntropy, ProgressDependentLoss, RegressionSquaredError
from lightning_lossmeta.models import MLP

ALPHAS = np.linspace(-1, 1, 9)


def drawn(module, seed=0):
    return filter_normalised_direction(module, torch.Generator().manual_seed(seed))


def samples(count=70, inputs=6, classes=3, shape=None):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, *(shape or (inputs,)), generator=generator)
    y = torch.randint(classes, (count,), generator=generator)
    return list(zip(x.split(30), y.split(30), strict=True))


def by_hand(module, directions, point, batches):
    """Accuracy and cross-entropy of a copy whose weights are moved."""
    moved = copy.deepcopy(module).eval()
    with torch.no_grad():
        for distance, direction in zip(point, directions, strict=True):
            for name, step in direction.items():
                moved.get_parameter(name).add_(distance * step)
        outputs = torch.cat([moved(x) for x, _ in batches])
    target = torch.cat([y for _, y in batches])
    accuracy = (outputs.argmax(1) == target).double().mean().item()
    return accuracy, nn.functional.cross_entropy(outputs, target).item()


def test_the_squared_error_of_a_linear_model_is_a_known_parabola():
    torch.manual_seed(0)
    module = nn.Linear(4, 1)
    direction = drawn(module)
    x, y = torch.randn(50, 4), torch.randn(50, 1)
    found = loss_landscape(
        module, [(x[:20], y[:20]), (x[20:], y[20:])], [direction], ALPHAS, RegressionSquaredError()
    )
    assert list(found.figures) == ["own_loss"]  # no classifier
    residual = (module(x) - y).detach().double().numpy()
    slope = (x @ direction["weight"].T).double().numpy()
    a, b, c = (slope**2).mean(), 2 * (slope * residual).mean(), (residual**2).mean()
    np.testing.assert_allclose(found.figures["own_loss"], a * ALPHAS**2 + b * ALPHAS + c, rtol=1e-5)


@pytest.mark.parametrize("at_once", [None, 1, 4])
def test_points_are_copies_that_are_moved_by_hand(at_once):
    torch.manual_seed(0)
    module = MLP(6, [8], 3)
    directions = [drawn(module, 0), drawn(module, 1)]
    points = np.random.default_rng(0).uniform(-1, 1, (7, 2))
    found = loss_landscape(
        module, iter(samples()), directions, points, CrossEntropy(), at_once=at_once
    )
    expected = np.array([by_hand(module, directions, point, samples()) for point in points])
    np.testing.assert_allclose(found.figures["accuracy"], expected[:, 0], atol=1e-6)
    np.testing.assert_allclose(found.figures["cross_entropy"], expected[:, 1], rtol=1e-5)
    np.testing.assert_allclose(found.figures["own_loss"], found.figures["cross_entropy"], rtol=1e-6)


def convolutional():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten()
    )
    module.append(nn.Linear(4 * 9, 3))
    for x, _ in samples(shape=(1, 5, 5)):
        module(x)  # running statistics of its own
    return module


def test_statistics_are_kept_or_made_anew():
    module, batches = convolutional(), samples(shape=(1, 5, 5))
    direction = drawn(module)
    kept = loss_landscape(module, batches, [direction], [0.7])
    np.testing.assert_allclose(
        kept.figures["cross_entropy"], by_hand(module, [direction], [0.7], batches)[1], rtol=1e-5
    )
    anew = loss_landscape(module, batches, [direction], [0.7], statistics=[x for x, _ in batches])
    moved = copy.deepcopy(module).eval()
    with torch.no_grad():
        for name, step in direction.items():
            moved.get_parameter(name).add_(0.7 * step)
        hidden = [moved[0](x) for x, _ in batches]
        mean = torch.stack([h.mean((0, 2, 3)) for h in hidden]).mean(0)
        variance = torch.stack([h.var((0, 2, 3)) for h in hidden]).mean(0)
        moved[1].running_mean.copy_(mean)
        moved[1].running_var.copy_(variance)
    own = by_hand(moved, [], [], batches)
    np.testing.assert_allclose(anew.figures["cross_entropy"], own[1], rtol=1e-5)
    np.testing.assert_allclose(anew.figures["accuracy"], own[0], atol=1e-6)
    assert not np.allclose(anew.figures["cross_entropy"], kept.figures["cross_entropy"], rtol=1e-3)


@pytest.mark.parametrize("anew", [True, False])
def test_nothing_of_the_network_is_changed(anew):
    module = convolutional().train()
    module[3].eval()
    before = copy.deepcopy(module.state_dict())
    batches = samples(shape=(1, 5, 5))
    statistics = [x for x, _ in batches] if anew else None
    loss_landscape(module, batches, [drawn(module)], ALPHAS, statistics=statistics)
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [part.training for part in module] == [True, True, True, False, True, True]
    assert module[1].momentum == 0.1


def test_a_network_that_can_not_be_stacked_is_evaluated_point_by_point():
    class Deciding(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, inputs):
            outputs = self.layer(inputs)
            return outputs if outputs.sum().item() > 0 else 2 * outputs

    torch.manual_seed(0)
    module = Deciding()
    found = loss_landscape(module, samples(), [drawn(module)], ALPHAS, at_once=9)
    expected = [by_hand(module, [drawn(module)], [a], samples())[1] for a in ALPHAS]
    # by_hand looks at the whole data at once; the sums of batches have the signs of theirs
    alone = loss_landscape(module, samples(), [drawn(module)], ALPHAS, at_once=1)
    np.testing.assert_allclose(found.figures["cross_entropy"], alone.figures["cross_entropy"])
    np.testing.assert_allclose(found.figures["cross_entropy"], expected, rtol=1e-5)


def test_outputs_that_are_not_finite_are_wrong_and_have_no_loss():
    class Diverged(nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs) * float("nan")

    module = Diverged(6, 3)
    found = loss_landscape(module, samples(), [drawn(module)], [0.0])
    assert found.figures["accuracy"].tolist() == [0.0]
    assert np.isnan(found.figures["cross_entropy"]).all()


def test_a_loss_that_changes_is_that_of_the_end():
    class Fading(ProgressDependentLoss):
        def per_sample(self, output, target):
            return self.progress.to(output.dtype) * output[:, 0] ** 2

    module = nn.Linear(6, 3)
    loss = Fading()
    found = loss_landscape(module, samples(), [drawn(module)], [0.0], loss)
    outputs = torch.cat([module(x) for x, _ in samples()])
    assert found.figures["own_loss"][0] == pytest.approx((outputs[:, 0] ** 2).mean().item())
    assert loss.progress == 0


def test_bad_input():
    module = nn.Linear(6, 3)
    with pytest.raises(TypeError, match=r"LightningModule to have a `forward\(inputs\)`"):
        loss_landscape(pl.LightningModule(), samples(), [{}], [0.0])
    with pytest.raises(ValueError, match=r"got shape \(1, 1\) and 0 directions"):
        loss_landscape(module, samples(), [], [0.0])
    with pytest.raises(ValueError, match="at least one batch, got none"):
        loss_landscape(module, [], [drawn(module)], [0.0])
    with pytest.raises(ValueError, match="`at_once` to be at least 1"):
        loss_landscape(module, samples(), [drawn(module)], [0.0], at_once=0)
    floats = [(x, y.float()) for x, y in samples()]
    with pytest.raises(ValueError, match=r"Expected a classifier.*got outputs \(30, 3\)"):
        loss_landscape(module, floats, [drawn(module)], [0.0])
    with pytest.raises(ValueError, match=r"pairs of tensors.*got tuple of .'Tensor', 'str'"):
        pair_of((torch.zeros(1), "cat"))


def test_the_first_samples():
    parts = list(first_samples(samples(), 40))
    assert [len(x) for x, _ in parts] == [30, 10]
    torch.testing.assert_close(parts[1][0], samples()[1][0][:10])
    assert sum(len(x) for x, _ in first_samples(samples(), 1000)) == 70


def test_figures_show_the_mean_and_refuse_other_shapes():
    table = np.stack([ALPHAS**2, 3 * ALPHAS**2, np.full(9, np.inf)])
    curves = {"test": {"CE": {"accuracy": table[:2], "own_loss": table}}}
    figure = landscape_figure(ALPHAS, curves, "title", "kept")
    accuracy, own = figure.axes
    np.testing.assert_allclose(accuracy.lines[0].get_ydata(), 2 * ALPHAS**2)
    np.testing.assert_allclose(own.lines[0].get_ydata(), ALPHAS**2)  # each from 0 to 1
    with pytest.raises(ValueError, match="at least one loss, got none"):
        landscape_figure(ALPHAS, {}, "title")
    with pytest.raises(ValueError, match="9 points, got shape"):
        landscape_figure(ALPHAS, {"test": {"CE": {"accuracy": table[:, :4]}}}, "title")
    plane = np.add.outer(ALPHAS, 2 * ALPHAS)
    panels = plane_figure(ALPHAS, {"CE": plane, "MSE": plane}, "title").axes
    assert [axes.get_title() for axes in panels[:2]] == ["CE", "MSE"]
    assert plane_figure(ALPHAS, {"CE": np.zeros((9, 9))}, "flat").axes
    with pytest.raises(ValueError, match=r"to be of shape \(9, 9\), got"):
        plane_figure(ALPHAS, {"CE": plane[:3]}, "title")
    with pytest.raises(ValueError, match="at least one finite plane"):
        plane_figure(ALPHAS, {"CE": np.full((9, 9), np.nan)}, "title")
