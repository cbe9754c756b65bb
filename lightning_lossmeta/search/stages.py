"""How much a search has to do after its generations."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.comparison import ComparisonConfig
from lightning_lossmeta.losses import baseline_losses
from lightning_lossmeta.search.rehearsal import first_loss
from lightning_lossmeta.search.selection import Finalists


@dataclass(frozen=True)
class Stage:
    """Trainings that belong together.

    Args:
        name: What they are for.
        trainings: How many there are.
        length: The steps of one, in sessions of the search.
    """

    name: str
    trainings: int
    length: float = 1.0

    @property
    def sessions(self) -> float:
        """The work of the stage, in trainings of a generation."""
        return self.trainings * self.length


def later_stages(
    search: Search, finalists: Finalists | None, comparison: ComparisonConfig | None
) -> list[Stage]:
    """The stages that come after the generations.

    Args:
        search: Gives the tasks and the session.
        finalists: How the learned loss is chosen; ``None`` trains nothing.
        comparison: How it is compared; ``None`` trains nothing.
    """
    tasks = len(search.tasks)
    loss = first_loss(search)
    usual = 0 if loss is None else len(baseline_losses(loss.link))
    stages = []
    if finalists is not None:
        foresee = _front_members if search.searcher.seeks_front else _finalists
        stages.append(Stage("finalists", foresee(finalists, usual) * tasks))
    if comparison is not None:
        compared = tasks * (1 + usual)
        session = search.tasks[0].session
        length = (comparison.steps or session.real_steps) / session.steps
        if len(comparison.learning_rate_factors) > 1:
            rates = len(comparison.learning_rate_factors) * comparison.tuning_seeds
            stages.append(Stage("comparison, tuning", compared * rates, length))
        stages.append(Stage("comparison, scoring", compared * comparison.seeds, length))
    return stages


def _finalists(settings: Finalists, usual: int) -> int:
    """The trainings of the final round on one task, if no learning rate lies at an edge.

    Every contender is trained once at each rate, the better half of the learned ones and two
    baselines on the further seeds. Beside the best candidates the start takes part.
    """
    learned = settings.count + 1
    baselines = usual if settings.baselines is None else len(settings.baselines)
    last = max(2, math.ceil(learned / 2)) + min(2, baselines)
    return (learned + baselines) * len(settings.learning_rate_factors) + last * settings.seeds


def _front_members(settings: Finalists, usual: int) -> int:
    """The same where members of a front are the finalists, of which there may be fewer."""
    baselines = usual if settings.baselines is None else len(settings.baselines)
    rows = settings.count + baselines * len(settings.learning_rate_factors)
    return rows * settings.seeds
