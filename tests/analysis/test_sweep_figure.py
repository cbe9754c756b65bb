import itertools
import math

import numpy as np
import pytest

from lightning_lossmeta.analysis.style import save_figure
from lightning_lossmeta.analysis.sweep_figure import _apart, sweep_figure

NAN = math.nan
RATES = np.arange(10) / 10
LABELS = ("label noise rate", "test accuracy")


def scores(seed, seeds=5):
    generator = np.random.default_rng(seed)
    return 0.9 - 0.4 * RATES[:, None] ** (1 + seed) + 0.02 * generator.normal(size=(10, seeds))


def lines_of(axes):
    return {
        line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")
    }


def test_mean_and_deviation_of_the_seeds():
    table = scores(0)
    figure = sweep_figure(RATES, {"MAE": table}, *LABELS)
    (axes,) = figure.axes
    np.testing.assert_allclose(lines_of(axes)["MAE"].get_ydata(), table.mean(axis=1))
    np.testing.assert_allclose(lines_of(axes)["MAE"].get_xdata(), RATES)
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    for rate, row in zip(RATES, table, strict=True):
        ys = corners[np.isclose(corners[:, 0], rate), 1]
        assert ys.max() == pytest.approx(row.mean() + row.std(ddof=1))
        assert ys.min() == pytest.approx(row.mean() - row.std(ddof=1))
    assert (axes.get_xlabel(), axes.get_ylabel()) == LABELS
    assert figure.get_supxlabel() == "mean and standard deviation of 5 seeds"


def test_diverged_seeds_are_shown():
    table = scores(0)
    table[3, 1] = NAN
    table[4, 1:] = math.inf
    table[5] = NAN
    figure = sweep_figure(RATES, {"MAE": table}, *LABELS)
    (axes,) = figure.axes
    y = lines_of(axes)["MAE"].get_ydata()
    assert y[3] == pytest.approx(np.nanmean(table[3]))
    assert y[4] == pytest.approx(table[4, 0])
    assert math.isnan(y[5])
    (hollow,) = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    np.testing.assert_allclose(hollow.get_xdata(), RATES[3:6])
    assert figure.get_supxlabel().endswith("; hollow: some diverged")


def test_lines_differ_without_colour():
    figure = sweep_figure(RATES, {f"loss {i}": scores(i % 3) for i in range(12)}, *LABELS)
    drawn = lines_of(figure.axes[0])
    assert len({line.get_marker() for line in drawn.values()}) == 12


def ends(figure, names):
    figure.draw_without_rendering()
    texts = [text for text in figure.axes[0].texts if text.get_text().split(" (")[0] in names]
    assert len(texts) == len(names)
    return {text.get_text(): text.get_window_extent() for text in texts}


@pytest.mark.parametrize("alike", [True, False])
def test_labels_at_the_ends_do_not_overlap(alike):
    names = [f"a rather long name {i}" for i in range(8)]
    curves = {name: scores(0) + (0 if alike else 0.002 * i) for i, name in enumerate(names)}
    figure = sweep_figure(RATES, curves, *LABELS, title="Noise")
    boxes = sorted(ends(figure, names).values(), key=lambda box: box.y0)
    assert all(a.y1 <= b.y0 + 0.5 for a, b in itertools.pairwise(boxes))
    assert all(box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert all(box.x0 > figure.axes[0].bbox.x1 for box in boxes)
    assert not figure.legends


def test_labels_stand_in_the_order_of_the_ends():
    curves = {"low": scores(0) - 0.3, "high": scores(0) + 0.2, "middle": scores(0)}
    found = ends(sweep_figure(RATES, curves, *LABELS), list(curves))
    assert found["low"].y0 < found["middle"].y0 < found["high"].y0


def test_a_loss_that_always_diverged_is_named():
    curves = {"fine": scores(0), "dead": np.full((10, 3), NAN), "early": scores(1)}
    curves["early"][6:] = NAN
    figure = sweep_figure(RATES, curves, *LABELS)
    found = ends(figure, list(curves))
    assert list(found) == ["dead (diverged)", "fine", "early (diverged beyond 0.5)"]
    (leader,) = [text for text in figure.axes[0].texts if not text.get_text()]
    assert leader.xy == (0.9, pytest.approx(curves["fine"][-1].mean())), "one for full lines alone"
    assert figure.get_supxlabel().startswith("mean and standard deviation of 3 to 5 seeds")


def test_only_diverged_losses_and_one_seed(tmp_path):
    figure = sweep_figure([0.0, 0.5], {"dead": np.full((2, 1), NAN)}, *LABELS)
    assert save_figure(figure, tmp_path / "x.png", dpi=40).stat().st_size > 1000
    assert figure.get_supxlabel() == "one seed"


def test_many_losses_are_named_in_a_legend():
    figure = sweep_figure(RATES, {f"loss {i}": scores(0) for i in range(9)}, *LABELS)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"loss {i}" for i in range(9)]
    assert legend.get_title().get_text() == "mean and standard deviation of 5 seeds"


