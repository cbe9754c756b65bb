"""What a learned loss looks like beside the usual one, and how losses compare."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_lossmeta.analysis import right_class_curve, wrong_class_curve
from lightning_lossmeta.analysis.binary_curves import probability_curve
from lightning_lossmeta.analysis.loss_curves import loss_range
from lightning_lossmeta.analysis.regression_curves import error_curve, scaled
from lightning_lossmeta.comparison.rows import Row
from lightning_lossmeta.losses import BinaryCrossEntropy, CrossEntropy, RegressionSquaredError
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.report.charts import BLUE, GREY, VERMILION, Chart, axis, colour_scale

_POINTS = 120
_TOP = 1.9
_SCALED = "loss, scaled from 0 to 1"
Curves = Mapping[str, Tensor]


def loss_charts(loss: LossFunction, num_classes: int) -> list[Chart]:
    """The learned loss beside the usual one of its kind of problem, a chart a panel.

    Args:
        loss: The learned loss.
        num_classes: n, of a loss for classes.
    """
    return _PANELS[loss.link.problem](loss, num_classes)


def _classes(loss: LossFunction, num_classes: int) -> list[Chart]:
    grid = torch.linspace(0.005, 0.995, _POINTS, dtype=torch.float64)
    right, wrong = {}, {}
    for name, item in {"learned": loss, "cross-entropy": CrossEntropy()}.items():
        low, high = loss_range(item, num_classes)
        right[name] = (right_class_curve(item, grid, num_classes) - low) / (high - low)
        wrong[name] = (wrong_class_curve(item, grid, num_classes) - low) / (high - low)
    note = (
        "Each loss is scaled so that it goes from 0 to 1 between an untrained network "
        "and a sure one."
    )
    return [
        _panel("right", "For the target class", grid, right, "probability of the target", note),
        _panel("wrong", "For another class", grid, wrong, "probability of one other class", ""),
    ]


def _binary(loss: LossFunction, num_classes: int) -> list[Chart]:
    grid = torch.linspace(0.01, 0.99, _POINTS, dtype=torch.float64)
    both = {"learned": loss, "binary cross-entropy": BinaryCrossEntropy()}
    curves = {
        name: scaled(torch.stack([probability_curve(item, grid, y) for y in (1.0, 0.0)]))
        for name, item in both.items()
    }
    return [
        _panel(
            f"label{y}",
            f"For the label {y}",
            grid,
            {name: values[place] for name, values in curves.items()},
            "probability of yes",
            "",
        )
        for place, y in enumerate((1, 0))
    ]


def _regression(loss: LossFunction, num_classes: int) -> list[Chart]:
    grid = torch.linspace(-3, 3, _POINTS + 1, dtype=torch.float64)
    targets = (0.0, 2.0)
    both = {"learned": loss, "squared error": RegressionSquaredError()}
    curves = {
        name: scaled(torch.stack([error_curve(item, grid, y) for y in targets]))
        for name, item in both.items()
    }
    return [
        _panel(
            f"target{place}",
            f"For the target {y:g}",
            grid,
            {name: values[place] for name, values in curves.items()},
            "error, output minus target",
            "Targets are standardised: 0 is their mean." if not place else "",
        )
        for place, y in enumerate(targets)
    ]


_PANELS = {"classification": _classes, "binary": _binary, "regression": _regression}


def _panel(key: str, title: str, grid: Tensor, curves: Curves, x_title: str, note: str) -> Chart:
    values = [
        {"loss": name, "x": round(x, 4), "y": round(y, 5)}
        for name, line in curves.items()
        for x, y in zip(grid.tolist(), line.tolist(), strict=True)
        if math.isfinite(y) and -1 < y < 20
    ]
    colours = dict(zip(curves, (BLUE, GREY), strict=True))
    dashes = dict(zip(curves, ([1, 0], [4, 3]), strict=True))
    learned = [item["y"] for item in values if item["loss"] == next(iter(curves))]
    told = f"{learned[0]:.2f} at the left to {learned[-1]:.2f} at the right" if learned else "none"
    legend = {"title": None, "orient": "top", "symbolType": "stroke", "symbolSize": 300}
    name = {"field": "loss", "type": "nominal"}
    top = min(_TOP, 1.05 * max((float(item["y"]) for item in values), default=1.0))
    y_scale = {"domain": [-0.06, max(top, 1.06)], "nice": False}
    return Chart(
        key,
        title,
        f"The learned loss beside {list(curves)[1]}, against the {x_title}: from {told}.",
        note,
        {
            "data": {"values": values},
            "height": 260,
            "mark": {"type": "line", "strokeWidth": 2.6, "clip": True},
            "encoding": {
                "x": {"field": "x", "type": "quantitative", "axis": axis(x_title, tickCount=5)},
                "y": {
                    "field": "y",
                    "type": "quantitative",
                    "axis": axis(_SCALED, tickCount=5),
                    "scale": y_scale,
                },
                "color": {**name, "scale": colour_scale(colours), "legend": legend},
                "strokeDash": {**name, "scale": colour_scale(dashes)},  # type: ignore[arg-type]
                "tooltip": [{"field": key, "title": key} for key in ("loss", "x", "y")],
            },
        },
    )


def scores_chart(rows: list[Row], key: str, score: str, baseline: str, title: str) -> Chart:
    """The score of each training and their means, a line a loss.

    Args:
        rows: The rows of one task.
        key: Names the chart's element.
        score: What the scores are.
        baseline: Name of the loss that the others were tested against, which is drawn apart.
        title: Of the chart.
    """
    seeds: list[dict[str, Any]] = []
    means: list[dict[str, Any]] = []
    for row in rows:
        finite = [value for value in row.scores if math.isfinite(value)]
        shared = {"loss": row.name, "which": "baseline" if row.name == baseline else "other"}
        seeds += [{**shared, "score": value} for value in finite]
        if finite:
            means.append({**shared, "score": sum(finite) / len(finite)})
    colours = colour_scale({"baseline": VERMILION, "other": BLUE})
    x = {
        "field": "score",
        "type": "quantitative",
        "scale": {"zero": False},
        "axis": axis(score, tickCount=6),
    }
    y = {
        "field": "loss",
        "type": "nominal",
        "sort": [row.name for row in rows],
        "axis": axis("", labelLimit=150, grid=True),
    }
    colour = {"field": "which", "type": "nominal", "scale": colours, "legend": None}
    tooltip = [{"field": name, "title": name} for name in ("loss", "score")]
    shared_encoding = {"x": x, "y": y, "color": colour, "tooltip": tooltip}
    told = "; ".join(f"{item['loss']} {item['score']:.4f}" for item in means)
    return Chart(
        key,
        title,
        f"Mean {score} of each loss: {told}.",
        f"A dot is a training with a seed of its own, a bar the mean; {baseline} in orange.",
        {
            "height": 34 * len(rows),
            "layer": [
                {
                    "data": {"values": seeds},
                    "mark": {"type": "circle", "size": 70, "opacity": 0.55},
                    "encoding": shared_encoding,
                },
                {
                    "data": {"values": means},
                    "mark": {"type": "tick", "thickness": 3, "size": 24},
                    "encoding": shared_encoding,
                },
            ],
        },
    )
