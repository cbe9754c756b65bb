import numpy as np
import pytest

from lightning_lossmeta.analysis import timing_figure

LOSSES = [
    ("F.cross_entropy", True),
    ("LabelSmoothing", True),
    ("SparseLabelSmoothing", True),
    ("LabelSmoothing", False),
    ("SparseLabelSmoothing", False),
]
# Seconds that tell which measurement a point came from; from many classes to few.
ROWS = [
    {
        "classes": classes,
        "loss": name,
        "softmax": softmax,
        "forward": (10 + i) * classes * 1e-6,
        "forward_backward": (20 + i) * classes * 1e-6,
    }
    for classes in (100_000, 10, 3)
    for i, (name, softmax) in enumerate(LOSSES)
]


def test_each_measurement_stands_in_its_panel():
    figure = timing_figure(ROWS, batch=100)
    panels = figure.axes
    assert [axes.get_title() for axes in panels] == [
        "forward, with the log-softmax",
        "forward, without the log-softmax",
        "forward and backward, with the log-softmax",
        "forward and backward, without the log-softmax",
    ]
    factors = [(10, 11, 12), (10, 13, 14), (20, 21, 22), (20, 23, 24)]
    for axes, expected in zip(panels, factors, strict=True):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        for line, factor in zip(axes.get_lines(), expected, strict=True):
            classes, microseconds = line.get_data()
            assert list(classes) == [3, 10, 100_000]
            np.testing.assert_allclose(microseconds, factor * np.asarray(classes))
    assert "batch 100" in figure.get_suptitle()
    (legend,) = figure.legends
    assert [text.get_text().split("(")[0] for text in legend.get_texts()] == [
        "F.cross_entropy",
        "LabelSmoothing",
        "SparseLabelSmoothing",
    ]


def test_nothing_measured_is_refused():
    with pytest.raises(ValueError, match="at least one measurement, got none"):
        timing_figure([], batch=100)
