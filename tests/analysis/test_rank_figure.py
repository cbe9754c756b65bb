"""The picture of ranks on fresh data."""

import pytest

from lightning_lossmeta.analysis.rank_figure import rank_figure


def test_each_search_is_a_dot_and_each_way_a_mean():
    figure = rank_figure({"luck": [9, 11], "records": [1, 2]}, "Trust", count=12)
    (axes,) = figure.axes
    drawn = [line.get_xdata() for line in axes.lines]
    assert [list(x) for x in drawn] == [[9, 11], [10, 10], [1, 2], [1.5, 1.5], [6.5, 6.5]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["luck", "records"]
    with pytest.raises(ValueError, match="ranks of each way"):
        rank_figure({"luck": []}, "Trust", count=12)
