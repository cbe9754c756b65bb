import struct

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from lightning_lossmeta.analysis import (
    attraction_figure,
    gamma_figure,
    heatmap_figure,
    loss_figure,
    save_figure,
)
from lightning_lossmeta.analysis.style import lines
from lightning_lossmeta.families import TaylorLoss
from lightning_lossmeta.losses import Baikal, CrossEntropy, LabelSmoothing, MeanSquaredError
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.theory import ALLCNNC_CIFAR10

FIGURES = [loss_figure, gamma_figure, attraction_figure, heatmap_figure]
FOUR = {
    "cross-entropy": CrossEntropy(),
    "MSE": MeanSquaredError(),
    "TaylorGLO": TaylorLoss(ALLCNNC_CIFAR10),
    "Baikal": Baikal(),
}


class Constant(LossFunction):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def per_sample(self, output, target):
        return output.sum(dim=1) * 0 + self.value


def curve(axes, label):
    (line,) = [line for line in axes.get_lines() if line.get_label() == label]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


@pytest.mark.parametrize("draw", FIGURES)
@pytest.mark.parametrize("num_classes", [2, 10, 1000])
def test_figures_are_drawn_apart_from_pyplot(draw, num_classes):
    import matplotlib.pyplot as plt

    figure = draw(FOUR, num_classes)
    assert isinstance(figure, Figure)
    assert str(num_classes) in figure.get_suptitle()
    assert plt.get_fignums() == []


@pytest.mark.parametrize("draw", FIGURES)
def test_nothing_to_draw_is_refused(draw):
    with pytest.raises(ValueError, match="at least one loss, got none"):
        draw({}, 10)


@pytest.mark.parametrize("value", [0.0, 3.0, float("nan"), float("inf")])
def test_a_loss_without_a_shape_does_not_stop_the_picture(value, tmp_path):
    figure = loss_figure({"odd": Constant(value), "cross-entropy": CrossEntropy()}, 10)
    assert save_figure(figure, tmp_path / "odd.png").stat().st_size > 1000


def test_the_loss_figure_shows_the_scaled_loss():
    target, other = loss_figure(FOUR, 10).axes
    p, drawn = curve(target, "cross-entropy")
    low, high = -np.log(0.99), np.log(10)
    np.testing.assert_allclose(drawn, (-np.log(p) - low) / (high - low))
    q, drawn = curve(other, "cross-entropy")
    np.testing.assert_allclose(drawn, (-np.log((1 - q) / 9) - low) / (high - low))


def test_scale_and_offset_of_a_loss_do_not_change_its_picture():
    theta = np.array([0.0, 0, 0, -1, 0, 2, 0, 0])
    first, second = TaylorLoss(theta.tolist()), TaylorLoss((300 * theta).tolist())
    axes = loss_figure({"once": first, "300 times": second}, 10).axes[0]
    np.testing.assert_allclose(curve(axes, "once")[1], curve(axes, "300 times")[1], atol=1e-9)


def test_gammas_of_cross_entropy_are_those_of_its_gradient():
    target, other = gamma_figure(FOUR, 10).axes
    p, gamma = curve(target, "cross-entropy")
    np.testing.assert_allclose(gamma, 10 * (1 - p) / p)
    np.testing.assert_allclose(curve(other, "cross-entropy")[1], -10)


@pytest.mark.parametrize("form", ["exact", "published"])
def test_the_four_panels_of_the_paper(form):
    panels = dict(zip(FOUR, attraction_figure(FOUR, 10, form).axes, strict=True))
    for name, axes in panels.items():
        assert axes.get_title() == name
        epsilon, strength = (np.asarray(part) for part in axes.get_lines()[1].get_data())
        left, right = epsilon < 0.3, epsilon > 0.92
        assert (strength[right] > 0).all()
        if name in ("TaylorGLO", "Baikal"):
            assert (strength[left] < 0).all()
        else:
            assert (strength[left] > 0).all()


def test_more_losses_than_columns_get_further_rows():
    losses = {f"xi {i}": LabelSmoothing(0.1 * i) for i in range(6)}
    shown = [axes for axes in attraction_figure(losses, 10).axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == list(losses)
    assert len({axes.get_subplotspec().rowspan.start for axes in shown}) == 2


def test_the_heat_map_is_least_where_mse_predicts_the_label():
    axes = heatmap_figure({"MSE": MeanSquaredError()}, 10).axes[0]
    h, y = (np.asarray(part) for part in axes.get_lines()[0].get_data())
    np.testing.assert_allclose(h, np.clip(y, 0.005, 0.995), atol=0.005)


def test_lines_differ_for_many_losses():
    found = lines([f"loss {i}" for i in range(20)])
    assert len({(line.color, line.linestyle) for line in found}) == 20


@pytest.mark.parametrize("num_losses", [1, 4, 9])
def test_saved_pictures_have_the_size_asked_for(num_losses, tmp_path):
    losses = {f"a long name of a loss, number {i}": CrossEntropy() for i in range(num_losses)}
    path = save_figure(loss_figure(losses, 10), tmp_path / "new" / "folder" / "x.png", dpi=50)
    assert struct.unpack(">II", path.read_bytes()[16:24]) == (500, 215)


def test_vector_formats(tmp_path):
    figure = loss_figure(FOUR, 10)
    assert b"<svg" in save_figure(figure, tmp_path / "x.svg").read_bytes()[:1000]
    assert save_figure(figure, tmp_path / "x.PDF").read_bytes()[:4] == b"%PDF"
    with pytest.raises(ValueError, match=r"to end in \.png, \.svg, \.pdf, got 'x\.gif'"):
        save_figure(figure, tmp_path / "x.gif")


def test_a_figure_goes_into_tensorboard(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_figure("best", loss_figure({"mse": MeanSquaredError()}, 10), 0)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) > 5000
    assert torch.is_grad_enabled()
