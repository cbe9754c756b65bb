"""Time of an optimiser's step over a stack of networks, as PyTorch does it and fused.

Gradients are random and stay; times are medians after a warm-up, with PyTorch on one thread::

    python -m lightning_lossmeta.benchmarks.fused
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from lightning_lossmeta.benchmarks.record import save
from lightning_lossmeta.models import MLP, LeNet5
from lightning_lossmeta.modules.fused import fuse

OPTIMIZERS = {
    "SGD": partial(torch.optim.SGD, lr=1e-4, momentum=0.9, nesterov=True, weight_decay=5e-4),
    "Adam": partial(torch.optim.Adam, lr=1e-4),
}


def networks() -> dict[str, nn.Module]:
    """The networks whose stacks are optimised, by the names that the table shows."""
    return {
        "10-100-100-1": MLP(10, [100, 100], 1),
        "784-256-10": MLP(784, [256], 10),
        "LeNet-5": LeNet5(num_classes=10),
        "10-1000-1000-1": MLP(10, [1000, 1000], 1),
    }


def seconds(network: nn.Module, optimizer: Any, size: int, fused: bool, repeats: int) -> float:
    """Time an optimiser's step over a stack of networks; the median, in seconds.

    Args:
        network: Every stacked network has its shape.
        optimizer: Makes the optimiser of parameters.
        size: How many networks are stacked.
        fused: Whether the step is fused by :func:`~lightning_lossmeta.modules.fused.fuse`.
        repeats: Steps that are timed; a quarter as many warm up.
    """
    stacked = [nn.Parameter(0.01 * torch.randn(size, *p.shape)) for p in network.parameters()]
    for parameter in stacked:
        parameter.grad = torch.randn_like(parameter)
    made = optimizer(stacked)
    if fused:
        fuse(made, network)
    times = []
    for step in range(repeats + repeats // 4 + 1):
        started = time.perf_counter()
        made.step()
        if step > repeats // 4:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1, 8, 25])
    parser.add_argument("--repeats", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows: list[dict[str, Any]] = []
    table = Table("network", "stacked", "optimiser", "step, ms", "fused, ms", "ratio")
    for name, network in networks().items():
        for size in arguments.sizes:
            for optimizer, make in OPTIMIZERS.items():
                usual, fused = (
                    1e3 * seconds(network, make, size, how, arguments.repeats)
                    for how in (False, True)
                )
                row = {"network": name, "stacked": size, "optimizer": optimizer}
                rows.append({**row, "usual_ms": usual, "fused_ms": fused})
                figures = (f"{usual:.3f}", f"{fused:.3f}", f"{usual / fused:.1f}")
                table.add_row(name, str(size), optimizer, *figures)
    Console(width=100).print(table)
    print(f"\n{save('fused', {'rows': rows}, repeats=arguments.repeats)}")


if __name__ == "__main__":
    main()
