"""What a search will take, found by trying each of its stages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import torch

from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators.base import SayFn, say_nothing
from lightning_lossmeta.evaluators.probe import Probe
from lightning_lossmeta.local_search import RefinerJob
from lightning_lossmeta.search.generation import Engines, training_seed
from lightning_lossmeta.search.stages import Stage

#: Training steps of the longest short session that is timed.
PROBE_STEPS = 24
_UNITS = ("GPU memory", "memory of this process", "memory of each worker")


@dataclass(frozen=True)
class Estimate:
    """What a search is foreseen to take.

    Args:
        stages: Trainings and seconds of each stage, by its name.
        memory: The most memory that was in use while a whole generation did one step, in bytes, by
            what had it; what could not be read is left out.

    >>> print(Estimate({"search": (200, 14.0)}, {"memory of this process": 7e8}))
    search: 200 trainings, about 14 s
    in all: about 14 s
    memory of this process: 0.7 GB
    """

    stages: dict[str, tuple[int, float]]
    memory: dict[str, float]

    @property
    def seconds(self) -> float:
        """The whole search."""
        return sum(seconds for _, seconds in self.stages.values())

    def __str__(self) -> str:
        """One line a stage, the sum, and the memory."""
        lines = [
            f"{name}: {count} trainings, about {duration(seconds)}"
            for name, (count, seconds) in self.stages.items()
        ]
        lines.append(f"in all: about {duration(self.seconds)}")
        lines += [f"{name}: {size / 1e9:.1f} GB" for name, size in self.memory.items()]
        return "\n".join(lines)


def duration(seconds: float) -> str:
    """A time as a person says it.

    >>> duration(14.2), duration(150), duration(9000)
    ('14 s', '2.5 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.3g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"


def estimate(
    search: Search, engines: Engines, later: Sequence[Stage], say: SayFn = say_nothing
) -> Estimate:
    """Refine one candidate, train a generation for one step, and time short sessions.

    Of a race the first round is counted alone, since nobody knows how many go on.

    Args:
        search: Begun; its searcher is asked, so that it can't be searched with afterwards.
        engines: The parts that refine and train.
        later: What comes after the generations.
        say: Takes lines on what is measured.

    Raises:
        ValueError: If no candidate can be trained; says why.
    """
    candidates = search.searcher.ask()
    refining = _refined_in(search, engines, candidates)
    engines.evaluator.prepare(search.generations, say)
    session_seconds = 0.0  # of one training, the mean over tasks
    for task in search.tasks:
        evaluator = engines.evaluator.choice(candidates, search.family, task)
        probe = Probe(evaluator, candidates, search.family, task, PROBE_STEPS)
        if probe.fails:
            raise ValueError(
                f"Expected candidates that can be trained on '{task.name}' by "
                f"{type(evaluator).__name__}, but all fail; the first with: {probe.message}"
            )
        session_seconds += probe.seconds / len(candidates) / len(search.tasks)
        short = replace(task, session=replace(task.session, steps=1, horizons=None, as_if=None))
        engines.evaluator.evaluate(candidates, search.family, [short])
    trainings = len(next(engines.allocation.plan(len(candidates), len(search.tasks))))
    each = trainings * session_seconds + refining * len(candidates)
    stages = {"search": (trainings * search.generations, each * search.generations)}
    stages |= {item.name: (item.trainings, item.sessions * session_seconds) for item in later}
    engines.evaluator.close()  # the memory of workers is known once they have ended
    return Estimate(stages, _memory())


def _refined_in(search: Search, engines: Engines, candidates: Sequence[Candidate]) -> float:
    """The seconds of one local search; 0 without a refiner.

    Raises:
        ValueError: If it fails.
    """
    if engines.refiner is None:
        return 0.0
    tasks = tuple(
        replace(task, seed=training_seed(search, 0, number, 0))
        for number, task in enumerate(search.tasks)
    )
    started = time.perf_counter()
    for _, item in engines.refiner.refine([RefinerJob(candidates[0], tasks)], search.family):
        if item.status is Status.FAILED:
            raise ValueError(
                f"Expected {type(engines.refiner).__name__} to improve a candidate, but it fails "
                f"with: {item.message}"
            )
    return time.perf_counter() - started


def _memory() -> dict[str, float]:
    """The most memory of this process, its workers and its GPU by now."""
    found = {}
    if torch.cuda.is_available():
        found[_UNITS[0]] = float(torch.cuda.max_memory_allocated())
    with suppress(ImportError):  # there is none on Windows
        import resource
        import sys

        unit = 1 if sys.platform == "darwin" else 1024
        for name, who in zip(
            _UNITS[1:], (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN), strict=True
        ):
            if used := resource.getrusage(who).ru_maxrss:
                found[name] = float(used * unit)
    return found
