"""The picture of what searches believed best: where it stands on data they have not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lightning_lossmeta.analysis.style import COLOURS, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rank_figure(ranks: Mapping[str, Sequence[float]], title: str, count: int) -> Figure:
    """A dot a search: the rank, on fresh data, of the candidate that it believed best.

    Rank 1 is right; the bar is the mean, the dotted line what a choice at random would come to.

    Args:
        ranks: By way of choosing, one rank a search.
        title: Stands above.
        count: How many candidates were ranked.

    Raises:
        ValueError: If there is no rank.
    """
    if not ranks or not all(len(values) for values in ranks.values()):
        raise ValueError(f"Expected argument `ranks` to hold ranks of each way, got {dict(ranks)}.")
    figure = new_figure(7.2, 1.4 + 0.55 * len(ranks), title)
    axes = figure.subplots()
    names = list(ranks)
    for place, (name, colour) in enumerate(zip(names, COLOURS * len(names), strict=False)):
        values = list(ranks[name])
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.55, markersize=8)
        mean = sum(values) / len(values)
        axes.plot([mean, mean], [place - 0.3, place + 0.3], color=colour, linewidth=3)
    axes.axvline((count + 1) / 2, color="#606060", linestyle=(0, (1, 1)))
    tidy(axes, "", f"rank on fresh episodes, of {count} candidates")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(0.5, count + 0.5), ylim=(len(names) - 0.5, -0.5))
    return figure
