"""What landscapes come to in numbers: widths, gaps, and whether flat ones generalise better."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from lightning_lossmeta.comparison.landscapes import PARTS, NetworkLandscape
from lightning_lossmeta.comparison.statistics import paired

_EXACT = 8


class RankCorrelation(NamedTuple):
    """Spearman's rank correlation of width and how a network generalises.

    Flat landscapes that generalise better make it negative with the gap, and positive with test
    accuracy.

    Args:
        score: ``"gap"``, training less test accuracy, or ``"test accuracy"``.
        part: The data that the width is taken on.
        over: ``"networks"``: all of them; ``"losses"``: the mean of each loss; ``"networks of one
            loss"``: how far each network lies from the mean of its loss.
        rho: The correlation, or NaN where it is not defined.
        p: Two-sided, by the exact distribution for up to 8 pairs. That over networks takes them to
            be independent, which those of one loss are not.
        pairs: How many.
    """

    score: str
    part: str
    over: str
    rho: float
    p: float
    pairs: int


def spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[float, float]:
    """Spearman's rank correlation and its two-sided p-value.

    For up to 8 pairs p is exact: the share of all orders whose correlation is as far from 0. It is
    Student's approximation for more.

    Args:
        first: (n,), finite.
        second: (n,), finite.

    Returns:
        NaN and NaN for fewer than three pairs, or where one side does not vary.

    >>> rho, p = spearman([1, 2, 3, 4, 5], [1, 4, 9, 16, 25])  # p = 2 / 5!
    >>> round(rho, 4), round(p, 4)
    (1.0, 0.0167)
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (first, second))
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan, math.nan
    rho = float(stats.spearmanr(x, y).statistic)
    if len(x) > _EXACT:
        return rho, float(stats.spearmanr(x, y).pvalue)

    def correlation(order: npt.NDArray[np.float64]) -> float:
        return float(stats.spearmanr(order, y).statistic)

    test = stats.permutation_test(
        (x,), correlation, permutation_type="pairings", n_resamples=math.inf
    )
    return rho, float(test.pvalue)


def rank_correlations(networks: Sequence[NetworkLandscape]) -> list[RankCorrelation]:
    """How width goes with generalisation gap and test accuracy, over networks and losses.

    Args:
        networks: Of classifiers; others give no correlation.
    """
    names = list(dict.fromkeys(item.loss for item in networks))
    if not networks or not all(item.accuracies for item in networks):
        return []
    of = np.array([names.index(item.loss) for item in networks])
    scores = {
        "gap": np.array([item.gap for item in networks]),
        "test accuracy": np.array([item.accuracies["test"] for item in networks]),
    }
    found = []
    for (score, values), part in product(scores.items(), PARTS):
        widths = np.array([item.width(part) for item in networks])
        x, y = (np.array([v[of == k].mean() for k in range(len(names))]) for v in (widths, values))
        for over, pairs in (
            ("networks", (widths, values)),
            ("losses", (x, y)),
            ("networks of one loss", (widths - x[of], values - y[of])),
        ):
            found.append(RankCorrelation(score, part, over, *spearman(*pairs), len(pairs[0])))
    return found


def summary(networks: Sequence[NetworkLandscape], baseline: str) -> list[dict[str, Any]]:
    """A row a loss: accuracies, gap, widths, and p that its width is another than the baseline's.

    Args:
        networks: Of all losses.
        baseline: Name of the loss that widths are held against, seed by seed; p is NaN for a loss
            of which a seed is missing.
    """
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(item.loss for item in networks):
        own = {item.number: item for item in networks if item.loss == name}
        base = {item.number: item for item in networks if item.loss == baseline}
        row: dict[str, Any] = {"loss": name, "factor": own[min(own)].factor}
        for part in PARTS:
            row[f"{part} accuracy"] = _mean(
                [i.accuracies.get(part, math.nan) for i in own.values()]
            )
        row["gap"] = _mean([item.gap for item in own.values()])
        for part in PARTS:
            widths = [item.width(part) for item in own.values()]
            row[f"{part} width"] = _mean(widths)
            row[f"{part} width std"] = (
                float(np.std(widths, ddof=1)) if len(widths) > 1 else math.nan
            )
            others = [item.width(part) for item in base.values()]
            both = own.keys() == base.keys() and name != baseline
            row[f"{part} p"] = paired(widths, others, "two-sided") if both else math.nan
        row["networks"] = len(own)
        rows.append(row)
    return rows


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def networks_csv(networks: Sequence[NetworkLandscape]) -> str:
    """One line a network: its accuracies, its widths, and how many of them reach the edge."""
    header = ["loss", "seed", "learning_rate_factor", "training_accuracy", "test_accuracy", "gap"]
    header += [f"{part}_{what}" for part in PARTS for what in ("width", "at_edge")]
    rows = [
        [
            item.loss,
            item.number,
            f"{item.factor:g}",
            *(f"{item.accuracies.get(part, math.nan):.6g}" for part in ("training", "test")),
            f"{item.gap:.6g}",
            *(text for part in PARTS for text in (f"{item.width(part):.6g}", item.at_edge(part))),
        ]
        for item in networks
    ]
    return _csv(header, rows)


def curves_csv(networks: Sequence[NetworkLandscape]) -> str:
    """One line a loss, part and point: mean and standard deviation over networks."""
    figures = list(dict.fromkeys(k for i in networks for c in i.curves.values() for k in c))
    header = ["loss", "part", "alpha", *(f"{f}{e}" for f in figures for e in ("", "_std"))]
    rows = []
    for name in dict.fromkeys(item.loss for item in networks):
        own = [item for item in networks if item.loss == name]
        for part in PARTS:
            tables = {key: of_networks(own, part, key) for key in figures}
            for place, alpha in enumerate(own[0].alphas):
                columns = [tables[key][:, place] for key in figures]
                values = [f"{v:.6g}" for c in columns for v in (c.mean(), _std(c))]
                rows.append([name, part, f"{alpha:g}", *values])
    return _csv(header, rows)


def of_networks(
    networks: Sequence[NetworkLandscape], part: str, figure: str
) -> npt.NDArray[np.float64]:
    """A figure of networks, the mean over the directions of each, (S, P)."""
    return np.stack([item.curves[part][figure].mean(axis=0) for item in networks])


def _std(values: npt.NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
