"""What became of a candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from lightning_lossmeta.candidate import Candidate

Curve = tuple[tuple[int, float], ...]


class Status(str, Enum):
    """How an evaluation ended."""

    OK = "ok"
    REJECTED = "rejected"
    CACHED = "cached"
    DIVERGED = "diverged"
    FAILED = "failed"


@dataclass(frozen=True)
class Evaluation:
    """The outcome of scoring a candidate: a value, whatever happened, never an exception.

    Args:
        candidate: What was scored.
        fitness: Higher is better; ``-inf`` where there is no score; never NaN.
        status: How it ended.
        metrics: Further figures by name.
        curves: By tag, ``(step, value)`` pairs of the inner fit.
        seconds: Wall time spent on this candidate (its share, where candidates train together).
        message: Why it was rejected or failed.
        filter: Name of the callback that judged it without training; empty where none did.

    Raises:
        ValueError: If ``fitness`` is NaN.
    """

    candidate: Candidate
    fitness: float = -math.inf
    status: Status = Status.OK
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    seconds: float = 0.0
    message: str = ""
    filter: str = ""

    def __post_init__(self) -> None:
        if math.isnan(self.fitness):
            raise ValueError(
                "Expected `fitness` to be a number, got NaN: give -inf and the status `diverged`."
            )

    @property
    def trained(self) -> bool:
        """Whether the fitness is one that a training earned."""
        return self.status in (Status.OK, Status.CACHED)
