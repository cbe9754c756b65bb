import math
import struct

import numpy as np
import pytest
import torch

from lightning_lossmeta.analysis import attraction_history_figure, save_figure
from lightning_lossmeta.analysis.style import BLUE, VERMILION

EPOCHS = torch.tensor([0, 0, 0, 2, 2, 2, 2])
STRENGTHS = torch.tensor([0.5, 0.1, 0.0, 0.4, -0.2, -0.3, -0.1])


def drawn(figure):
    """Points by colour, and the line of means."""
    from matplotlib.colors import to_hex

    (axes,) = figure.axes
    points = {
        to_hex(part.get_facecolor()[0]): np.asarray(part.get_offsets())
        for part in axes.collections
        if len(part.get_facecolor())
    }
    (mean,) = [line for line in axes.get_lines() if line.get_label() == "mean"]
    return points, np.asarray(mean.get_xydata())


def test_points_stand_at_their_epoch_in_the_colour_of_their_sign():
    points, mean = drawn(attraction_history_figure(EPOCHS, STRENGTHS, "Baikal"))
    pulled, pushed = points[BLUE.lower()], points[VERMILION.lower()]
    np.testing.assert_allclose(pulled[:, 1], [0.5, 0.1, 0.0, 0.4], rtol=1e-6)
    np.testing.assert_array_equal(pulled[:, 0].round(), [0, 0, 0, 2])
    np.testing.assert_allclose(pushed[:, 1], [-0.2, -0.3, -0.1], rtol=1e-6)
    np.testing.assert_array_equal(pushed[:, 0].round(), [2, 2, 2])
    np.testing.assert_allclose(mean, [[0, 0.2], [2, -0.05]], rtol=1e-6)


def test_the_title_names_the_loss_and_the_share_of_the_last_epoch():
    figure = attraction_history_figure(EPOCHS, STRENGTHS, "Baikal")
    assert "Baikal" in figure.get_suptitle()
    assert figure.axes[0].get_title().startswith("75% of the last epoch")


def test_what_is_not_finite_is_left_out(tmp_path):
    bad = STRENGTHS.clone()
    bad[[1, 4]] = torch.tensor([math.inf, math.nan])
    figure = attraction_history_figure(EPOCHS, bad, "diverging")
    points, mean = drawn(figure)
    assert sum(len(part) for part in points.values()) == 5
    np.testing.assert_allclose(mean, [[0, 0.25], [2, 0.0]], atol=1e-7)
    assert figure.axes[0].get_title().startswith("67% of the last epoch")

    figure = attraction_history_figure(EPOCHS, torch.full((7,), math.nan), "diverged")
    assert figure.axes[0].get_title() == "no attraction in the last epoch is finite"
    assert save_figure(figure, tmp_path / "x.png").stat().st_size > 1000


def test_many_points_stay_small_in_a_vector_format(tmp_path):
    epochs = torch.arange(20).repeat_interleave(500)
    figure = attraction_history_figure(epochs, torch.randn(10_000), "many")
    assert save_figure(figure, tmp_path / "x.svg").stat().st_size < 500_000
    path = save_figure(figure, tmp_path / "x.png", dpi=50)
    assert struct.unpack(">II", path.read_bytes()[16:24]) == (350, 215)


@pytest.mark.parametrize(
    ("epochs", "strengths"),
    [
        (torch.zeros(0), torch.zeros(0)),
        (torch.zeros(3), torch.zeros(2)),
        (torch.zeros(2, 2), torch.zeros(2, 2)),
    ],
)
def test_no_points_or_shapes_that_differ_are_refused(epochs, strengths):
    with pytest.raises(ValueError, match=r"of one shape \(N,\) with N at least 1, got"):
        attraction_history_figure(epochs, strengths, "none")
