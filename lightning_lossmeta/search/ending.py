"""The files that a search leaves at its end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lightning_lossmeta.artifacts import Artifact, UsualScores
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.callbacks.front import own_sign, save_front, volumes
from lightning_lossmeta.families.hand_made import HandMadeFamily
from lightning_lossmeta.search.finals import Choice, Standing, sentence


def save_choice(search: Search, artifact: Artifact, choice: Choice | None) -> None:
    """Write ``learned.json``, and ``best.json``: what to train with.

    They are the same unless a usual loss did as well on fresh seeds. Then ``best.json`` holds that
    one, marked by ``not_learned``, its name, in its provenance. A loss of the user's own, which no
    file can hold, leaves ``best.json`` the learned one, marked by ``keep``. Where the searcher
    looked for a front, its members' files get what they had on fresh seeds.

    Args:
        search: The search.
        artifact: The best of the learned losses.
        choice: How it did beside the usual ones; ``None`` where they were not trained.
    """
    best = artifact
    if choice is not None and choice.front:
        _save_front(search, choice)
    if choice is not None:
        artifact.save(search.directory / "learned.json")
        if choice.keep_baseline and choice.baseline is not None:
            best = _baseline(search, artifact, choice.baseline)
    best.save(search.directory / "best.json")


def outcome(search: Search, choice: Choice) -> dict[str, Any]:
    """What came out of the final round, as a learned loss's provenance has it."""
    found: dict[str, Any] = {"best_learning_rate_factor": choice.learned.factor}
    if choice.baseline is not None:
        found["against"] = {
            "loss": choice.baseline.contender.name,
            "learning_rate_factor": choice.baseline.factor,
            "outcome": choice.outcome,
            "said": sentence(search, choice),
        }
    return found


def _save_front(search: Search, choice: Choice) -> None:
    """The files of the front, with what its members and the usual losses had on fresh seeds."""
    scored = [item for item in choice.front if item.evaluation.objectives]
    save_front(
        search,
        volumes(search),
        {item.contender.candidate: item.evaluation.objectives for item in scored},
        [
            UsualScores(
                item.contender.name, item.factor, own_sign(search, item.evaluation.objectives)
            )
            for item in choice.usual
            if item.evaluation.objectives
        ],
        choice.learned.contender.candidate,
    )


def _baseline(search: Search, artifact: Artifact, kept: Standing) -> Artifact:
    """The usual loss with the provenance of the search, or the learned one if no file can hold it.

    Args:
        search: The search.
        artifact: The best of the learned losses.
        kept: The usual loss, and how it did.
    """
    item = kept.contender
    loss: Any = item.family.build(item.candidate)
    try:
        family = HandMadeFamily(loss.link.problem)
        candidate = family.read(loss)
    except (AttributeError, ValueError):  # a user's own loss
        return replace(artifact, provenance={**artifact.provenance, "keep": item.name})
    provenance = {
        **artifact.provenance,
        "not_learned": item.name,
        "best_learning_rate_factor": kept.factor,
        "fitness": kept.evaluation.fitness,
        "objectives": {
            objective.monitor: objective.signed(value)
            for objective, value in zip(search.objectives, kept.evaluation.objectives, strict=False)
        },
        "generation": None,
    }
    return Artifact.of(family, candidate, provenance)
