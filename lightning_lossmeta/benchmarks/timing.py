"""Times and peak memory of evaluators beside a plain loop."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lightning_lossmeta.benchmarks.workloads import (
    DTYPES,
    FAMILY,
    Clock,
    PlainLoop,
    Workload,
    candidates,
    matmul_rate,
    synchronize,
)
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import (
    AutoEvaluator,
    Evaluator,
    PopulationEvaluator,
    ProcessEvaluator,
    TrainerEvaluator,
)
from lightning_lossmeta.task import Task

PLAIN = "plain loop"
Row = dict[str, Any]


def evaluators(device: str, processes: bool) -> dict[str, Evaluator]:
    """Make the evaluators that are measured, by the names that the tables show.

    Args:
        device: ``"cuda"`` compiles into CUDA graphs.
        processes: Whether there are cores for several.
    """
    mode = "reduce-overhead" if device == "cuda" else "default"
    by_name: dict[str, Evaluator] = {
        "trainer": TrainerEvaluator(),
        "population": PopulationEvaluator(),
        "population, compiled": PopulationEvaluator(compile_mode=mode),
    }
    choice: list[Evaluator] = [PopulationEvaluator()]
    if processes:
        by_name["processes"] = ProcessEvaluator()
        choice.append(ProcessEvaluator())
    by_name["auto"] = AutoEvaluator([*choice, TrainerEvaluator()], good_enough=0.0)
    return by_name


def measure(
    workload: Workload, precision: str, device: str, processes: bool, count: int, rounds: int
) -> list[Row]:
    """Times of the plain loop and of each evaluator on a network.

    Args:
        workload: Network and data.
        precision: As in ``Trainer``.
        device: ``"cpu"`` or ``"cuda"``.
        processes: Whether to measure worker processes.
        count: How many candidates train.
        rounds: How often each is timed.

    Returns:
        A row an evaluator, with milliseconds a candidate and step, and a candidate and fit.
    """
    torch.set_num_threads(1)
    # Where one process on one core does all, its CPU time hides what else runs there.
    clock = time.perf_counter if processes or device == "cuda" else time.process_time
    task = workload.task(precision, device)
    losses = candidates(count)
    plain = PlainLoop(task, device, clock)
    plain.fit(20)
    step = (plain.fit(30) - plain.fit(10)) / 20
    short, long = 4, min(204, max(14, 4 + round(1.0 / (count * step))))
    known = evaluators(device, processes)
    for evaluator in known.values():
        _seconds(evaluator, task, losses, long, clock)  # compiles, starts workers, chooses
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in (PLAIN, *known)}
    rates = []
    for _ in range(rounds):
        rates.append(matmul_rate(DTYPES[precision], device, clock))
        steps = count * long // 5
        few = steps // 10
        first, second = plain.fit(few), plain.fit(steps)
        slope = (second - first) / (steps - few)
        times[PLAIN].append((slope, first - slope * few))
        for name, evaluator in known.items():
            first, second = (
                _seconds(evaluator, task, losses, n, clock) / count for n in (short, long)
            )
            slope = (second - first) / (long - short)
            times[name].append((slope, first - slope * short))
    rows = [_row(name, own, times[PLAIN]) for name, own in times.items()]
    work = workload.flops()
    rate = statistics.median(rates)
    for row in rows:
        row["share"] = work / (row["step_ms"] / 1e3) / rate
        row |= {"network": workload.name, "precision": precision, "rate_gflops": rate / 1e9}
    auto = known["auto"]
    if isinstance(auto, AutoEvaluator):
        rows[-1]["chosen"] = auto.reports.get(workload.name, "")
    for evaluator in known.values():
        evaluator.close()
    return rows


def peak_memory(
    workload: Workload, precision: str, device: str, name: str, count: int, processes: bool
) -> float:
    """Megabytes that a process needs at the most for a session of 20 steps, workers included.

    Args:
        workload: Network and data.
        precision: As in ``Trainer``.
        device: On a GPU its own memory counts.
        name: The name of an evaluator, or of the plain loop.
        count: How many candidates train.
        processes: Whether worker processes are among the evaluators.
    """
    torch.set_num_threads(1)
    task = workload.task(precision, device)
    if name == PLAIN:
        PlainLoop(task, device, time.perf_counter).fit(20)
        return _peak(device)
    evaluator = evaluators(device, processes)[name]
    _seconds(evaluator, task, candidates(count), 20, time.perf_counter)
    peak = _peak(device)
    evaluator.close()
    return peak


def _seconds(
    evaluator: Evaluator, task: Task, losses: list[Candidate], steps: int, clock: Clock
) -> float:
    task = replace(task, session=replace(task.session, steps=steps))
    started = clock()
    evaluations = evaluator.evaluate(losses, FAMILY, [task])
    synchronize("cuda" if task.session.accelerator == "gpu" else "cpu")
    seconds = clock() - started
    bad = [item for item in evaluations if item.status is not Status.OK]
    if bad:
        raise RuntimeError(f"{type(evaluator).__name__}: {bad[0].status}, {bad[0].message}")
    return seconds


def _row(name: str, own: list[tuple[float, float]], plain: list[tuple[float, float]]) -> Row:
    ratios = [base[0] / mine[0] for base, mine in zip(plain, own, strict=True)]
    over = [(mine[0] - base[0], mine[1] - base[1]) for base, mine in zip(plain, own, strict=True)]
    return {
        "evaluator": name,
        "step_ms": 1e3 * statistics.median(item[0] for item in own),
        "fit_ms": 1e3 * statistics.median(item[1] for item in own),
        "times_faster": statistics.median(ratios),
        "step_over_plain_ms": 1e3 * statistics.median(item[0] for item in over),
        "fit_over_plain_ms": 1e3 * statistics.median(item[1] for item in over),
    }


def _peak(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    own = multiprocessing.active_children()
    return sum(_resident(pid) for pid in (os.getpid(), *(item.pid for item in own if item.pid)))


def _resident(pid: int) -> float:
    """Peak megabytes of a process; ``ru_maxrss`` would include that of its parent at the fork."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1e3
    return 0.0
