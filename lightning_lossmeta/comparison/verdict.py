"""What a comparison says, in words."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from enum import Enum

from lightning_lossmeta.comparison.rows import Row, by_task, with_p_values

#: A difference with a p-value below it is taken for one.
LEVEL = 0.05


class _Outcome(Enum):
    BETTER = "better"
    EQUAL = "equal"
    WORSE = "worse"
    UNTESTED = "untested"


def verdict(
    rows: Sequence[Row], baseline: str, mode: str = "max", baseline_better: bool = False
) -> list[str]:
    """Sentences that say which losses are better, which are worse, and what to keep.

    A loss is better where the test of :func:`with_p_values` gives p < 0.05, worse where the same
    test of the opposite does, and otherwise no difference was shown.

    Args:
        rows: Rows of any number of tasks, each of which has sentences of its own.
        baseline: Name of the loss that each of the others is held against.
        mode: Whether the most (``"max"``) or the least (``"min"``) is the best.
        baseline_better: Ask whether the baseline, as a learned loss, is better than the others.

    Raises:
        ValueError: If there is no loss of that name.

    >>> baseline = Row("cross-entropy", 1.0, False, (0.90, 0.93, 0.93))
    >>> learned = Row("learned", 1.0, False, (0.93, 0.95, 0.97))
    >>> verdict([learned, baseline], "learned", baseline_better=True)
    ['learned is better than cross-entropy (p = 0.018).']
    >>> verdict([learned, baseline], "learned", mode="min", baseline_better=True)
    ['learned is worse than cross-entropy (p = 0.018): keep cross-entropy.']
    """
    asked = by_task(with_p_values(rows, baseline, mode, baseline_better))
    opposite = by_task(with_p_values(rows, baseline, mode, not baseline_better))
    return [
        f"{task}: {sentence}" if len(asked) > 1 else sentence
        for task, group in asked.items()
        for sentence in _sentences(group, opposite[task], baseline, baseline_better, mode)
    ]


def p_text(p_value: float) -> str:
    """A p-value with two significant digits, or as many as show its side of :data:`LEVEL`.

    >>> p_text(0.0123), p_text(0.04966), p_text(0.05)
    ('0.012', '0.0497', '0.05')
    """
    texts = (f"{p_value:.{digits}g}" for digits in range(2, 18))
    return next(text for text in texts if (float(text) < LEVEL) == (p_value < LEVEL))


def _sentences(
    rows: Sequence[Row],
    opposite: Sequence[Row],
    baseline: str,
    baseline_better: bool,
    mode: str,
) -> list[str]:
    """A sentence for each outcome that occurs, and one for losses that were not tested."""
    outcomes: dict[_Outcome, dict[str, str]] = {outcome: {} for outcome in _Outcome}
    for row, other_way in zip(rows, opposite, strict=True):
        if row.name != baseline:
            outcome, p_value = _outcome(row.p_value, other_way.p_value)
            outcomes[outcome][row.name] = f"{row.name} (p = {p_text(p_value)})"
    untested = outcomes.pop(_Outcome.UNTESTED)
    any_better = bool(outcomes[_Outcome.BETTER])
    kept = _best(rows, {**outcomes[_Outcome.EQUAL], **outcomes[_Outcome.WORSE]}, mode)
    sentences = []
    for outcome, described in outcomes.items():
        if described:
            others = _listed(list(described.values()), "and")
            subject, reference = (baseline, others) if baseline_better else (others, baseline)
            plural = len(described) > 1 and not baseline_better
            keep = _best(rows, described, mode) if baseline_better else baseline
            better_known = any_better if not baseline_better else keep != kept
            advice = "" if better_known else f": keep {keep}"
            sentences.append(_sentence(outcome, subject, reference, plural, advice))
    return [*sentences, *([_untested(rows, list(untested), baseline)] if untested else [])]


def _best(rows: Sequence[Row], names: Container[str], mode: str) -> str:
    """The one of these losses with the best mean score; empty if there is none."""
    sign = 1.0 if mode == "max" else -1.0
    own = [row for row in rows if row.name in names]
    return max(own, key=lambda row: sign * row.mean).name if own else ""


def _outcome(p_value: float, opposite: float) -> tuple[_Outcome, float]:
    """The outcome of a test and of its opposite, with the p-value that says so."""
    if math.isnan(p_value):
        return _Outcome.UNTESTED, p_value
    if p_value < LEVEL:
        return _Outcome.BETTER, p_value
    return (_Outcome.WORSE, opposite) if opposite < LEVEL else (_Outcome.EQUAL, p_value)


def _sentence(outcome: _Outcome, subject: str, reference: str, plural: bool, advice: str) -> str:
    if outcome is _Outcome.EQUAL:
        return f"No difference shown between {subject} and {reference}{advice}."
    verb = "are" if plural else "is"
    end = "" if outcome is _Outcome.BETTER else advice
    return f"{subject} {verb} {outcome.value} than {reference}{end}."


def _untested(rows: Sequence[Row], names: Sequence[str], baseline: str) -> str:
    """Which losses were not tested, and why."""
    concerned = [row for row in rows if row.name in (*names, baseline)]
    incomplete = [
        f"{row.name} has {len(row.scores) - missing} of {len(row.scores)} scores"
        for row in concerned
        if (missing := sum(not math.isfinite(score) for score in row.scores))
    ]
    reason = ", ".join(incomplete) or "fewer than two scores"
    return f"Not tested against {baseline}: {_listed(names, 'and')} ({reason})."


def _listed(names: Sequence[str], conjunction: str) -> str:
    """Names in a sentence.

    >>> _listed(["a", "b", "c"], "and")
    'a, b and c'
    """
    *first, last = names
    return f"{', '.join(first)} {conjunction} {last}" if first else last
