"""The tables of the light subcommands."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from lightning_lossmeta.analysis import LossSummary, summarise
from lightning_lossmeta.artifacts import ReadyLoss
from lightning_lossmeta.cli.shell import one_line, printable
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.progress_dependent import depends_on_progress

_LOSSES_A_TABLE = 3
_CLASS_COUNTS = (2, 10, 100, 1000)
_PARAMETERS_SHOWN = 16
_AT_START = "figures are for t = 0, the start of a training"


def provenance(named: Mapping[str, ReadyLoss]) -> Table:
    """Formula, parameters and origin, a row a loss."""
    table = Table(show_header=False, show_lines=True)
    table.add_column("loss", overflow="fold", max_width=26)
    table.add_column("what", overflow="fold")
    for name, ready in named.items():
        inner = Table.grid(padding=(0, 1))
        rows = {
            "formula": ready.formula,
            "parameters": parameters(ready),
            "time": _AT_START if depends_on_progress(ready.loss) else "",
            "length": _length(ready),
            "about": ready.about if ready.artifact is None else "",
            "source": ready.source if ready.artifact is None else "",
            "from": one_line(ready.artifact.provenance) if ready.artifact else "",
        }
        for label, text in rows.items():
            if text:
                inner.add_row(Text(label, style="dim"), Text(printable(text)))
        table.add_row(Text(printable(name), style="bold"), inner)
    return table


def _length(ready: ReadyLoss) -> str:
    """For trainings of which length a loss was found, where its sessions stood for a longer one."""
    steps = ready.artifact.provenance.get("as_if") if ready.artifact else None
    if not isinstance(steps, int) or steps < 1:
        return ""
    return (
        f"found for trainings of {steps} steps: in one of n steps, multiply the learning rate by "
        f"{steps} / n"
    )


def parameters(ready: ReadyLoss) -> str:
    """Names and values of a loss's parameters on one line."""
    if ready.artifact is None:
        return ready.loss.extra_repr()
    candidate, family = ready.artifact.candidate, ready.artifact.family
    names = family.space.theta_names(candidate)
    pairs = [f"{name} {value:.6g}" for name, value in zip(names, candidate.theta, strict=False)]
    text = ", ".join(pairs[:_PARAMETERS_SHOWN])
    if len(pairs) > _PARAMETERS_SHOWN:
        text += f", ... ({len(pairs)} in all)"
    normalisation = ready.artifact.normalisation
    if normalisation is None:
        return text
    return f"{text}; normalised for {normalisation.num_classes} classes"


def key_figures(losses: Mapping[str, LossFunction], num_classes: int) -> list[Table]:
    """The numbers that tell losses apart, a column a loss, three losses a table."""
    names = list(losses)
    groups = [names[i : i + _LOSSES_A_TABLE] for i in range(0, len(names), _LOSSES_A_TABLE)]
    return [_figures({name: losses[name] for name in group}, num_classes) for group in groups]


def _figures(losses: Mapping[str, LossFunction], num_classes: int) -> Table:
    table = Table(title=f"Key figures, {num_classes} classes", title_justify="left")
    table.add_column("", no_wrap=True)
    for name in losses:
        table.add_column(Text(printable(name)), overflow="fold")
    columns = [_column(loss, num_classes) for loss in losses.values()]
    for label in columns[0]:
        table.add_row(label, *(column[label] for column in columns))
    return table


def _column(loss: LossFunction, num_classes: int) -> dict[str, str]:
    here = summarise(loss, num_classes)
    further = {n: summarise(loss, n) for n in _CLASS_COUNTS if n != num_classes}
    column = {
        "least loss at p": _minimum(here.minimum),
        "pull turns to push at p": _turn(here),
        "untrained: gamma of target": f"{here.gamma_target:.4g}",
        "untrained: gamma of others": f"{here.gamma_nontarget:.4g}",
        "starts to learn (exact)": _yes(here.trainable),
    }
    column |= {f"  {n} classes": _yes(summary.trainable) for n, summary in further.items()}
    column |= {
        "starts to learn (published)": _yes(here.trainable_published),
        "gradient / CE's, untrained": f"{here.gradient_untrained:.3g}",
        "gradient / CE's, all p (rms)": f"{here.gradient_typical:.3g}",
    }
    column |= {
        f"  {n} classes ": f"{summary.gradient_typical:.3g}" for n, summary in further.items()
    }
    column["implied learning-rate factor"] = f"{here.learning_rate_factor:.3g}"
    return column


def _minimum(p: float) -> str:
    return "none" if math.isnan(p) else f"{p:.4g}"


def _turn(summary: LossSummary) -> str:
    return "nowhere" if summary.pull_to_push is None else f"{summary.pull_to_push:.4g}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
