import numpy as np
import pytest

from lightning_lossmeta.analysis import front_figure, save_figure

NAMES = [
    ("val_accuracy", "max"),
    ("val_loss", "min"),
    ("val_f1", "max"),
    ("a", "max"),
    ("b", "max"),
]
POINTS = np.array([[0.5, 1.0], [0.9, 0.8], [0.7, 0.2], [0.6, 0.9]])
FRONT = POINTS[[1, 2]]


def labels(axes):
    return [name for name in axes.get_legend_handles_labels()[1] if not name.startswith("_")]


def test_candidates_front_and_knee_are_where_they_are(tmp_path):
    figure = front_figure(NAMES[:2], POINTS, [0, 1, 2, 2], FRONT, knee=1)
    axes, bar = figure.axes
    (dots,) = axes.collections
    np.testing.assert_allclose(dots.get_offsets(), POINTS)
    np.testing.assert_allclose(dots.get_array(), [1, 2, 3, 3])
    line, knee = axes.get_lines()
    np.testing.assert_allclose(line.get_xydata(), FRONT[::-1])
    np.testing.assert_allclose(knee.get_xydata(), [[0.7, 0.2]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("val_accuracy", "val_loss (less is better)")
    assert bar.get_ylabel() == "generation"
    assert save_figure(figure, tmp_path / "front.png").read_bytes()[:4] == b"\x89PNG"


def test_fresh_scores_and_usual_losses_stand_beside():
    fresh = [[0.85, 0.7], [np.nan, np.nan]]
    usual = {"cross-entropy": [(0.8, 0.5), (0.7, 0.4)], "MSE": [(0.75, 0.6)]}
    figure = front_figure(NAMES[:2], POINTS, [0] * 4, FRONT, 0, fresh, usual)
    axes = figure.axes[0]
    assert labels(axes) == [
        "front of the search",
        "knee",
        "the same on fresh seeds",
        "cross-entropy, fresh seeds",
        "MSE, fresh seeds",
    ]
    drawn = [line.get_xydata().tolist() for line in axes.get_lines()]
    assert [[0.9, 0.8], [0.85, 0.7]] in drawn, "joined to what it had in the search"
    assert [[0.8, 0.5], [0.7, 0.4]] in drawn


def test_candidates_far_off_do_not_hide_the_front():
    points = np.vstack([POINTS, [[0.1, 1e9]]])
    usual = {"MSE": [(-9.0, 0.3), (0.6, 0.3)]}
    axes = front_figure(NAMES[:2], points, [0] * 5, FRONT, usual=usual).axes[0]
    assert len(axes.collections[0].get_offsets()) == 4
    assert axes.get_title() == "2 points lie beyond"
    assert axes.get_ylim()[1] < 2
    assert axes.get_xlim()[0] > 0


@pytest.mark.parametrize(("count", "panels"), [(2, 1), (3, 3), (4, 6), (5, 6)])
def test_each_pair_of_the_first_four_has_a_panel(count, panels):
    points = np.random.default_rng(0).uniform(size=(30, count))
    figure = front_figure(NAMES[:count], points, list(range(30)), points[:4], 2)
    assert sum(axes.get_visible() for axes in figure.axes) == panels + 1
    figure.draw_without_rendering()


def test_a_single_member_and_none_can_be_drawn():
    front_figure(NAMES[:2], POINTS, [0] * 4, FRONT[:1], 0).draw_without_rendering()
    front_figure(NAMES[:2], [], [], []).draw_without_rendering()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="two objectives"):
        front_figure(NAMES[:1], POINTS[:, :1], [0] * 4, FRONT[:, :1])
    with pytest.raises(ValueError, match="3 generations"):
        front_figure(NAMES[:2], POINTS, [0] * 3, FRONT)
    with pytest.raises(ValueError, match=r"3 columns.*\(4, 2\)"):
        front_figure(NAMES[:3], POINTS, [0] * 4, FRONT)
