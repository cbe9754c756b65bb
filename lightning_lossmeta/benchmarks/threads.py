"""What threads gain where networks train on the CPU: stacked sessions, and local searches.

Each workload is run with one thread and with all, in turn; times are medians after a warm-up. Run
it on an idle machine::

    python -m lightning_lossmeta.benchmarks.threads
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from lightning_lossmeta.benchmarks.record import save
from lightning_lossmeta.benchmarks.workloads import FAMILY, WORKLOADS, Workload, candidates
from lightning_lossmeta.evaluators import PopulationEvaluator
from lightning_lossmeta.local_search import GradientRefiner, RefinerJob
from lightning_lossmeta.models import MLP
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.threads import threads_for

WIDE = Workload("784-1000-1000-10", partial(MLP, 784, [1000, 1000], 10), 28)
NAMES = ("digits-MLP", "MNIST-logistic", "784-256-10", "MLP-1000", "LeNet-5")


def work(task: Task, count: int, steps: int) -> dict[str, Callable[[int], Any]]:
    """The two kinds of work that are timed, as functions of the number of threads.

    Args:
        task: What to train on.
        count: How many candidates.
        steps: Training steps of a session; a local search takes a tenth as many.
    """
    session = replace(task, session=replace(task.session, steps=steps))
    population = candidates(count)

    def train(threads: int) -> None:
        PopulationEvaluator(threads=threads).evaluate(population, FAMILY, [session])

    def refine(threads: int) -> None:
        refiner = GradientRefiner(meta_steps=max(1, steps // 10), threads=threads)
        list(refiner.refine([RefinerJob(item, (session,)) for item in population], FAMILY))

    return {"sessions": train, "local searches": refine}


def seconds(function: Callable[[int], Any], threads: tuple[int, int], repeats: int) -> list[float]:
    """Time a function with either number of threads, in turn, and return the median seconds."""
    times: dict[int, list[float]] = {count: [] for count in threads}
    for repeat in range(repeats + 1):
        for count in threads:
            started = time.perf_counter()
            function(count)
            if repeat:
                times[count].append(time.perf_counter() - started)
    return [statistics.median(times[count]) for count in threads]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    threads = (1, torch.get_num_threads())
    rows: list[dict[str, Any]] = []
    table = Table("network", "what", "one thread, s", f"{threads[1]} threads, s", "gain", "default")
    for workload in [*(WORKLOADS[name] for name in NAMES), WIDE]:
        task = workload.task("32-true", "cpu")
        default = threads_for(workload.network())
        for what, function in work(task, arguments.candidates, arguments.steps).items():
            one, several = seconds(function, threads, arguments.repeats)
            row = {"network": workload.name, "what": what, "one_s": one, "all_s": several}
            rows.append({**row, "default_threads": default})
            figures = (f"{one:.2f}", f"{several:.2f}", f"{one / several:.2f}", str(default))
            table.add_row(workload.name, what, *figures)
    Console(width=110).print(table)
    print(f"\n{save('threads', {'rows': rows}, **vars(arguments))}")


if __name__ == "__main__":
    main()
