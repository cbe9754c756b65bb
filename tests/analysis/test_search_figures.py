import math

import numpy as np
import pytest

from lightning_lossmeta.analysis.filter_shares import filter_figure
from lightning_lossmeta.analysis.search_curves import search_figure
from lightning_lossmeta.analysis.style import legend_below, new_figure, save_figure

NAN = math.nan
LABEL = "best val_accuracy so far"


def names_of(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def inside(figure):
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert 0 <= box.y0 < box.y1 <= figure.axes[0].get_tightbbox().y0
    return box


def test_mean_and_band_over_runs():
    table = np.array([[0.5, NAN], [0.5, 0.7], [0.9, 0.7]])
    figure = search_figure({"m": table, "one run": [[0.25]]}, LABEL)
    (axes,) = figure.axes
    mean, point = axes.get_lines()
    np.testing.assert_allclose(mean.get_ydata(), [NAN, 0.6, 0.8])
    np.testing.assert_allclose(mean.get_xdata(), [1, 2, 3])
    assert (mean.get_marker(), point.get_marker()) == ("", "o")
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    assert corners[:, 1].min() == pytest.approx(0.6 - 0.1 * math.sqrt(2))
    assert corners[:, 1].max() == pytest.approx(0.8 + 0.1 * math.sqrt(2))
    assert axes.get_ylabel() == LABEL
    assert axes.get_title() == "mean and standard deviation of 1 to 2 runs"
    assert names_of(figure) == ["m", "one run"]


def test_nothing_trained_is_drawn_without_a_fault(tmp_path):
    figure = search_figure({"m": [[NAN], [NAN]]}, LABEL)
    assert save_figure(figure, tmp_path / "x.png").stat().st_size > 1000
    assert figure.axes[0].get_title() == "one run"


def test_shares_are_stacked():
    one = {"trained": [0.5, 0.25], "lost": [0.25, 0.0], "A": [0.25, 0.75]}
    two = {"trained": [1.0], "lost": [0.0], "B": [0.0]}
    figure = filter_figure({"one": one, "two": two}, {"one": 3, "two": 1})
    left, right = figure.axes
    assert [axes.get_title() for axes in (left, right)] == ["one, mean of 3 runs", "two"]
    tops = [patch.get_data().values.tolist() for patch in left.patches]
    bases = [patch.get_data().baseline.tolist() for patch in left.patches]
    assert tops == [[0.5, 0.25], [0.75, 0.25], [1.0, 1.0]]
    assert bases == [[0.0, 0.0], *tops[:2]]
    assert left.patches[0].get_data().edges.tolist() == [0.5, 1.5, 2.5]
    assert left.get_xlim() == (0.5, 2.5)
    assert names_of(figure) == ["trained", "lost", "A", "B"]
    colours = [axes.patches[0].get_facecolor() for axes in (left, right)]
    assert colours[0] == colours[1]


def test_twelve_filters_are_told_apart():
    table = {name: [0.05] for name in ["trained", "lost", *(f"filter {i}" for i in range(12))]}
    (axes,) = filter_figure({"m": table}, {"m": 1}).axes
    looks = {(patch.get_facecolor(), patch.get_hatch()) for patch in axes.patches}
    assert len(looks) == 14


def test_panels_of_five_methods_with_long_names(tmp_path):
    long = "a method with a really rather long name that nobody would want to read "
    shares = {f"{long}{i}": {"trained": [0.5], "lost": [0.5]} for i in range(5)}
    figure = filter_figure(shares, {name: 2 for name in shares})
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == 5
    inside(figure)
    for axes in shown:
        box = axes.title.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1


@pytest.mark.parametrize(
    ("letter", "count", "width"), [("n", 12, 7.5), ("W", 1, 7.5), ("W", 4, 10.0), ("W", 12, 10.0)]
)
def test_legends_stay_on_the_page(letter, count, width):
    figure = new_figure(width, 4, "")
    axes = figure.subplots()
    for i in range(count):
        axes.plot([0, 1], [i, i], label=f"{i}{letter * 70}")
    legend_below(figure, axes)
    inside(figure)
    assert axes.bbox.height > 0.6 * 4 * figure.dpi, "the figure grows instead"
    assert [name.replace("\n", "") for name in names_of(figure)] == [
        f"{i}{letter * 70}" for i in range(count)
    ]


def test_short_names_share_a_line_and_leave_the_figure_as_it_was():
    figure = new_figure(7.5, 4, "")
    for axes in figure.subplots(1, 2):
        for i in range(8):
            axes.plot([0, 1], [i, i], label=f"loss {i}")
    legend_below(figure, *figure.axes)
    assert names_of(figure) == [f"loss {i}" for i in range(8)]
    assert figure.legends[0]._ncols == 4
    assert figure.get_figheight() == 4


def test_they_refuse():
    with pytest.raises(ValueError, match="at least one method, got none"):
        search_figure({}, LABEL)
    for shape in ((3,), (0, 2), (2, 0)):
        with pytest.raises(ValueError, match=r"shape \(generations, runs\), got .* for 'm'"):
            search_figure({"m": np.ones(shape)}, LABEL)
    for empty in ({}, {"m": {}}):
        with pytest.raises(ValueError, match="methods with fates, got none"):
            filter_figure(empty, {})
    for parts in (([0.5], [0.5, 0.5]), ([], []), (0.5, 0.5)):
        with pytest.raises(ValueError, match=r"one shape \(generations,\) for 'm'"):
            filter_figure({"m": dict(zip("ab", parts, strict=True))}, {})
    for parts in (([0.5], [0.6]), ([-0.5], [0.5]), ([NAN], [0.5])):
        with pytest.raises(ValueError, match="shares for 'm', got sums of"):
            filter_figure({"m": dict(zip("ab", parts, strict=True))}, {})
