"""What a candidate's training step costs: a plain loop, and each evaluator, on small networks.

25 candidates train on random batches of 100. Sessions of two lengths tell the cost of a step from
that of a fit; plain loop and evaluators take turns, so that what else the machine does hits all
alike; medians over the rounds. Every network and precision has a process of its own, and every
peak of memory too. With a CUDA GPU all of it runs there.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from lightning_lossmeta.benchmarks.record import RESULTS, save
from lightning_lossmeta.benchmarks.timing import Row, measure, peak_memory
from lightning_lossmeta.benchmarks.workloads import BATCH, DTYPES, WORKLOADS


def figures(
    networks: list[str], precisions: list[str], processes: bool, count: int, rounds: int
) -> list[Row]:
    """Measure every network in every precision.

    Args:
        networks: Names of workloads.
        precisions: As in ``Trainer``.
        processes: Whether there are cores for worker processes.
        count: How many candidates train.
        rounds: How often each time is taken.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows: list[Row] = []
    for name in networks:
        for precision in precisions:
            workload = WORKLOADS[name]
            measured = _alone(measure, workload, precision, device, processes, count, rounds)
            for row in measured:
                row["peak_mb"] = _alone(
                    peak_memory, workload, precision, device, row["evaluator"], count, processes
                )
            Console(width=110).print(table(measured))
            rows += measured
    return rows


def table(rows: list[Row]) -> Table:
    """Lay out the rows of one network in one precision, one for each evaluator."""
    first = rows[0]
    result = Table(
        title=f"{first['network']}, {first['precision']} (matrix products: "
        f"{first['rate_gflops']:.0f} GFLOP/s)"
    )
    columns = (
        "",
        "ms a step",
        "times faster",
        "share of rate",
        "ms a fit",
        "step over plain",
        "fit over plain",
        "peak MB",
    )
    for column in columns:
        result.add_column(column, justify="right" if column else "left")
    for row in rows:
        result.add_row(
            row["evaluator"],
            f"{row['step_ms']:.4f}",
            f"{row['times_faster']:.2f}",
            f"{row['share']:.0%}",
            f"{row['fit_ms']:.1f}",
            f"{row['step_over_plain_ms']:.3f}",
            f"{row['fit_over_plain_ms']:.1f}",
            f"{row['peak_mb']:.0f}",
        )
    result.caption = f"auto: {rows[-1]['chosen']}"
    return result


def main() -> None:
    """Measure, print tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--precisions", nargs="+", choices=list(DTYPES), default=list(DTYPES))
    parser.add_argument("--candidates", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--one-core", action="store_true", help="pin to one core, no processes")
    parser.add_argument("--out", type=Path, help="the JSON file")
    given = parser.parse_args()
    if given.one_core:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    out = given.out or RESULTS / f"population_{kind}{'_one_core' if given.one_core else ''}.json"
    load = os.getloadavg()[0]
    rows = figures(
        given.networks, given.precisions, not given.one_core, given.candidates, given.rounds
    )
    written = save(
        "population",
        rows,
        out.parent,
        seed=0,
        candidates=given.candidates,
        batch=BATCH,
        cores_used=len(os.sched_getaffinity(0)),
        load_before=load,
    )
    written.replace(out)
    Console().print(f"Written to {out.name}.")


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


if __name__ == "__main__":
    main()
