"""Losses under attack as tables, files and sentences."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from lightning_lossmeta.comparison.attack import FGSM, PGD, AttackConfig, AttackedLoss
from lightning_lossmeta.comparison.columns import MESSAGE, spread
from lightning_lossmeta.comparison.markup import markdown, one_line
from lightning_lossmeta.comparison.rows import Row, with_p_values
from lightning_lossmeta.comparison.verdict import LEVEL, p_text

_HEADER = [
    "loss",
    "seed",
    "attack",
    "epsilon",
    "accuracy",
    "status",
    "learning_rate_factor",
    "training_seconds",
]


@dataclass(frozen=True)
class AttackReport:
    """The networks of several losses under attack.

    Args:
        losses: What became of each loss's networks.
        attack: What they were attacked with.
        baseline: Name of the loss that the others are tested against.
    """

    losses: Sequence[AttackedLoss]
    attack: AttackConfig
    baseline: str

    def rows(self, attack: str) -> dict[float, list[Row]]:
        """By epsilon a row a loss, with p-values: paired, one-tailed, Holm's over the losses."""
        return {
            epsilon: with_p_values(
                [loss.row(attack, epsilon) for loss in self.losses], self.baseline
            )
            for epsilon in self.attack.epsilons
        }

    def scores(self, attack: str) -> dict[str, np.ndarray]:
        """Accuracies by loss, (epsilons, seeds), NaN where a training diverged or failed."""
        return {
            loss.name: np.array([loss.row(attack, value).scores for value in self.attack.epsilons])
            for loss in self.losses
        }

    def tables(self) -> list[Table]:
        """A table an attack for the terminal: a row an epsilon, a column a loss."""
        tables = []
        for attack in self.attack.attacks:
            title, (first, *others) = self._title(attack), self._header()
            table = Table(title=title, title_justify="left")
            table.add_column(first, justify="right")
            for name in others:
                table.add_column(name)
            for cells in self._cells(attack):
                table.add_row(*cells)
            tables.append(table)
        return tables

    def markdown(self) -> str:
        """The tables, and the sentences below them, as Markdown."""
        lines = []
        for attack in self.attack.attacks:
            header = [markdown(name) for name in self._header()]
            lines += [f"**{self._title(attack)}**", "", _line(header), _line(["---"] * len(header))]
            lines += [_line(cells) for cells in self._cells(attack)] + [""]
        return "\n".join([*lines, *(f"- {markdown(item)}" for item in self.sentences()), ""])

    def csv(self) -> str:
        """A line for each loss, seed, attack and epsilon."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_HEADER)
        for loss in self.losses:
            for seed, result in enumerate(loss.results):
                for attack in self.attack.attacks:
                    for epsilon in self.attack.epsilons:
                        value = loss.row(attack, epsilon).scores[seed]
                        writer.writerow(
                            [
                                loss.name,
                                seed,
                                attack,
                                f"{epsilon:g}",
                                f"{value:.6g}" if math.isfinite(value) else "",
                                result.status.value,
                                f"{loss.tuning.best:g}",
                                f"{loss.seconds[seed]:.4g}",
                            ]
                        )
        return text.getvalue()

    def sentences(self) -> list[str]:
        """What to know beside the numbers: masked gradients, what diverged, how p was found."""
        return [
            *self._masking(),
            *(text for loss in self.losses for text in _missing(loss)),
            f"p (better than {self.baseline}): one-tailed t-test paired by seed, with Holm's "
            "correction over the losses at each epsilon.",
        ]

    def _masking(self) -> Iterator[str]:
        if FGSM not in self.attack.attacks:
            return
        if PGD not in self.attack.attacks:
            yield "One step does not tell whether a loss masks gradients: attack with pgd too."
            return
        fgsm, pgd = self.rows(FGSM), self.rows(PGD)
        for place, loss in enumerate(self.losses):
            masked = [
                f"{epsilon:g} (p = {p_text(one)} and {p_text(many)})"
                for epsilon in self.attack.epsilons
                if epsilon > 0
                for one, many in [(fgsm[epsilon][place].p_value, pgd[epsilon][place].p_value)]
                if one < LEVEL <= many
            ]
            if masked:
                yield (
                    f"{loss.name}: gradient masking, better than {self.baseline} under FGSM but "
                    f"not under PGD, at epsilon {', '.join(masked)}."
                )

    def _title(self, attack: str) -> str:
        return f"Test accuracy under {self.attack.title(attack)}, mean ± deviation over seeds"

    def _header(self) -> list[str]:
        return ["epsilon", *(loss.name for loss in self.losses)]

    def _cells(self, attack: str) -> Iterator[list[str]]:
        for epsilon, rows in self.rows(attack).items():
            yield [f"{epsilon:g}", *map(_cell, rows)]
        yield ["lr factor", *(_factor(loss) for loss in self.losses)]
        yield ["s a training", *(_seconds(loss) for loss in self.losses)]
        if any(loss.diverged for loss in self.losses):
            counts = [f"{loss.diverged} of {len(loss.results)}" for loss in self.losses]
            yield ["diverged", *counts]


def _cell(row: Row) -> str:
    """Mean and deviation of the scores, and p; or why there is neither."""
    test = "" if math.isnan(row.p_value) else f" (p {p_text(row.p_value)})"
    return f"{spread(row.scores)}{test}" or "none"


def _factor(loss: AttackedLoss) -> str:
    return f"{loss.tuning.best:g}{' *' if loss.tuning.at_edge else ''}"


def _seconds(loss: AttackedLoss) -> str:
    finite = [value for value in loss.seconds if math.isfinite(value)]
    return f"{np.mean(finite):.1f}" if finite else "none"


def _missing(loss: AttackedLoss) -> Iterator[str]:
    """Which trainings of a loss have no score, and why."""
    count = len(loss.results)
    if loss.diverged:
        yield (
            f"{loss.name}: {loss.diverged} of {count} trainings diverged. Means are of the others, "
            "and it is not tested."
        )
    if loss.failures:
        first = one_line(next(iter(loss.failures.values())), MESSAGE)
        yield f"{loss.name}: {len(loss.failures)} of {count} trainings failed: {first}"
    if loss.tuning.at_edge:
        yield f"{loss.name}: * its learning rate is at the edge of the grid."


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
