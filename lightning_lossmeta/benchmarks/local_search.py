"""Time of a step of the gradient local search, by the general path and by the shared one.

The general path goes backward twice through the network for each candidate; the shared one passes
once through the initial weights for all (``LinearEpisode``). Both take the same steps on the same
episode in turn, with expressions of one structure, and of ten. Times are the process's own, with
PyTorch on one thread: other work on the machine still makes them rough.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from lightning_lossmeta.benchmarks.record import save
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import ExpressionFamily
from lightning_lossmeta.local_search.optimizers import UnrolledSGD
from lightning_lossmeta.local_search.search import LocalSearch
from lightning_lossmeta.local_search.shared import step_together
from lightning_lossmeta.local_search.unrolled import Episode, meta_loss
from lightning_lossmeta.models import MLP

#: Inputs, hidden layers, outputs, batch.
NETWORKS: dict[str, tuple[int, list[int], int, int]] = {
    "10-100-100-1": (10, [100, 100], 1, 64),
    "10-1000-1000-1": (10, [1000, 1000], 1, 64),
    "64-64-10": (64, [64], 10, 50),
}
STRUCTURES = [
    *("square(sub(f, y))", "abs(sub(y, f))", "tanh(sub(f, y))", "aq(sub(f, y), add(f, y))"),
    *("mul(sub(f, y), sub(f, y))", "square(tanh(sub(f, y)))", "sqrt(square(sub(f, y)))"),
    *("log(square(sub(f, y)))", "abs(square(sub(y, f)))", "add(square(f), mul(f, y))"),
]
Row = dict[str, Any]


def measure(network: str, count: int, kinds: int, rounds: int, seed: int = 0) -> Row:
    """Time a step of both paths, in milliseconds a step and candidate.

    Args:
        network: A name of :data:`NETWORKS`.
        count: How many candidates there are.
        kinds: Structures that they have, at most 10.
        rounds: How often each path is timed, in turn.
        seed: Draws weights and batch.

    Returns:
        Medians of both paths, and the median of the ratios within a round.
    """
    torch.set_num_threads(1)
    width, hidden, outputs, batch = NETWORKS[network]
    torch.manual_seed(seed)
    model, inputs = MLP(width, hidden, outputs), torch.randn(batch, width)
    target = torch.randn(batch, 1) if outputs == 1 else torch.randint(outputs, (batch,))
    rules = {name: UnrolledSGD(0.01) for name, _ in model.named_parameters()}
    episodes = [Episode(model, rules, [(inputs, target)])]
    general, shared = (_searches(count, kinds, outputs == 1) for _ in range(2))

    def one_by_one() -> None:
        for search in general:
            search.step(episodes)

    paths = (one_by_one, lambda: step_together(shared, episodes))
    repeats = max(1, round(0.05 / min(map(_seconds, 2 * paths))))
    times = [[_seconds(path, repeats) / count for path in paths] for _ in range(rounds)]
    if any(search.verdict for search in general + shared):
        raise RuntimeError("Expected all searches to go well.")
    general_ms, shared_ms = (1e3 * statistics.median(path) for path in zip(*times, strict=True))
    ratio = statistics.median(slow / fast for slow, fast in times)
    return {
        "network": network,
        "batch": batch,
        "candidates": count,
        "structures": kinds,
        "general_ms": general_ms,
        "shared_ms": shared_ms,
        "times_faster": ratio,
    }


def table(rows: list[Row]) -> Table:
    """Lay out what :func:`measure` returned, one row a network and number of structures."""
    result = Table(title="milliseconds a step and candidate")
    for name in rows[0]:
        result.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        result.add_row(*(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()))
    return result


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rows = [
        measure(network, count, kinds, given.rounds, given.seed)
        for network in given.networks
        for count, kinds in ((1, 1), (10, 1), (10, 10))
    ]
    path = save("local_search", rows, seed=given.seed, rounds=given.rounds, rough=True)
    Console().print(table(rows))
    Console().print(f"Written to {path.name}.")


def _searches(count: int, kinds: int, regression: bool) -> list[LocalSearch]:
    family = ExpressionFamily("regression" if regression else "classification")
    chosen = [STRUCTURES[index % kinds] for index in range(count)]
    thetas = [(1.0,) * (s.count("(") + s.count("f") + s.count("y") - 1) for s in chosen]
    return [
        LocalSearch(Candidate(structure, theta), family, 1e-3, 1e-2, seed, None, meta_loss)
        for seed, (structure, theta) in enumerate(zip(chosen, thetas, strict=True))
    ]


def _seconds(path: Callable[[], None], repeats: int = 1) -> float:
    started = time.process_time()
    for _ in range(repeats):
        path()
    return (time.process_time() - started) / repeats


if __name__ == "__main__":
    main()
