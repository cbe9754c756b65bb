"""Who takes part in the final round of a search."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import nn

from lightning_lossmeta.artifacts import get_loss
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison.named_losses import NamedLosses
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.families.spaces import VectorSpace
from lightning_lossmeta.losses import baseline_losses
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.search.selection import Finalists

#: What the loss that the user's module has is called.
OWN = "your own loss"


@dataclass(frozen=True)
class Contender:
    """A loss of the final round.

    Args:
        name: What it is called in what is said of it.
        family: Builds it.
        candidate: A candidate of that family.
        learned: Whether the search learned it.
    """

    name: str
    family: LossFamily
    candidate: Candidate
    learned: bool


def contenders(search: Search, settings: Finalists) -> list[Contender]:
    """The search's best candidates, its searcher's recommendation, its start, and the baselines.

    Args:
        search: A search that trained at least one candidate.
        settings: How many candidates there are, and which baselines.
    """
    picked = [*_leaders(search, settings.count), *_further(search)]
    learned = [
        Contender("learned", search.family, candidate, learned=True)
        for candidate in dict.fromkeys(picked)
        if _can_be_built(search.family, candidate)
    ]
    usual = baselines_of(search, settings.baselines)
    named = NamedLosses(usual) if usual else None
    return [
        *learned,
        *(Contender(name, named, Candidate(name), learned=False) for name in usual if named),
    ]


def baselines_of(search: Search, names: Sequence[str] | None) -> dict[str, LossFunction]:
    """The losses that learned ones have to beat, by name.

    Args:
        search: Tells the kind of problem, and the loss of the user's module.
        names: Names of ready losses; ``None`` for the usual ones of the problem and the module's
            own, where that is another.
    """
    if names is not None:
        return {name: get_loss(name) for name in names}
    learned = search.family.build(_any_candidate(search))
    usual = baseline_losses(learned.link)
    own = search.tasks[0].fresh_module().loss_fn
    if _is_another(own, learned, usual):
        return {OWN: own, **usual}  # type: ignore[dict-item]
    return usual


def _any_candidate(search: Search) -> Candidate:
    """One that a loss can be built of; they all have the same link."""
    known = (item.candidate for items in search.searcher.history for item in items)
    first = next((item for item in known if _can_be_built(search.family, item)), None)
    return search.family.space.sample(0) if first is None else first


def _is_another(own: object, learned: LossFunction, usual: dict[str, LossFunction]) -> bool:
    """Whether a module's loss can be trained with here and is none of the usual ones."""
    if not isinstance(own, nn.Module):
        return False
    output, target = learned.link.example(12, 3, torch.Generator().manual_seed(0))
    output, target = output.float(), target.float() if target.is_floating_point() else target
    try:
        value = float(own(output, target))
    except Exception:  # a user's loss may raise anything where it is not for such a problem
        return False
    others = [float(loss(output, target)) for loss in usual.values()]
    return math.isfinite(value) and not any(
        math.isclose(value, other, rel_tol=1e-4) for other in others
    )


def _leaders(search: Search, count: int) -> list[Candidate]:
    """The candidates that did best, each once, without ranking one generation's by another's.

    Generations have seeds of their own, some of them kinder than others. So candidates are taken
    in turns out of two lists: by how much each was better than the median of its generation, and
    the best of each generation, the last one first.
    """
    known = [item for items in search.searcher.history for item in items]
    whole = any(item.status is Status.OK for item in known)  # else all but those given up diverged
    status = Status.OK if whole else Status.STOPPED
    generations = [
        sorted(own, key=lambda item: -item.fitness)
        for items in search.searcher.history
        if (own := [item for item in items if item.status is status])
    ]
    middles = [median(item.fitness for item in own) for own in generations]
    lead = [
        (item.fitness - middle, item)
        for own, middle in zip(generations, middles, strict=True)
        for item in own
    ]
    by_lead = [item for _, item in sorted(lead, key=lambda pair: -pair[0])]
    latest = [own[0] for own in reversed(generations)]
    taken = dict.fromkeys(item.candidate for item in _in_turns(latest, by_lead))
    return list(taken)[:count]


def _in_turns(first: list[Evaluation], second: list[Evaluation]) -> Iterator[Evaluation]:
    for place in range(max(len(first), len(second))):
        yield from first[place : place + 1]
        yield from second[place : place + 1]


def _further(search: Search) -> Iterator[Candidate]:
    """What the searcher recommends beside what it asked for, and where the search began."""
    yield from search.searcher.recommendations
    if isinstance(search.family.space, VectorSpace):
        yield Candidate(None, search.family.space.start)


def _can_be_built(family: LossFamily, candidate: Candidate) -> bool:
    try:
        family.build(candidate)
    except ValueError:
        return False
    return True
