"""What a search's time goes into: sessions, local searches, filters, and the whole.

A method of ``configs/methods`` searches for some generations; the time of the whole budget is
extrapolated from the mean of a generation after the first. Sessions are timed at the
evaluator, local searches at the refiner. The tasks are scikit-learn's Diabetes with an MLP, and
MNIST with LeNet-5. Run it on an idle machine::

    python -m lightning_lossmeta.benchmarks.search_time --methods evomal --generations 50
    python -m lightning_lossmeta.benchmarks.search_time --task mnist --methods taylorglo
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.table import Table

from lightning_lossmeta.benchmarks.record import save
from lightning_lossmeta.benchmarks.search_tasks import SearchTask, diabetes, mnist
from lightning_lossmeta.callbacks import MetaCallback, Search
from lightning_lossmeta.cli.search_methods import make_search_method, read_search_method
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators import Evaluator
from lightning_lossmeta.local_search import Refiner
from lightning_lossmeta.search import MetaLossTrainer
from lightning_lossmeta.task import Objective

T = TypeVar("T")


class Stopwatch(MetaCallback):
    """Adds up the seconds of local searches and sessions, and what filters did."""

    def __init__(self) -> None:
        self.refining = self.training = 0.0
        self.refined = self.trained = 0
        self.filters: Counter[str] = Counter()
        self.generations: list[float] = []
        self._began = 0.0

    def watch(self, evaluator: Evaluator, refiner: Refiner | None) -> None:
        """Have the seconds of this evaluator's sessions and this refiner's searches added up."""

        def refine(jobs: Sequence[Any], *others: Any) -> Any:
            self.refined += len(jobs)
            results, seconds = _timed(lambda: list(type(refiner)._refine(refiner, jobs, *others)))  # type: ignore[union-attr,arg-type]
            self.refining += seconds
            return iter(results)

        def run(jobs: Sequence[Any], *others: Any) -> Any:
            self.trained += len(jobs)
            results, seconds = _timed(lambda: list(type(evaluator)._run(evaluator, jobs, *others)))
            self.training += seconds
            return iter(results)

        evaluator._run = run  # type: ignore[assignment,method-assign]
        if refiner is not None:
            refiner._refine = refine  # type: ignore[assignment,method-assign]

    def on_generation_start(self, search: Search, generation: int) -> None:
        """Note when the generation begins."""
        self._began = time.perf_counter()

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Keep the generation's seconds, and count what became of its candidates."""
        self.generations.append(time.perf_counter() - self._began)
        self.filters.update(item.filter for item in evaluations if item.filter)
        self.filters.update(
            item.status.value
            for item in evaluations
            if not item.filter and item.status is not Status.OK
        )


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def measure(
    method: str,
    task: SearchTask,
    generations: int,
    seed: int,
    evaluator: str | None = None,
    keep: Path | None = None,
) -> dict[str, Any]:
    """Search for some generations and say what their time went into.

    Args:
        method: Name of a file in ``configs/methods``.
        task: What to search on.
        generations: How many; the method's own count is the whole.
        seed: The search's seed.
        evaluator: Class of the one that trains the candidates; by default the method's own.
        keep: A folder that gets the search's; by default nothing is kept of it.

    Returns:
        Seconds of a session, a local search and a generation, counts, and the whole in minutes.
    """
    settings = {"file": f"configs/methods/{method}.yaml"} | task.settings.get(method, {})
    config = read_search_method(settings)
    if evaluator is not None:
        config["evaluator"] = {"class_path": f"lightning_lossmeta.{evaluator}"}
    made = make_search_method(config)
    watch = Stopwatch()
    if made.evaluator is None:
        raise ValueError(f"Expected the method {method} to name its evaluator.")
    watch.watch(made.evaluator, made.refiner)
    trainer = MetaLossTrainer(accelerator="cpu", logger=False, callbacks=[*made.callbacks, watch])
    with tempfile.TemporaryDirectory() as folder:
        trainer.search(
            task.module,
            task.data,
            replace(made.session, objectives=(Objective(task.monitor, task.mode),)),
            made.family,
            made.searcher,
            made.refiner,
            made.evaluator,
            generations=generations,
            run_dir=str((keep or Path(folder)) / method),
            seed=seed,
        )
    later = watch.generations[1:] or watch.generations
    mean = sum(later) / len(later)
    whole = watch.generations[0] + mean * (made.generations - 1)
    return {
        "method": method,
        "task": task.name,
        "evaluator": type(made.evaluator).__name__,
        "seed": seed,
        "generations": generations,
        "threads": torch.get_num_threads(),
        "session_s": watch.training / max(1, watch.trained),
        "local_search_s": watch.refining / watch.refined if watch.refined else None,
        "generation_s": watch.generations,
        "candidates": generations * getattr(made.searcher, "population", 1),
        "refined": watch.refined,
        "trained": watch.trained,
        "filters": dict(watch.filters),
        "whole_min": whole / 60,
        "measured_in_full": generations >= made.generations,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=["diabetes", "mnist"], default="diabetes")
    parser.add_argument("--root", default="data", help="folder of MNIST's files")
    parser.add_argument("--methods", nargs="+", default=["ml3", "taylorglo", "gp_lfl", "evomal"])
    parser.add_argument("--hidden", nargs="+", type=int, default=[1000, 1000])
    parser.add_argument("--generations", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--evaluator", help="e.g. ProcessEvaluator; by default the method's own")
    parser.add_argument("--keep", type=Path, help="folder for the searches' own folders")
    parser.add_argument("--name", default="search_time")
    arguments = parser.parse_args()
    task = mnist(arguments.root) if arguments.task == "mnist" else diabetes(arguments.hidden)
    rows = [
        measure(method, task, arguments.generations, arguments.seed) for method in arguments.methods
    ]
    table = Table("method", "session, s", "local search, s", "trained", "filters", "whole, min")
    table.title = f"{task.name}, {torch.get_num_threads()} threads"
    for row in rows:
        local = "" if row["local_search_s"] is None else f"{row['local_search_s']:.2f}"
        filters = ", ".join(f"{name} {count}" for name, count in row["filters"].items())
        trained = f"{row['trained']} of {row['candidates']}"
        session = f"{row['session_s']:.2f}"
        table.add_row(row["method"], session, local, trained, filters, f"{row['whole_min']:.1f}")
    Console(width=140).print(table)
    print(f"\n{save(arguments.name, {'rows': rows})}")


if __name__ == "__main__":
    main()
