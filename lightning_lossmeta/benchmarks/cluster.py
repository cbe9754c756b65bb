"""What it costs to have jobs done elsewhere: to start, a job, and how well workers are used.

Jobs sleep instead of training, so that more workers than cores can be measured. From what a job and
a generation cost the driver follows, on paper, how well many workers would be used::

    python -m lightning_lossmeta.benchmarks.cluster

All workers are on this machine: networks cost more, mostly while data travel to a worker. Times are
medians. What the driver does alone, on which the part on paper rests, is taken in processor time,
to which other programs add little; ``--keep`` measures that part alone.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lightning_lossmeta.benchmarks.record import RESULTS, save
from lightning_lossmeta.benchmarks.workloads import FAMILY, WORKLOADS, candidates
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators import Evaluator, RayEvaluator, SubmititEvaluator
from lightning_lossmeta.evaluators.base import Job
from lightning_lossmeta.evaluators.cluster.base import ClusterEvaluator
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.search import MetaLossTrainer
from lightning_lossmeta.searchers import CMAESSearcher
from lightning_lossmeta.task import Session, Task

#: Seconds of a simulated job, with how many there are for each worker.
JOBS = {0.1: 20, 1.0: 6, 10.0: 2}

#: Generations that are timed, and candidates of one.
GENERATIONS = 6
POPULATIONS = (25, 1000)


class AtOnce(Evaluator):
    """Scores candidates without training: what is left of a generation is the driver's."""

    def _run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        del family
        for place, job in enumerate(jobs):
            yield place, Evaluation.scored(job.candidate, 0.5)


def nap(argument: tuple[float, Job]) -> Candidate:
    """Sleep as long as a training would take."""
    seconds, job = argument
    time.sleep(seconds)
    return job.candidate


def seconds_of(evaluator: ClusterEvaluator, task: Task, count: int, seconds: float) -> float:
    """The wall time of a number of simulated jobs."""
    jobs = [(seconds, Job(item, task)) for item in candidates(count)]
    started = time.perf_counter()
    done = list(evaluator.map(nap, jobs, [task.module, task.data]))
    assert len(done) == count
    return time.perf_counter() - started


def measure_workers(workers: int, task: Task, repeats: int) -> dict[str, Any]:
    """Start Ray with some workers, and see how well they are used."""
    evaluator = RayEvaluator(workers=workers)
    try:
        start = seconds_of(evaluator, task, 1, 0.0)
        seconds_of(evaluator, task, 8 * workers, 0.3)  # until all workers are there
        empty = [seconds_of(evaluator, task, 200, 0.0) for _ in range(2 * repeats + 1)]
        row: dict[str, Any] = {"workers": workers, "start_s": start}
        row["ms_a_job"] = 1000 * statistics.median(empty) / 200
        for length, each in JOBS.items():
            count = each * workers
            times = [seconds_of(evaluator, task, count, length) for _ in range(repeats)]
            row[f"efficiency_{length:g}s"] = each * length / statistics.median(times)
    finally:
        evaluator.close()
    return row


def measure_submitit(task: Task, repeats: int) -> dict[str, float]:
    """Seconds of a local job that does next to nothing, and of 8 of them in a chunk."""
    with tempfile.TemporaryDirectory() as folder:
        evaluator = SubmititEvaluator(folder, "local", chunk=8)
        try:
            one = [seconds_of(evaluator, task, 1, 0.0) for _ in range(repeats)]
            eight = [seconds_of(evaluator, task, 8, 0.0) for _ in range(repeats)]
        finally:
            evaluator.close()
    return {"one_call_s": statistics.median(one), "eight_calls_s": statistics.median(eight)}


def driver_seconds(task: Task, repeats: int) -> float:
    """Processor time of the driver for a job that does nothing."""
    evaluator = RayEvaluator(workers=2)
    try:
        seconds_of(evaluator, task, 16, 0.0)
        times = []
        for _ in range(repeats):
            before = time.process_time()
            seconds_of(evaluator, task, 200, 0.0)
            times.append((time.process_time() - before) / 200)
    finally:
        evaluator.close()
    return statistics.median(times)


def serial_seconds(population: int, repeats: int) -> float:
    """Processor time of a generation beside its trainings: asking, telling, writing all files."""

    def search(generations: int) -> float:
        task = WORKLOADS["digits-MLP"].task("32-true", "cpu")
        with tempfile.TemporaryDirectory() as folder:
            before = time.process_time()
            MetaLossTrainer(accelerator="cpu").search(
                task.module,
                task.data,
                session=Session(steps=1, objectives=task.session.objectives),
                family=FAMILY,
                searcher=CMAESSearcher(population=population),
                evaluator=AtOnce(),
                generations=generations,
                run_dir=str(Path(folder) / "run"),
            )
            return time.process_time() - before

    differences = [search(1 + GENERATIONS) - search(1) for _ in range(repeats)]
    return max(0.0, statistics.median(differences)) / GENERATIONS


def foreseen(length: float, population: int, workers: int, job: float, serial: float) -> float:
    """The share of many workers' time that trains, if all that is serial stays as measured.

    A generation takes ``serial + population * job + ceil(population / workers) * length``.

    Args:
        length: Seconds of a training.
        population: Trainings of a generation.
        workers: How many train at once.
        job: Seconds of the driver for each job.
        serial: Seconds of the driver for each generation.
    """
    seconds = serial + population * job + math.ceil(population / workers) * length
    return population * length / (workers * seconds)


def amdahl(job: float, serial: Callable[[int], float]) -> list[dict[str, float]]:
    """How well 100 and 1,000 workers would be used."""
    return [
        {
            "population": population,
            "workers": workers,
            "length_s": length,
            "efficiency": foreseen(length, population, workers, job, serial(population)),
            "trainings_a_second": workers
            * foreseen(length, population, workers, job, serial(population))
            / length,
        }
        for population in POPULATIONS
        for workers in (2, 25, 100, 1000)
        for length in (0.1, 1.0, 10.0, 100.0)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="the workers' rows of the last time")
    arguments = parser.parse_args()
    console = Console(width=110)
    task = WORKLOADS["digits-MLP"].task("32-true", "cpu")
    task.data.prepare_data()
    if arguments.keep:
        before = json.loads((RESULTS / "cluster.json").read_text("utf-8"))["figures"]
        rows, slurm = before["rows"], before["submitit"]
    else:
        rows = [measure_workers(count, task, arguments.repeats) for count in arguments.workers]
        slurm = measure_submitit(task, arguments.repeats)
    console.print(_table(rows), slurm)
    serial = {size: serial_seconds(size, arguments.repeats) for size in POPULATIONS}
    job = driver_seconds(task, arguments.repeats)
    paper = amdahl(job, serial.__getitem__)
    console.print(f"driver: {1000 * job:.2f} ms a job, seconds a generation:", serial)
    console.print(_table(paper))
    driver = {"job_s": job, "generation_s": serial}
    figures = {"rows": rows, "submitit": slurm, "driver": driver, "on_paper": paper}
    print(f"\n{save('cluster', figures, **vars(arguments))}")


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(f"{value:.3g}" for value in row.values()))
    return table


if __name__ == "__main__":
    main()
