"""The end of a search for a front: its members and the usual losses on fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison.named_losses import NamedLosses
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator, ProgressFn, no_progress
from lightning_lossmeta.search.contenders import Contender, baselines_of
from lightning_lossmeta.search.field import Field
from lightning_lossmeta.search.finals import Choice, Standing, standing
from lightning_lossmeta.search.selection import Finalists
from lightning_lossmeta.searchers.front import Front
from lightning_lossmeta.searchers.knee import knee


def front_round(
    search: Search,
    evaluator: Evaluator,
    settings: Finalists,
    on_progress: ProgressFn = no_progress,
) -> Choice:
    """Train the front of a search again on fresh seeds and choose its knee by these scores.

    The scores that put candidates on the front are partly luck, of the ends above all. So the
    members, or ``settings.count`` of them that are spread along it, the ends and the knee among
    them, are trained with ``settings.seeds`` fresh seeds, at the learning rate that they were found
    at: it is part of where on the front a loss lies. For usual losses it is too, so that they are
    trained as often at every rate of the grid, which is not widened.

    What is chosen is the knee of those members that no other member and no usual loss, at any rate,
    equals or exceeds in every objective on the mean over these seeds. If there is none, a usual
    loss is kept.

    Args:
        search: A search of several objectives that trained at least one candidate.
        evaluator: Trains.
        settings: How many members there are at the most, which usual losses, seeds and rates.
        on_progress: Called with how many trainings are done, of those asked for by now.
    """
    own_factor = search.tasks[0].session.learning_rate_factor
    members = [
        Contender("learned", search.family, candidate, learned=True)
        for candidate in _spread(search.front, settings.count)
    ]
    losses = baselines_of(search, settings.baselines)
    named = NamedLosses(losses) if losses else None
    usual = [Contender(name, named, Candidate(name), False) for name in losses if named]
    field = Field(search, evaluator, on_progress)
    rates = sorted(settings.learning_rate_factors)
    rows = [(item, 1.0) for item in members] + [(item, rate) for item in usual for rate in rates]
    seeds = range(1, settings.seeds + 1)
    results = iter(field.train([(*row, seed) for row in rows for seed in seeds]))
    standings = [
        standing(item, factor * own_factor, [next(results) for _ in seeds]) for item, factor in rows
    ]
    return _chosen(search, standings[: len(members)], standings[len(members) :], settings.seeds)


def _spread(front: Front, count: int) -> list[Candidate]:
    """At most so many members, spread along the front; the knee and the ends first."""
    known = [entry.evaluation for entry in front]
    if len(known) <= count:
        return [item.candidate for item in known]
    columns = list(zip(*(item.objectives for item in known), strict=True))
    bounds = [(min(column), max(column)) for column in columns]
    scaled = [
        [
            (value - low) / (high - low) if high > low else 0.0
            for value, (low, high) in zip(item.objectives, bounds, strict=True)
        ]
        for item in known
    ]
    middle = knee([item.objectives for item in known], [item.fitness for item in known])
    ends = [column.index(max(column)) for column in columns]
    taken = list(dict.fromkeys([middle, *ends]))[:count]
    while len(taken) < count:
        others = [place for place in range(len(known)) if place not in taken]
        taken.append(max(others, key=lambda i: min(math.dist(scaled[i], scaled[j]) for j in taken)))
    return [known[place].candidate for place in taken]


def _chosen(
    search: Search, learned: Sequence[Standing], usual: Sequence[Standing], seeds: int
) -> Choice:
    held_against = max(usual, key=lambda item: item.evaluation.fitness, default=None)
    alone, together = Front(), Front()
    for item in learned:
        alone.add(0, item.evaluation)
    for item in (*learned, *usual):  # of equal ones the first stays
        together.add(0, item.evaluation)
    on_front = {id(entry.evaluation) for entry in together}
    kept = [item for item in learned if id(item.evaluation) in on_front]
    pool = kept or [item for item in learned if any(e.evaluation is item.evaluation for e in alone)]
    if not pool:  # no member could be trained
        worse = held_against is not None and math.isfinite(held_against.evaluation.fitness)
        return Choice(learned[0], held_against, outcome="worse" if worse else "untested")
    best = pool[
        knee(
            [item.evaluation.objectives for item in pool],
            [item.evaluation.fitness for item in pool],
        )
    ]
    count = f"{len(learned)} members of the front, on {seeds} fresh seeds"
    if kept:
        said = (
            f"Of {count}, {len(kept)} are equalled or beaten in every objective by no other and by "
            "no usual loss at any learning rate. "
            f"The learned loss is their knee ({_scores(search, best.evaluation)})."
        )
        return Choice(best, held_against, said=said, front=tuple(learned), usual=tuple(usual))
    covering = max(
        (item for item in usual if item.evaluation.objectives),
        key=lambda item: (_covers(item.evaluation, best.evaluation), item.evaluation.fitness),
    )
    said = (
        f"Of {count}, each is equalled or beaten in every objective by a usual loss: keep "
        f"{covering.contender.name} ({_scores(search, covering.evaluation)}; learning rate x "
        f"{covering.factor:g})."
    )
    return Choice(
        best,
        covering,
        outcome="no difference",
        said=said,
        front=tuple(learned),
        usual=tuple(usual),
    )


def _covers(one: Evaluation, other: Evaluation) -> bool:
    return all(a >= b for a, b in zip(one.objectives, other.objectives, strict=True))


def _scores(search: Search, item: Evaluation) -> str:
    """Objectives by name, in the metrics' own sign."""
    return ", ".join(
        f"{objective.monitor} {objective.signed(value):.4f}"
        for objective, value in zip(search.objectives, item.objectives, strict=True)
    )
