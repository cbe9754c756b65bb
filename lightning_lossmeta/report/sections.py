"""What stands in a report, as plain values for its template."""

from __future__ import annotations

import base64
import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_lossmeta.artifacts import ExportError, ReadyLoss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison import Report
from lightning_lossmeta.comparison.columns import caption, columns
from lightning_lossmeta.comparison.rows import by_task
from lightning_lossmeta.families import LossFamily
from lightning_lossmeta.report.asked import what_was_asked
from lightning_lossmeta.report.charts import (
    Chart,
    candidates_chart,
    cut,
    fates_chart,
    front_chart,
    is_learned,
    score_of,
)
from lightning_lossmeta.report.history import Attempt
from lightning_lossmeta.report.loss_charts import loss_charts, scores_chart
from lightning_lossmeta.report.run import RunContents
from lightning_lossmeta.report.words import describe

_LEADERS = 5
_MOST_PARAMETERS = 40
#: Longer formulas are shown as text: nobody reads them, and SymPy takes long to shorten them.
_MATHML = 500
_FORMULA = 2000
_PICTURES = {
    "critical_difference.png": "Average ranks of the losses over all tasks, with the critical "
    "difference.",
    "sweep.png": "The scores of the losses over the values of the setting that was swept.",
}
_PICTURE_BYTES = 500_000


@dataclass(frozen=True)
class Table:
    """A table of a comparison: headings, rows of cells, and what stands below."""

    title: str
    headings: list[str]
    rows: list[list[str]]
    caption: str
    chart: Chart | None = None


def sections(run: RunContents) -> dict[str, Any]:
    """All that the template of a report needs.

    Args:
        run: What the run's folder holds.
    """
    learned = _learned(run)
    formula = _writer(run)
    search = [candidates_chart(run, formula), fates_chart(run), front_chart(run, formula)]
    search_charts = [chart for chart in search if chart is not None]
    tables = _tables(run.comparison, "scores") if run.comparison else []
    for number, (what, view) in enumerate(run.views.items()):
        tables += _tables(view, f"view{number}_", what)
    drawn = [table.chart for table in tables if table.chart is not None]
    return {
        "name": run.folder.resolve().name,
        "kind": "search" if run.is_search else "comparison",
        "remarks": run.remarks,
        "verdict": run.comparison.verdict() if run.comparison else [],
        "tiles": _tiles(run),
        "learned": learned,
        "tables": tables,
        "pictures": _pictures(run.folder),
        "search_charts": search_charts,
        "fates": run.history.fates().most_common(),
        "races": _races(run),
        "leaders": _leaders(run, formula),
        "monitor": run.objective[0],
        "asked": what_was_asked(run),
        "config": run.config_text,
        "folder": shlex.quote(str(run.folder)),
        "best": str(run.folder / "best.json"),
        "has_fit": (run.folder / "fit.yaml").is_file(),
        "has_board": (run.folder / "tensorboard").is_dir(),
        "charts": [*(learned["charts"] if learned else []), *drawn, *search_charts],
    }


def _learned(run: RunContents) -> dict[str, Any] | None:
    """The learned loss: formula, words, parameters and charts."""
    artifact = run.artifact
    if artifact is None:
        return None
    loss = artifact.build()
    classes = run.provenance.get("num_classes")
    num_classes = classes if isinstance(classes, int) and 2 <= classes <= 10_000 else 10
    formula = artifact.formula()
    ready = ReadyLoss("learned", loss, "", formula, "", artifact)
    theta = artifact.candidate.theta
    names = artifact.family.space.theta_names(artifact.candidate)
    return {
        "formula": cut(formula, _FORMULA),
        "mathml": _mathml(ready) if len(formula) <= _MATHML else "",
        "link": artifact.family.name,
        "words": describe(loss, num_classes),
        "not_learned": run.provenance.get("not_learned"),
        "said": _said(run.provenance),
        "kept": run.kept,
        "parameters": list(zip(names, map(repr, theta), strict=False))[:_MOST_PARAMETERS],
        "more_parameters": max(0, len(theta) - _MOST_PARAMETERS),
        "charts": loss_charts(loss, num_classes),
    }


def _said(provenance: Mapping[str, Any]) -> str:
    """What the finalists' round on validation data came to; empty where there was none."""
    against = provenance.get("against")
    said = against.get("said") if isinstance(against, Mapping) else None
    return said if isinstance(said, str) else ""


