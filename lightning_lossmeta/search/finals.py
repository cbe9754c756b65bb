"""The finalists of a search and the usual losses on fresh seeds, each at its own learning rate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lightning_lossmeta.callbacks.base import Search, shown_score
from lightning_lossmeta.comparison.statistics import paired
from lightning_lossmeta.comparison.verdict import LEVEL, p_text
from lightning_lossmeta.evaluation import Evaluation, Status, mean_evaluation
from lightning_lossmeta.evaluators.base import Evaluator, ProgressFn, no_progress
from lightning_lossmeta.search.contenders import Contender, contenders
from lightning_lossmeta.search.field import Field
from lightning_lossmeta.search.selection import Finalists

#: How often the grid of learning rates is widened for losses whose best one lies at its edge.
WIDENINGS = 2

#: What one step of widening multiplies the outermost rate by, or divides it by.
STRIDE = 3.0

Outcome = Literal["better", "no difference", "worse", "untested"]


@dataclass(frozen=True)
class Standing:
    """How a contender did.

    Args:
        contender: The loss.
        factor: What was best for it to multiply the module's learning rates by.
        evaluation: Its mean over the fresh seeds, at that factor.
        scores: Its fitness with each of them.
    """

    contender: Contender
    factor: float
    evaluation: Evaluation
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Choice:
    """What a search ends with.

    Args:
        learned: The best of the learned losses.
        baseline: The best of the usual ones, if there were any.
        p_value: Of the paired one-tailed test that the learned one is better, times the number of
            learned losses that it was chosen from; of the opposite where it is worse.
        outcome: What the test says.
        said: The same in words; empty for the usual ones.
        front: How the members of a front did, where the searcher looked for one.
        usual: How all of the usual losses did beside them.
    """

    learned: Standing
    baseline: Standing | None = None
    p_value: float = math.nan
    outcome: Outcome = "untested"
    said: str = ""
    front: tuple[Standing, ...] = ()
    usual: tuple[Standing, ...] = ()

    @property
    def keep_baseline(self) -> bool:
        """Whether the usual loss is what to train with: the learned one was not shown better."""
        return self.outcome in ("no difference", "worse")


def final_round(
    search: Search,
    evaluator: Evaluator,
    settings: Finalists,
    on_progress: ProgressFn = no_progress,
) -> Choice:
    """Train finalists and usual losses on equal terms and say which one is to be kept.

    Each is trained with a first fresh seed at all learning rates of the grid, which is widened for
    those whose best rate lies at its edge. The better half of the learned losses and the two best
    baselines are then trained with ``settings.seeds`` further seeds, each at its best rate. The
    scores are of validation data.

    Args:
        search: A search that trained at least one candidate.
        evaluator: Trains.
        settings: How many finalists there are, which baselines, seeds and learning rates.
        on_progress: Called with how many trainings are done, of those asked for by now.

    Returns:
        The choice; its learned loss has the status ``failed`` if every training of all failed.
    """
    session_factor = search.tasks[0].session.learning_rate_factor
    field = contenders(search, settings)
    stand = Field(search, evaluator, on_progress)
    factors = _best_factors(stand, field, sorted(settings.learning_rate_factors))
    order = sorted(field, key=lambda item: -factors[item][1])
    learned = [item for item in order if item.learned]
    leaders = learned[: max(2, math.ceil(len(learned) / 2))]
    usual = [item for item in order if not item.learned][:2]
    rows = [(item, factors[item][0]) for item in (*leaders, *usual)]
    results = stand.train([(*row, seed) for row in rows for seed in range(1, settings.seeds + 1)])
    standings = [
        standing(item, factor * session_factor, list(own))
        for (item, factor), own in zip(rows, _batched(results, settings.seeds), strict=True)
    ]
    return _choice(standings)


def sentence(search: Search, choice: Choice) -> str:
    """What came out, in words; empty where nothing was compared."""
    if choice.said or choice.baseline is None:
        return choice.said
    usual = choice.baseline.contender.name
    scores = [shown_score(search, item.evaluation) for item in (choice.learned, choice.baseline)]
    figures = f"{scores[0]:.4f} against {scores[1]:.4f} on validation data"
    if not math.isnan(choice.p_value):
        figures += f", {len(choice.learned.scores)} fresh seeds, p = {p_text(choice.p_value)}"
    texts = {
        "better": f"The learned loss is better than {usual} ({figures}).",
        "worse": f"The learned loss is worse than {usual} ({figures}): keep {usual}.",
        "no difference": f"No difference shown between the learned loss and {usual} ({figures}): "
        f"keep {usual}.",
        "untested": f"The learned loss was not tested against {usual} ({figures}).",
    }
    return texts[choice.outcome]


def _best_factors(
    stand: Field, field: Sequence[Contender], grid: Sequence[float]
) -> dict[Contender, tuple[float, float]]:
    """The best learning-rate factor of each contender, and its fitness there."""
    tried: dict[Contender, dict[float, float]] = {item: {} for item in field}
    wanted = [(item, factor) for item in field for factor in grid]
    for _ in range(1 + WIDENINGS):
        results = stand.train([(item, factor, 0) for item, factor in wanted])
        for (item, factor), result in zip(wanted, results, strict=True):
            tried[item][factor] = result.fitness
        wanted = [
            (item, edge)
            for item in field
            if len(grid) > 1 and (edge := _beyond(tried[item])) is not None
        ]
        if not wanted:
            break
    return {item: _best(scores) for item, scores in tried.items()}


def _best(scores: dict[float, float]) -> tuple[float, float]:
    """The factor with the highest score and that score; of equal ones the nearest to 1."""
    factor = max(scores, key=lambda f: (scores[f], -abs(math.log(f))))
    return factor, scores[factor]


def _beyond(scores: dict[float, float]) -> float | None:
    """The next factor past the edge of those tried, if the best one lies there."""
    factor, score = _best(scores)
    if not math.isfinite(score):
        return None
    if factor == max(scores):
        return factor * STRIDE
    return factor / STRIDE if factor == min(scores) else None


def standing(item: Contender, factor: float, results: list[Evaluation]) -> Standing:
    """How a contender did: the mean over its seeds, if all of them have scores.

    Args:
        item: The contender.
        factor: What learning rates were multiplied by.
        results: Its evaluation with each seed.
    """
    whole = all(result.objectives for result in results)
    mean = mean_evaluation(results, ["fresh seeds"] * len(results))
    if not whole and mean.status is Status.OK:
        mean = Evaluation(item.candidate, status=Status.DIVERGED)
    mean = replace(mean, candidate=item.candidate, trainings=())
    return Standing(item, factor, mean, tuple(result.fitness for result in results))


def _choice(standings: Sequence[Standing]) -> Choice:
    learned = [item for item in standings if item.contender.learned]
    usual = [item for item in standings if not item.contender.learned]
    best = max(learned, key=lambda item: item.evaluation.fitness)
    if not usual:
        return Choice(best)
    held_against = max(usual, key=lambda item: item.evaluation.fitness)
    if not math.isfinite(held_against.evaluation.fitness):
        return Choice(best, held_against)
    if not math.isfinite(best.evaluation.fitness):
        return Choice(best, held_against, outcome="worse")
    p_value = min(1.0, len(learned) * paired(best.scores, held_against.scores))
    opposite = paired(held_against.scores, best.scores)
    if math.isnan(p_value):
        return Choice(best, held_against)
    if p_value < LEVEL:
        return Choice(best, held_against, p_value, "better")
    if opposite < LEVEL:
        return Choice(best, held_against, opposite, "worse")
    return Choice(best, held_against, p_value, "no difference")


def _batched(items: Iterable[Evaluation], size: int) -> Iterable[tuple[Evaluation, ...]]:
    iterator = iter(items)
    return iter(lambda: tuple(itertools.islice(iterator, size)), ())
