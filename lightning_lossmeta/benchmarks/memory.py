"""How much a process grows over hundreds of fits.

Fits the digits MLP for a few steps with one candidate after another, as a search does, and compares
the resident memory after the first fits, when everything is imported and warm, with that after the
last.
"""

from __future__ import annotations

import argparse
import gc
import os
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from lightning_lossmeta.benchmarks.record import save
from lightning_lossmeta.benchmarks.workloads import FAMILY, WORKLOADS, candidates
from lightning_lossmeta.evaluators import TrainerEvaluator


def growth(fits: int, warm: int, steps: int) -> dict[str, float]:
    """Fit one candidate after another and measure the process's resident memory, in megabytes.

    Args:
        fits: How many fits there are.
        warm: After how many of them the growth is counted.
        steps: Training steps of each fit.
    """
    torch.set_num_threads(1)
    task = WORKLOADS["digits-MLP"].task("32-true", "cpu")
    task = replace(task, session=replace(task.session, steps=steps))
    evaluator = TrainerEvaluator()
    resident: list[float] = []
    for seed, candidate in enumerate(candidates(fits)):
        evaluator.evaluate([candidate], FAMILY, [replace(task, seed=seed)])
        resident.append(_resident())
    gc.collect()
    return {
        "fits": fits,
        "after_warm_up_mb": resident[warm - 1],
        "at_most_mb": max(resident),
        "at_the_end_mb": _resident(),
        "growth_mb": max(resident[-1], _resident()) - resident[warm - 1],
    }


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=300)
    parser.add_argument("--warm", type=int, default=20)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    memory = growth(given.fits, given.warm, given.steps)
    for name, value in memory.items():
        Console().print(f"{name}: {value:.1f}")
    Console().print(f"Written to {save('memory', memory, seed=0).name}.")


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
