"""What became of a candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from lightning_lossmeta.candidate import Candidate

Curve = tuple[tuple[int, float], ...]


class Status(str, Enum):
    """How far the judgement of a candidate has come, and how it ended.

    ``pending``: not judged yet. ``ok``: a training earned its scores. ``cached``: an equal loss
    earned them before. ``stopped``: given up before all of its trainings were done; the scores are
    those of the others. ``rejected``: a filter judged it without training. ``diverged``: weights or
    scores were no longer finite. ``failed``: its training raised an error.
    """

    PENDING = "pending"
    OK = "ok"
    CACHED = "cached"
    STOPPED = "stopped"
    REJECTED = "rejected"
    DIVERGED = "diverged"
    FAILED = "failed"


@dataclass(frozen=True)
class Training:
    """One of the trainings that an evaluation is the mean of.

    Args:
        task: Name of the task.
        seed: Position of the seed among those of the generation.
        objectives: As of an :class:`Evaluation`.
        status: How it ended.
    """

    task: str
    seed: int
    objectives: tuple[float, ...]
    status: Status


@dataclass(frozen=True)
class Evaluation:
    """The outcome of scoring a candidate: a value, whatever happened, never an exception.

    Args:
        candidate: What was scored.
        objectives: What is to be made large, one number an objective; never NaN. Empty where there
            is no score.
        status: How it ended.
        weights: Of the objectives in the fitness; empty for ones.
        metrics: Further figures by name.
        curves: By tag, ``(step, value)`` pairs of the inner fit.
        seconds: Wall time spent on this candidate (its share, where candidates train together).
        message: Why it was rejected or failed.
        filter: Name of the callback that judged it without training; empty where none did.
        trainings: What the objectives are the mean of, where there was more than one training.
        not_finite: Names of the objectives that were no finite numbers though all weights were.

    Raises:
        ValueError: If an objective is NaN, or weights and objectives differ in number.

    >>> Evaluation(Candidate(None, (1.0,)), (0.9, -0.1), Status.OK, weights=(1.0, 2.0)).fitness
    0.7
    """

    candidate: Candidate
    objectives: tuple[float, ...] = ()
    status: Status = Status.PENDING
    weights: tuple[float, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    seconds: float = 0.0
    message: str = ""
    filter: str = ""
    trainings: tuple[Training, ...] = ()
    not_finite: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(math.isnan(value) for value in self.objectives):
            raise ValueError(
                f"Expected `objectives` to hold numbers, got {self.objectives}: give none, and the "
                "status `diverged`."
            )
        if self.objectives and self.weights and len(self.weights) != len(self.objectives):
            raise ValueError(
                f"Expected one of `weights` for each of {len(self.objectives)} objectives, got "
                f"{len(self.weights)}."
            )

    @classmethod
    def scored(cls, candidate: Candidate, *objectives: float) -> Evaluation:
        """The evaluation of a candidate whose training ended well.

        >>> Evaluation.scored(Candidate(None, (1.0,)), 0.5).fitness
        0.5
        """
        return cls(candidate, objectives, Status.OK)

    @property
    def fitness(self) -> float:
        """The weighted sum of the objectives; ``-inf`` where there is no score."""
        if not self.objectives:
            return -math.inf
        weights = self.weights or (1.0,) * len(self.objectives)
        return float(sum(w * value for w, value in zip(weights, self.objectives, strict=True)))

    @property
    def trained(self) -> bool:
        """Whether the objectives are such that trainings earned."""
        return self.status in (Status.OK, Status.CACHED, Status.STOPPED)


def mean_evaluation(parts: Sequence[Evaluation], tasks: Sequence[str]) -> Evaluation:
    """One candidate's evaluations on several tasks, or with several seeds, as one.

    Objectives are averaged over all. If a part has none, the mean has none, and the status and
    message of the first such part. Metrics and curves are those of the first seed of each task,
    metrics averaged over its seeds, under ``task/name`` where there are several tasks.

    Args:
        parts: The evaluations of one candidate, at least one.
        tasks: The name of each evaluation's task.
    """
    if len(parts) == 1:
        return parts[0]
    by_task: dict[str, list[Evaluation]] = {}
    trainings = []
    for name, part in zip(tasks, parts, strict=True):
        seed = len(by_task.setdefault(name, []))
        trainings.append(Training(name, seed, part.objectives, part.status))
        by_task[name].append(part)
    prefixes = {name: f"{name}/" if len(by_task) > 1 else "" for name in by_task}
    metrics = {
        f"{prefixes[name]}{key}": value
        for name, group in by_task.items()
        for key, value in _mean_metrics(group).items()
    }
    curves = {
        f"{prefixes[name]}{key}": curve
        for name, group in by_task.items()
        for key, curve in group[0].curves.items()
    }
    pairs = zip(tasks, parts, strict=True)
    bad = next(((name, part) for name, part in pairs if part.status is not Status.OK), None)
    status, message = Status.OK, ""
    if bad is not None:
        status, message = bad[1].status, f"{bad[0]}: {bad[1].message}"
    return Evaluation(
        parts[0].candidate,
        _mean_objectives(parts) if bad is None else (),
        status,
        parts[0].weights,
        metrics,
        curves,
        sum(part.seconds for part in parts),
        message,
        trainings=tuple(trainings),
        not_finite=() if bad is None else bad[1].not_finite,
    )


def _mean_objectives(parts: Sequence[Evaluation]) -> tuple[float, ...]:
    columns = zip(*(part.objectives for part in parts), strict=True)
    return tuple(sum(column) / len(parts) for column in columns)


def _mean_metrics(group: Sequence[Evaluation]) -> dict[str, float]:
    return {
        name: sum(part.metrics[name] for part in group) / len(group)
        for name in group[0].metrics
        if all(name in part.metrics for part in group)
    }