def _mathml(ready: ReadyLoss) -> str:
    from lightning_lossmeta.artifacts.export_symbolic import to_mathml

    try:
        return to_mathml(ready, digits=4)
    except ExportError:
        return ""


def _writer(run: RunContents) -> Callable[[Attempt], str]:
    """What writes a candidate's loss: its family, or its parameters where that is not known."""
    family: LossFamily | None = run.artifact.family if run.artifact else None

    def written(item: Attempt) -> str:
        if family is not None and (item.theta or item.structure):
            try:
                return family.formula(Candidate(item.structure, item.theta))
            except (ValueError, ArithmeticError, LookupError, TypeError):
                pass  # of another release, or damaged: shown as it stands
        numbers = " ".join(f"{value:.4g}" for value in item.theta[:12])
        return f"{item.structure or ''} {numbers}".strip() or "see history.jsonl"

    return written


def _tables(report: Report, key: str, what: str = "") -> list[Table]:
    tables = []
    groups = by_task(report.rows)
    for number, (task, rows) in enumerate(groups.items()):
        shown = columns(rows, report.score, report.baseline)
        title = ", ".join(part for part in (task if len(groups) > 1 else "", what) if part)
        chart = scores_chart(
            rows, f"{key}{number}", report.score, report.baseline, title or "Scores on test data"
        )
        tables.append(
            Table(
                title,
                [column.heading for column in shown],
                [[column.cell(row) for column in shown] for row in rows],
                caption(rows, report.baseline, report.baseline_better),
                chart,
            )
        )
    return tables


def _tiles(run: RunContents) -> list[tuple[str, str]]:
    """The few numbers to see first: what they are, and their values."""
    tiles = _scores(run.comparison, run.is_search) if run.comparison else []
    if run.is_search:
        count = run.history.generations
        tiles.append((f"candidates in {count} generations", str(len(run.history.attempts))))
    return tiles


def _scores(report: Report, is_search: bool) -> list[tuple[str, str]]:
    """The baseline's mean score on the first task, that of the best other loss, the difference."""
    groups = by_task(report.rows)
    task, rows = next(iter(groups.items()))
    where = f", {task}" if len(groups) > 1 else ""
    base = next((row for row in rows if row.name == report.baseline), rows[0])
    others = [row for row in rows if row is not base]
    best = max(others, key=lambda row: _rank(row.mean, report.mode), default=base)
    shown = [base] if best is base else [base, best]
    tiles = [(f"{report.score} of {row.name}{where}", f"{row.mean:.4f}") for row in shown]
    one, other = (base, best) if is_search else (best, base)
    if one is not other:
        less = " (less is better)" if report.mode == "min" else ""
        label = f"{one.name} minus {other.name}{where}{less}"
        tiles.append((label, f"{one.mean - other.mean:+.4f}"))
    return tiles


def _rank(value: float, mode: str) -> float:
    if math.isnan(value):
        return -math.inf
    return value if mode == "max" else -value


def _races(run: RunContents) -> list[tuple[int, int, int]]:
    """Number of trainings, and how many candidates had so many, and were given up with them."""
    counts: dict[int, list[int]] = {}
    for item in run.history.attempts:
        if not item.filter:
            entry = counts.setdefault(item.trainings, [0, 0])
            entry[0] += 1
            entry[1] += item.status == "stopped"
    if len(counts) < 2 and not any(stopped for _, stopped in counts.values()):
        return []
    return [(number, *entry) for number, entry in sorted(counts.items())]  # type: ignore[misc]


def _leaders(run: RunContents, formula: Callable[[Attempt], str]) -> list[dict[str, Any]]:
    """The candidates with the best fitness."""
    monitor = run.objective[0]
    scored = [item for item in run.history.attempts if item.fitness > -math.inf]
    scored.sort(key=lambda item: -item.fitness)
    return [
        {
            "score": f"{score_of(item, monitor):.4f}",
            "generation": item.generation + 1,
            "formula": cut(formula(item), _FORMULA // 5),
            "learned": is_learned(item, run),
        }
        for item in scored[:_LEADERS]
    ]


def _pictures(folder: Path) -> list[Mapping[str, str]]:
    """Pictures that a comparison has drawn, as data."""
    pictures: list[Mapping[str, str]] = []
    for name, alt in _PICTURES.items():
        path = folder / name
        if path.is_file() and path.stat().st_size <= _PICTURE_BYTES:
            data = base64.b64encode(path.read_bytes()).decode()
            pictures.append({"source": f"data:image/png;base64,{data}", "alt": alt})
    return pictures
