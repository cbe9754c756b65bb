"""The charts of a search, as Vega-Lite specifications: plain values, drawn in the browser."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightning_lossmeta.report.history import CACHED, LOST, STOPPED, TRAINED, Attempt
from lightning_lossmeta.report.run import RunContents

#: Okabe & Ito's colours: told apart by every kind of colour vision, on white and on black.
BLUE, VERMILION, GREEN = "#2f86d0", "#d55e00", "#009e73"
PINK, AMBER, SKY, GREY = "#cc79a7", "#e69f00", "#56b4e9", "#8a8a8a"
_COLOURS = {TRAINED: BLUE, CACHED: SKY, STOPPED: AMBER, LOST: VERMILION}
_FILTER_COLOURS = (GREY, PINK, AMBER, GREEN)

#: More candidates than this are thinned out evenly, the learned loss excepted.
MOST_POINTS = 10_000
#: Characters that all formulas of a chart have together, so that the file stays below 5 MB.
_FORMULA_BUDGET = 1_600_000
_FORMULA_BOUNDS = (40, 300)

_HEIGHT, _STRIP = 340, 22
# Points further off than this many times the better half's spread are drawn at the edge.
_FAR = 4.0


@dataclass(frozen=True)
class Chart:
    """A chart of the page.

    Args:
        key: Names the chart's element.
        title: What it shows.
        alt: What a reader who does not see it is told.
        note: What a reader must know, below it.
        spec: The Vega-Lite specification.
    """

    key: str
    title: str
    alt: str
    note: str
    spec: Mapping[str, Any]


def axis(title: str, **options: Any) -> dict[str, Any]:
    """An axis with its title; options as in Vega-Lite."""
    return {"title": title, **options}


def colour_scale(colours: Mapping[str, str]) -> dict[str, Any]:
    """A scale that gives each name its colour."""
    return {"domain": list(colours), "range": list(colours.values())}


def candidates_chart(run: RunContents, formula: Callable[[Attempt], str]) -> Chart | None:
    """Every candidate as a point over the generations, with the best so far.

    Args:
        run: The search.
        formula: Writes a candidate's loss.

    Returns:
        ``None`` if there are no candidates.
    """
    attempts = run.history.attempts
    if not attempts:
        return None
    monitor, mode = run.objective
    scores = {id(item): score_of(item, monitor) for item in attempts}
    finite = sorted(value for value in scores.values() if math.isfinite(value))
    bounds = _bounds(finite, mode)
    shown = _thinned(attempts, run)
    low, high = _FORMULA_BOUNDS
    letters = max(low, min(high, _FORMULA_BUDGET // len(shown)))
    sizes = Counter(item.generation for item in attempts)
    points = []
    for item in shown:
        score = scores[id(item)]
        point: dict[str, Any] = {
            "x": round(item.generation + 0.6 + 0.8 * item.index / sizes[item.generation], 3),
            "generation": item.generation + 1,
            "fate": item.fate,
            "formula": cut(formula(item), letters),
        }
        if math.isfinite(score):
            point |= {"y": score, "score": f"{score:.4f}"}
        if not math.isfinite(score):
            point["why"] = cut(": ".join(filter(None, (item.fate, item.message))), 120)
        if is_learned(item, run):
            point["learned"] = "the learned loss"
        points.append(point)
    hidden = len(attempts) - len(shown)
    lost = len(attempts) - len(finite)
    best = _best_line(attempts, scores, mode)
    note = [
        f"The line is the best {monitor} so far. A ring marks the learned loss, which need not "
        "have the best score where it was chosen on fresh seeds. Candidates of different "
        "generations are trained with other weights and batches: their scores compare roughly."
    ]
    if lost:
        note.append(f"{lost} candidates without a score stand at the bottom.")
    beyond = [value for value in finite if bounds and not bounds[0] <= value <= bounds[1]]
    if beyond:
        note.append(f"{len(beyond)} scores lie beyond the chart and are drawn at its edge.")
    if hidden:
        note.append(f"{hidden} candidates are left out, evenly; all stand in history.csv.")
    ends = f"from {best[0]['y']:.4f} to {best[-1]['y']:.4f}" if best else "never a number"
    return Chart(
        "candidates",
        "Every candidate",
        f"{len(attempts)} candidates of {run.history.generations} generations; the best {monitor} "
        f"so far goes {ends}.",
        " ".join(note),
        _points_spec(points, best, monitor, bounds, _fate_colours(attempts)),
    )


def fates_chart(run: RunContents) -> Chart | None:
    """What became of the candidates of each generation; ``None`` if all were trained."""
    attempts = run.history.attempts
    total = run.history.fates()
    if set(total) <= {TRAINED}:
        return None
    colours = _fate_colours(attempts)
    counts = Counter((item.generation, item.fate) for item in attempts)
    values = [
        {"generation": generation + 1, "fate": fate, "candidates": count}
        for (generation, fate), count in counts.items()
    ]
    told = ", ".join(f"{count} {fate}" for fate, count in total.most_common())
    return Chart(
        "fates",
        "What became of candidates",
        f"Of {len(attempts)} candidates: {told}.",
        "A filter's name stands for the candidates that it judged without a training.",
        {
            "data": {"values": values},
            "height": 200,
            "mark": {"type": "bar", "tooltip": True},
            "encoding": {
                "x": {
                    "field": "generation",
                    "type": "ordinal",
                    "axis": axis("generation", labelAngle=0, labelOverlap=True),
                },
                "y": {"field": "candidates", "type": "quantitative", "axis": axis("candidates")},
                "color": _colour(colours),
            },
        },
    )


def front_chart(run: RunContents, formula: Callable[[Attempt], str]) -> Chart | None:
    """The first two objectives of all candidates, and which none beats in both."""
    names = run.history.objectives
    scored = [item for item in run.history.attempts if len(item.scores) > 1]
    if len(names) < 2 or not scored:
        return None
    values = []
    best = [item for item in scored if (item.structure, item.theta) in run.front]
    for item in dict.fromkeys([*best, *_thinned(scored, run)]):
        on_front = (item.structure, item.theta) in run.front
        values.append(
            {
                "a": item.scores[0],
                "b": item.scores[1],
                "which": "on the front" if on_front else "others",
                "generation": item.generation,
                "formula": cut(formula(item), _FORMULA_BOUNDS[0] * 3),
            }
        )
    colours = {"on the front": VERMILION, "others": GREY}
    zero = {"scale": {"zero": False}, "type": "quantitative"}
    more = f" Of {len(names)} objectives the first two are drawn." if len(names) > 2 else ""
    return Chart(
        "front",
        "The front of several objectives",
        f"{len(scored)} candidates by {names[0]} and {names[1]}; {len(run.front)} on the front.",
        f"No candidate beats one of the front in every objective.{more}",
        {
            "data": {"values": values[:MOST_POINTS]},
            "height": _HEIGHT,
            "mark": {"type": "circle", "size": 45, "opacity": 0.75},
            "encoding": {
                "x": {"field": "a", **zero, "axis": axis(names[0])},
                "y": {"field": "b", **zero, "axis": axis(names[1])},
                "color": _colour(colours, "which"),
                "tooltip": _tooltip(formula="loss", a=names[0], b=names[1]),
            },
        },
    )


def score_of(item: Attempt, monitor: str) -> float:
    """What a candidate is drawn by: its one objective, or its fitness; NaN without a score."""
    if len(item.scores) == 1:
        return item.scores[0]
    return item.fitness if math.isfinite(item.fitness) else math.nan


def is_learned(item: Attempt, run: RunContents) -> bool:
    """Whether a candidate is the loss that the run ended with."""
    if run.artifact is None:
        return False
    chosen = run.artifact.candidate
    return item.theta == chosen.theta and item.structure == chosen.structure


def cut(text: str, most: int) -> str:
    """Text with at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _points_spec(
    points: list[dict[str, Any]],
    best: list[dict[str, Any]],
    monitor: str,
    bounds: tuple[float, float] | None,
    colours: Mapping[str, str],
) -> dict[str, Any]:
    x = {
        "field": "x",
        "type": "quantitative",
        "axis": axis("generation", tickMinStep=1, grid=False),
        "scale": {"nice": False},
    }
    y: dict[str, Any] = {"field": "y", "type": "quantitative", "axis": axis(monitor)}
    y["scale"] = {"zero": False, "clamp": True, **({"domain": bounds} if bounds else {})}
    y["scale"]["range"] = [_HEIGHT - 2 * _STRIP, 6]
    told = {"formula": "loss", "score": monitor, "generation": "generation"}
    told["fate"] = "what became of it"
    tooltip = _tooltip(**told)
    point = {"type": "point", "filled": True, "aria": False}
    shared = {"x": x, "color": _colour(colours), "tooltip": tooltip}
    ring = {"type": "point", "filled": False, "size": 190, "strokeWidth": 3, "color": VERMILION}
    line = {"type": "line", "interpolate": "step-after", "strokeWidth": 2.2, "color": GREEN}
    scored = [item for item in points if "y" in item]
    layers = [
        (best, {**line, "aria": False}, {"x": x, "y": y}),
        (scored, {**point, "size": 38, "opacity": 0.75}, {**shared, "y": y}),
        (
            [item for item in points if "y" not in item],
            {**point, "shape": "cross", "size": 30, "opacity": 0.75},
            {
                **shared,
                "y": {"value": _HEIGHT - _STRIP / 2},
                "tooltip": _tooltip(formula="loss", generation="generation", why="why"),
            },
        ),
        (
            [item for item in scored if "learned" in item],
            {**ring, "aria": False},
            {"x": x, "y": y, "tooltip": tooltip},
        ),
    ]
    return {
        "height": _HEIGHT,
        "layer": [
            {"data": {"values": values}, "mark": mark, "encoding": encoding}
            for values, mark, encoding in layers
            if values
        ],
    }


