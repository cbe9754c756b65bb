import math

import numpy as np
import pytest

from lightning_lossmeta.analysis.embedding_figure import embedding_figure
from lightning_lossmeta.analysis.style import save_figure


def points(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 2))


def labels_of(classes, count):
    return np.arange(count) % classes


def shown(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def test_a_panel_a_loss_with_its_silhouette():
    given = {"cross-entropy": points(30), "MAE": points(30, 1), "Taylor": points(30, 2)}
    scores = {"cross-entropy": 0.1234, "MAE": math.nan}
    figure = embedding_figure(given, labels_of(3, 30), ["cat", "dog", "ship"], scores)
    assert [axes.get_title() for axes in shown(figure)] == [
        "cross-entropy\nsilhouette 0.12",
        "MAE\nsilhouette undefined",
        "Taylor",
    ]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["cat", "dog", "ship"]


@pytest.mark.parametrize("classes", [1, 3, 10, 20, 100])
def test_each_class_has_its_own_colour_everywhere(classes):
    given = {"a": points(200), "b": points(200, 1)}
    labels = labels_of(classes, 200)
    names = [f"class {i}" for i in range(classes)]
    figure = embedding_figure(given, labels, names, {})
    colours = {}
    for axes, array in zip(shown(figure), given.values(), strict=True):
        (dots,) = axes.collections
        for place, colour in zip(dots.get_offsets(), dots.get_facecolors(), strict=True):
            (index,) = np.flatnonzero((array == place).all(axis=1))
            colours.setdefault(int(labels[index]), set()).add(tuple(colour[:3]))
    assert all(len(found) == 1 for found in colours.values())
    assert len(set.union(*colours.values())) == classes
    if classes <= 20:
        handles = figure.legends[0].legend_handles
        for index, handle in enumerate(handles):
            assert np.allclose(handle.get_color(), next(iter(colours[index])))
    else:
        assert not figure.legends
        assert figure.get_supxlabel() == "a colour for each of 100 classes"


def test_no_class_is_drawn_over_all_others():
    labels = np.repeat([0, 1], 100)
    figure = embedding_figure({"a": points(200)}, labels, ["x", "y"], {})
    (dots,) = figure.axes[0].collections
    colours = [tuple(colour) for colour in dots.get_facecolors()]
    first = [colour == colours[0] for colour in colours]
    assert 0.3 < np.mean(first[:100]) < 0.7


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_panels_are_square_and_nothing_overlaps(count, tmp_path):
    given = {f"a long name of a loss, {i}": points(20, i) * [9, 1] for i in range(count)}
    figure = embedding_figure(
        given,
        labels_of(10, 20),
        [f"automobile {i}" for i in range(10)],
        dict.fromkeys(given, 0.5),
    )
    figure.draw_without_rendering()
    panels = shown(figure)
    assert len(panels) == count
    for axes in panels:
        assert axes.bbox.width == pytest.approx(axes.bbox.height, rel=0.01)
        assert axes.get_aspect() == 1
        assert not len(axes.get_xticks())
    boxes = [axes.title.get_window_extent() for axes in panels]
    boxes.append(figure.legends[0].get_window_extent())
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert save_figure(figure, tmp_path / "x.png", dpi=40).stat().st_size > 1000


def test_points_that_are_not_finite_are_left_out():
    some, none = points(10), np.full((10, 2), math.nan)
    some[:3, 0] = math.inf
    figure = embedding_figure({"some": some, "none": none}, labels_of(2, 10), ["x", "y"], {})
    first, second = figure.axes
    assert len(first.collections[0].get_offsets()) == 7
    assert [text.get_text() for text in second.texts] == ["diverged"]
    figure.draw_without_rendering()


def test_all_on_one_point():
    figure = embedding_figure({"a": np.zeros((10, 2))}, labels_of(2, 10), ["x", "y"], {"a": 0.0})
    figure.draw_without_rendering()
    assert figure.axes[0].get_title() == "a\nsilhouette 0.00"


def test_it_refuses():
    good, labels = {"a": points(4)}, labels_of(2, 4)
    with pytest.raises(ValueError, match="at least one loss, got none"):
        embedding_figure({}, labels, ["x", "y"], {})
    with pytest.raises(ValueError, match=r"shape \(4, 2\), got \(5, 2\) for 'a'"):
        embedding_figure({"a": points(5)}, labels, ["x", "y"], {})
    with pytest.raises(ValueError, match=r"in \[0, 1\), as `classes` names 1, got 0 to 1"):
        embedding_figure(good, labels, ["x"], {})
    with pytest.raises(ValueError, match="at least one sample, got float64"):
        embedding_figure(good, labels.astype(float), ["x", "y"], {})
    with pytest.raises(ValueError, match="at least one sample, got int"):
        embedding_figure({"a": points(0)}, labels[:0], ["x", "y"], {})