@pytest.mark.parametrize("count", [2, 12])
def test_long_names_fit_into_the_legend(count):
    names = [f"a Taylor loss of order three, learned on MNIST {i}" for i in range(count)]
    figure = sweep_figure(RATES, {name: scores(0) for name in names}, *LABELS)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert 0 < box.x0 < box.x1 < figure.bbox.x1
    assert 0 <= box.y0 < box.y1 < figure.axes[0].get_tightbbox().y0


def test_a_panel_a_task():
    tasks = {
        "MNIST": {"CE": scores(0), "MAE": scores(1)},
        "CIFAR-10": {"CE": scores(2), "GCE": scores(3)},
        "digits": {"CE": scores(4)},
        "Fashion": {"CE": scores(4)},
    }
    figure = sweep_figure(RATES, tasks, *LABELS, title="Noise", chance={"MNIST": 0.1})
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == list(tasks)
    assert [list(lines_of(axes)) for axes in shown] == [list(curves) for curves in tasks.values()]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["CE", "MAE", "GCE"]
    colours = {lines_of(axes)["CE"].get_color() for axes in shown}
    assert len(colours) == 1
    assert len({axes.get_ylim() for axes in shown}) == 1
    texts = [[text.get_text() for text in axes.texts] for axes in shown]
    assert texts == [["chance"], [], [], []]
    assert figure.get_suptitle() == "Noise"


def test_chance_lies_within_the_axes():
    figure = sweep_figure(RATES, {"MAE": scores(0)}, *LABELS, chance=0.1)
    low, high = figure.axes[0].get_ylim()
    assert low < 0.1 < high


def test_heights_are_apart_and_near_those_wanted():
    np.testing.assert_allclose(_apart([0.1, 0.5, 0.9], 0.1), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(_apart([0.5, 0.5, 0.5], 0.1), [0.4, 0.5, 0.6])
    np.testing.assert_allclose(_apart([0.0, 0.0], 0.1), [0.0, 0.1])
    np.testing.assert_allclose(_apart([1.2, 1.2], 0.1), [0.9, 1.0])
    assert np.diff(_apart([0.5] * 30, 0.1)).min() > 0.099


def test_it_refuses():
    with pytest.raises(ValueError, match=r"two rising numbers, got \[0.0, 0.0\]"):
        sweep_figure([0.0, 0.0], {"MAE": np.ones((2, 3))}, *LABELS)
    with pytest.raises(ValueError, match="two rising numbers"):
        sweep_figure([0.0, NAN], {"MAE": np.ones((2, 3))}, *LABELS)
    with pytest.raises(ValueError, match="at least one loss, got none"):
        sweep_figure(RATES, {}, *LABELS)
    with pytest.raises(ValueError, match="at least one loss, got none"):
        sweep_figure(RATES, {"MNIST": {}}, *LABELS)
    for shape in ((9, 3), (10,), (10, 0)):
        with pytest.raises(ValueError, match=r"tables of shape \(10, seeds\), got .* for 'MAE'"):
            sweep_figure(RATES, {"MAE": np.ones(shape)}, *LABELS)
