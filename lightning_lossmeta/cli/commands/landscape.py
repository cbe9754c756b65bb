"""Draw how flat the landscape around networks trained with several losses is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from lightning_lossmeta._names import safe_names
from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.cli.compare.request import (
    Request,
    Settings,
    found_factors,
    parse,
    reported,
)
from lightning_lossmeta.cli.shell import console
from lightning_lossmeta.comparison.landscape_report import (
    curves_csv,
    networks_csv,
    of_networks,
    rank_correlations,
    summary,
)
from lightning_lossmeta.comparison.landscapes import (
    PARTS,
    LandscapeConfig,
    NetworkLandscape,
    network_landscapes,
)
from lightning_lossmeta.comparison.progress import ComparisonProgress
from lightning_lossmeta.comparison.verdict import p_text

#: The columns of the table that say how wide flat intervals are.
_WIDTHS = [text for part in PARTS for text in (f"width,\n{part}", "p")]


@dataclass
class LandscapeSettings(Settings):
    """What landscapes are drawn of; the rest is that of a comparison.

    Args:
        landscape: How they are drawn.
    """

    landscape: LandscapeConfig = field(default_factory=LandscapeConfig)


def main(argv: list[str]) -> int:
    """Train with each loss of a comparison's configuration and look around the networks.

    Args:
        argv: The arguments after the command's name.

    Returns:
        The exit status.
    """
    return reported(lambda: _run(parse(argv, "landscape", __doc__, LandscapeSettings)))


def _run(request: Request) -> None:
    request.evaluator.close()  # weights are looked at, which evaluators do not give
    request.directory.mkdir(parents=True, exist_ok=True)
    files = safe_names(request.tasks)
    factors = found_factors(request.directory / "comparison.json")
    for name, (task, _) in request.tasks.items():
        own = {loss: factors.get((name, loss), 1.0) for loss in request.losses}
        with ComparisonProgress() as progress:
            networks = network_landscapes(
                request.losses, task, request.comparison, request.settings.landscape, own, progress
            )
        missing = request.comparison.seeds * len(request.losses) - len(networks)
        if missing:
            console().print(f"{name}: {missing} networks diverged and are left out")
        if not networks:
            continue
        stem = "landscape" if len(request.tasks) == 1 else f"landscape-{files[name]}"
        _show(networks, request.baseline, name)
        for path in _written(networks, request, name, request.directory / stem):
            console().print(str(path), highlight=False, soft_wrap=True)


def _show(networks: Sequence[NetworkLandscape], baseline: str, task: str) -> None:
    """Print the table of widths and the rank correlations."""
    out = console()
    table = Table(title=f"{task}: {networks[0].statistics}", title_justify="left")
    table.add_column("loss")
    for column in ("rate x", *PARTS, "gap", *_WIDTHS):
        table.add_column(column, justify="right", no_wrap=True)
    for row in summary(networks, baseline):
        accuracies = [_number(row[f"{part} accuracy"]) for part in PARTS]
        widths = [text for part in PARTS for text in _width(row, part)]
        table.add_row(
            str(row["loss"]), f"{row['factor']:g}", *accuracies, _number(row["gap"]), *widths
        )
    out.print(table)
    edges = sum(item.at_edge(part) for item in networks for part in PARTS)
    if edges:
        out.print(
            f"{edges} flat intervals reach the end of their curve, so that the widths of these are "
            "at least what is said: --landscape.reach"
        )
    for (score, part), items in groupby(rank_correlations(networks), lambda i: (i.score, i.part)):
        shown = [
            f"over {item.over} {item.rho:+.2f} (p = {p_text(item.p)}, n = {item.pairs})"
            for item in items
            if not math.isnan(item.rho)
        ]
        if shown:
            out.print(f"Rank correlation of width on {part} data and {score}: {', '.join(shown)}")


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def _width(row: Mapping[str, Any], part: str) -> tuple[str, str]:
    """Mean and deviation of a width, and p that it is another than the baseline's."""
    if math.isnan(row[f"{part} width"]):
        return "", ""
    std, p = row[f"{part} width std"], row[f"{part} p"]
    spread = "" if math.isnan(std) else f" \u00b1 {std:.2f}"
    return f"{row[f'{part} width']:.2f}{spread}", "" if math.isnan(p) else p_text(p)


def _written(
    networks: Sequence[NetworkLandscape], request: Request, name: str, stem: Path
) -> list[Path]:
    """Write figures and tables, and return their paths."""
    from lightning_lossmeta.analysis import save_figure
    from lightning_lossmeta.analysis.landscape_figure import landscape_figure

    curves: dict[str, dict[str, Mapping[str, np.ndarray]]] = {}
    for part in PARTS:
        curves[part] = {
            loss: {key: of_networks(own, part, key) for key in own[0].curves[part]}
            for loss, own in _by_loss(networks).items()
        }
    settings: LandscapeConfig = request.settings.landscape
    title = f"{name}: {request.comparison.seeds} networks a loss, {settings.directions} directions"
    figure = landscape_figure(networks[0].alphas, curves, title, networks[0].statistics)
    paths = [save_figure(figure, stem.with_suffix(".png"))]
    for path, text in (
        (stem.with_suffix(".csv"), curves_csv(networks)),
        (stem.with_name(f"{stem.name}-networks.csv"), networks_csv(networks)),
    ):
        write_atomic(path, text)
        paths.append(path)
    return paths + (_planes(networks, settings, name, stem) if settings.plane else [])


def _planes(
    networks: Sequence[NetworkLandscape], settings: LandscapeConfig, name: str, stem: Path
) -> list[Path]:
    """Write contours and table of the planes on the test data, means over networks."""
    from lightning_lossmeta.analysis import save_figure
    from lightning_lossmeta.analysis.directions import alphas_of
    from lightning_lossmeta.analysis.landscape import ACCURACY, OWN_LOSS
    from lightning_lossmeta.analysis.landscape_figure import plane_figure

    side = alphas_of(settings.plane, settings.reach)
    figures = list(networks[0].planes["test"])
    what = ACCURACY if ACCURACY in figures else OWN_LOSS
    means = {
        loss: {key: np.mean([item.planes["test"][key] for item in own], axis=0) for key in figures}
        for loss, own in _by_loss(networks).items()
    }
    lines = [",".join(["loss", "first", "second", *figures])]
    for loss, planes in means.items():
        quoted = f'"{loss}"' if "," in loss else loss
        for i, first in enumerate(side):
            for j, second in enumerate(side):
                values = [f"{planes[key][i, j]:.6g}" for key in figures]
                lines.append(",".join([quoted, f"{first:g}", f"{second:g}", *values]))
    table = stem.with_name(f"{stem.name}-plane.csv")
    write_atomic(table, "\n".join(lines) + "\n")
    drawn = {loss: planes[what] for loss, planes in means.items()}
    shown = f"test {what.replace('_', ' ')}"
    figure = plane_figure(side, drawn, f"{name}, mean over networks", shown)
    return [save_figure(figure, stem.with_name(f"{stem.name}-plane.png")), table]


def _by_loss(networks: Sequence[NetworkLandscape]) -> dict[str, list[NetworkLandscape]]:
    names = dict.fromkeys(item.loss for item in networks)
    return {name: [item for item in networks if item.loss == name] for name in names}
