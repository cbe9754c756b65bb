"""What the rejection protocol saves and costs if it judges before the local search, or only after.

Random expressions, as a genetic search begins with, are judged as they are drawn; all of them then
go through the local search, whatever was said, are judged again and trained on scikit-learn's
Diabetes. What is rejected at first but would have passed later is what the early verdict costs; the
seconds of local search that it spares are what it saves::

    OMP_NUM_THREADS=1 python -m lightning_lossmeta.benchmarks.rejection --candidates 100
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from operator import itemgetter
from typing import Any

from rich.console import Console
from rich.table import Table

from lightning_lossmeta.benchmarks.record import save
from lightning_lossmeta.benchmarks.search_tasks import diabetes_module
from lightning_lossmeta.callbacks.filters.rejection import artificial_predictions, improvement
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.cli.search_methods import make_search_method, read_search_method
from lightning_lossmeta.data import DiabetesDataModule
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.families import LossFamily
from lightning_lossmeta.local_search import RefinerJob
from lightning_lossmeta.searchers import GeneticProgrammingSearcher
from lightning_lossmeta.task import Objective, Task

#: By whether a candidate passes before and after the local search.
CASES = {
    (True, True): "passes both times",
    (True, False): "passes, then rejected",
    (False, True): "rejected, would pass later",
    (False, False): "rejected both times",
}


def passes(family: LossFamily, candidate: Candidate) -> bool:
    """Whether :class:`~lightning_lossmeta.callbacks.RejectionFilter` lets a candidate pass."""
    loss = family.build(candidate)
    return improvement(loss, *artificial_predictions(loss, 100, None, 0)) > 0


def measure(candidates: int, hidden: list[int], seed: int) -> list[dict[str, Any]]:
    """Judge, refine, judge again and train random expressions.

    Args:
        candidates: How many expressions are drawn.
        hidden: Units of the network's hidden layers.
        seed: Fixes the expressions, the data's split, the weights and the batches.

    Returns:
        A row a case: how many, how often the local search diverged, its seconds, and the best and
        median squared error on the validation split of those that could be trained.
    """
    settings = {"file": "configs/methods/evomal.yaml", "family.init_args.problem": "regression"}
    method = make_search_method(read_search_method(settings))
    family, evaluator, refiner = method.family, method.evaluator, method.refiner
    if evaluator is None or refiner is None:
        raise ValueError("Expected the method to name its evaluator and its refiner.")
    searcher = GeneticProgrammingSearcher(population=candidates)
    searcher.start(family.space, seed)
    session = replace(method.session, objectives=(Objective("val_mse", "min"),), accelerator="cpu")
    data = DiabetesDataModule(batch_size=64)
    task = Task(lambda: diabetes_module(hidden), data, session, seed)
    asked = searcher.ask()
    before = [passes(family, candidate) for candidate in asked]
    jobs = [RefinerJob(candidate, (task,)) for candidate in asked]
    refined = [item for _, item in sorted(refiner.refine(jobs, family), key=itemgetter(0))]
    well = [item.status is Status.PENDING for item in refined]
    after = [
        fine and passes(family, item.candidate) for fine, item in zip(well, refined, strict=True)
    ]
    trained = [item.candidate for item, fine in zip(refined, well, strict=True) if fine]
    scores = iter(evaluator.evaluate(trained, family, [task]))
    fitness = [next(scores).fitness if fine else -math.inf for fine in well]
    rows = []
    for case, name in CASES.items():
        places = [i for i, pair in enumerate(zip(before, after, strict=True)) if pair == case]
        errors = sorted(-fitness[i] for i in places if math.isfinite(fitness[i]))
        rows.append(
            {
                "case": name,
                "count": len(places),
                "local_search_diverged": sum(not well[i] for i in places),
                "local_search_s": sum(refined[i].seconds for i in places),
                "trained": len(errors),
                "best_mse": errors[0] if errors else None,
                "median_mse": errors[len(errors) // 2] if errors else None,
            }
        )
    return rows


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--hidden", nargs="+", type=int, default=[100, 100])
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rows = measure(given.candidates, given.hidden, given.seed)
    table = Table(title="Before and after the local search", title_justify="left")
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "case" else "right")
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    console = Console(width=140)
    console.print(table)
    console.print(f"Written to {save('rejection', rows, seed=given.seed).name}.")


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