def _colour(colours: Mapping[str, str], field: str = "fate") -> dict[str, Any]:
    legend = {"title": None, "orient": "top", "columns": 4}
    return {
        "field": field,
        "type": "nominal",
        "scale": colour_scale(colours),
        "legend": legend if len(colours) > 1 else None,
    }


def _tooltip(**titles: str) -> list[dict[str, str]]:
    return [{"field": field, "title": title} for field, title in titles.items()]


def _fate_colours(attempts: Sequence[Attempt]) -> dict[str, str]:
    """A colour for each end that candidates came to."""
    fates = dict.fromkeys(item.fate for item in attempts)
    filters = sorted(fate for fate in fates if fate not in _COLOURS)
    known = {fate: colour for fate, colour in _COLOURS.items() if fate in fates}
    count = len(_FILTER_COLOURS)
    return known | {name: _FILTER_COLOURS[i % count] for i, name in enumerate(filters)}


def _thinned(attempts: Sequence[Attempt], run: RunContents) -> list[Attempt]:
    if len(attempts) <= MOST_POINTS:
        return list(attempts)
    step = len(attempts) / (MOST_POINTS - 1)
    kept = {int(number * step) for number in range(MOST_POINTS - 1)}
    return [item for i, item in enumerate(attempts) if i in kept or is_learned(item, run)]


def _bounds(finite: list[float], mode: str) -> tuple[float, float] | None:
    """The scores that the chart shows: all, but for those far beyond the better half."""
    if not finite:
        return None
    worst, best = (finite[0], finite[-1]) if mode == "max" else (finite[-1], finite[0])
    reach = _FAR * abs(best - finite[len(finite) // 2]) or abs(best - worst)
    edge = max(worst, best - reach) if mode == "max" else min(worst, best + reach)
    low, high = min(best, edge), max(best, edge)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _best_line(
    attempts: Sequence[Attempt], scores: Mapping[int, float], mode: str
) -> list[dict[str, Any]]:
    """The best score by the end of each generation."""
    sign = 1.0 if mode == "max" else -1.0
    by_end: dict[int, float] = {}
    best = -math.inf
    for item in attempts:
        score = scores[id(item)]
        if math.isfinite(score):
            best = max(best, sign * score)
        if math.isfinite(best):
            by_end[item.generation] = sign * best
    line = [{"x": generation + 0.5, "y": value} for generation, value in by_end.items()]
    return [*line, {"x": line[-1]["x"] + 1, "y": line[-1]["y"]}] if line else []
