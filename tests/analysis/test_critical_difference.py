import math

import numpy as np
import pytest
from matplotlib.lines import Line2D

from lightning_lossmeta.analysis.critical_difference import critical_difference_figure
from lightning_lossmeta.analysis.style import BLUE, save_figure

NAMES = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]
RANKS = [3.143, 2.000, 2.893, 1.964]
LONG = "a learned Taylor loss of order three, number {}"


def drawn(figure):
    """All texts, after layout."""
    figure.draw_without_rendering()
    (axes,) = figure.axes
    return [*axes.texts, figure._suptitle, figure._supxlabel]


def said(figure):
    return {text.get_text().replace("\n", " "): text for text in drawn(figure) if text}


def bars(figure):
    (axes,) = figure.axes
    return [line for line in axes.get_lines() if _is_bar(line)]


def _is_bar(line):
    return line.get_color() == BLUE


def overlaps(figure):
    texts = drawn(figure)
    boxes = [text.get_window_extent() for text in texts]
    page = figure.bbox
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 for box in boxes), "beyond the page"
    assert all(page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes), "beyond the page"
    for box, text in zip(boxes, texts, strict=True):
        for line in figure.axes[0].get_lines():
            if not _is_bar(line):
                path = line.get_transform().transform_path(line.get_path())
                assert not path.intersects_bbox(box, filled=False), f"through {text.get_text()}"
    return [
        (a.get_text(), b.get_text())
        for i, (a, one) in enumerate(zip(texts, boxes, strict=True))
        for b, other in zip(texts[:i], boxes[:i], strict=True)
        if one.overlaps(other)
    ]


def test_each_loss_stands_at_its_rank():
    figure = critical_difference_figure(NAMES, RANKS, 1.25, [(3, 1, 2, 0)])
    (axes,) = figure.axes
    texts = said(figure)
    left, right = axes.get_xlim()
    assert left > 4 > 1 > right, "the best stands right"
    dots = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert sorted(line.get_xdata()[0] for line in dots) == sorted(RANKS)
    for name, rank in zip(NAMES, RANKS, strict=True):
        x, y = texts[name].xy
        assert texts[f"{rank:.2f}"].xy == (x, y)
        (elbow,) = [
            points
            for points in map(np.transpose, map(Line2D.get_data, axes.get_lines()))
            if len(points) == 3 and tuple(points[-1]) == (x, y)
        ]
        assert elbow[:2].tolist() == [[rank, 0], [rank, y]]
        assert (x < 1) == (rank < 2.5), "the better half stands right"


def test_bars_and_the_difference_are_to_scale():
    figure = critical_difference_figure(NAMES, RANKS, 1.0, [(3, 1, 2), (2, 0)])
    spans = sorted(tuple(sorted(line.get_xdata())) for line in bars(figure))
    np.testing.assert_allclose(spans, [(1.964, 2.893), (2.893, 3.143)], atol=0.03)
    heights = [line.get_ydata()[0] for line in bars(figure)]
    assert len(set(heights)) == 2, "bars that meet stand at different heights"
    (axes,) = figure.axes
    (ruler,) = [line for line in axes.get_lines() if list(line.get_xdata()) == [4, 3.0]]
    assert ruler.get_ydata()[0] > 0
    assert "CD = 1.00" in said(figure)


def test_bars_that_do_not_meet_share_a_height():
    figure = critical_difference_figure(list("abcd"), [1.1, 1.2, 3.8, 3.9], 0.5, [(0, 1), (2, 3)])
    assert len({line.get_ydata()[0] for line in bars(figure)}) == 1


def test_a_difference_longer_than_the_ruler_says_so():
    figure = critical_difference_figure(["a", "b"], [1.5, 1.5], 1.96, [(0, 1)])
    assert "CD = 1.96, longer than the ruler" in said(figure)
    (axes,) = figure.axes
    above = [line for line in axes.get_lines() if min(line.get_ydata()) > 0]
    assert {float(x) for line in above for x in line.get_xdata()} == {1, 2}, "it ends at the ruler"
    assert not overlaps(figure)


@pytest.mark.parametrize("count", [2, 3, 7, 12, 20])
@pytest.mark.parametrize("name", ["MAE {}", LONG])
@pytest.mark.parametrize("equal", [True, False])
def test_nothing_overlaps(count, name, equal, tmp_path):
    ranks = np.full(count, (count + 1) / 2) if equal else np.linspace(1, count, count)
    groups = [tuple(range(i, min(i + 4, count))) for i in range(max(count - 3, 1))]
    names = [name.format(i) for i in range(count)]
    figure = critical_difference_figure(names, ranks, 3.5, groups, title="Ranks")
    assert overlaps(figure) == []
    assert figure.get_suptitle() == "Ranks"
    assert save_figure(figure, tmp_path / "x.png", dpi=40).stat().st_size > 1000


def test_no_bar_crosses_a_name():
    figure = critical_difference_figure(
        [LONG.format(i) for i in range(12)],
        np.linspace(1, 12, 12),
        5.0,
        [tuple(range(i, i + 5)) for i in range(8)],
    )
    figure.draw_without_rendering()
    names = [text.get_window_extent() for text in figure.axes[0].texts if "loss" in text.get_text()]
    lowest = min(line.get_window_extent().y0 for line in bars(figure))
    assert max(box.y1 for box in names) < lowest


def test_it_refuses():
    with pytest.raises(ValueError, match="`names` to hold at least two losses, got"):
        critical_difference_figure(["a"], [1.0], 1.0, [])
    for ranks in ([1.0, math.nan], [1.0, 2.5], [0.5, 1.0], [1.0, 2.0, 3.0], [1.0]):
        with pytest.raises(ValueError, match="`ranks` to hold 2 numbers from 1 to 2, got"):
            critical_difference_figure(["a", "b"], ranks, 1.0, [])
    with pytest.raises(ValueError, match="`cd` to be positive, got nan"):
        critical_difference_figure(["a", "b"], [1.0, 2.0], math.nan, [])
