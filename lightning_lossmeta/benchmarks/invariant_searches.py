"""Whether searches find better losses with an invariant: table 1 of Gonzalez & Miikkulainen (2021).

CMA-ES searches the 8 parameters of TaylorGLO from zero, as the paper does, with the exact
invariant, the published one, and none, with populations of 20 and 40. What an invariant rejects
costs no training: a search goes on for as many generations as it takes until each has had the same
number of trainings, and what its last generation has beyond that is not trained. The five best
candidates meet on fresh seeds; the loss that comes out is trained with ten more, the same for all
searches, at real length and at that of the search's sessions, and scored on the test images.

The task is scikit-learn's digits with a 64-64-10 network. Each search is one JSON file, and those
that are there are not run again::

    OMP_NUM_THREADS=1 python -m lightning_lossmeta.benchmarks.invariant_searches
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import nn

from lightning_lossmeta.benchmarks.invariant_table import show
from lightning_lossmeta.benchmarks.record import save
from lightning_lossmeta.callbacks import InvariantCheck, MetaCallback, Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison import ComparisonConfig, compare_losses
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators import PopulationEvaluator
from lightning_lossmeta.families import TaylorFamily, TaylorLoss
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.search import Finalists, MetaLossTrainer
from lightning_lossmeta.searchers import CMAESSearcher
from lightning_lossmeta.task import Session, Task

TESTS = ("exact", "published", "none")
STEPS, REAL_STEPS, FINAL_SEEDS = 200, 1000, 10
#: A search ends after this many times the generations that it would have without an invariant.
PATIENCE = 5


class TrainingBudget(MetaCallback):
    """Ends a search after a number of trainings, within a generation where it must.

    It stands after the filters, so that it sees what is to be trained.

    Args:
        trainings: How many candidates are trained.
    """

    def __init__(self, trainings: int) -> None:
        self.trainings = trainings
        self.trained = 0
        self.fitness: list[float] = []
        self.filters: Counter[str] = Counter()

    def screen(self, candidate: Candidate, loss: LossFunction) -> Evaluation | None:
        """Let a candidate pass while there are trainings left."""
        if self.trained >= self.trainings:
            return Evaluation(candidate, status=Status.REJECTED, message="no trainings left")
        self.trained += 1
        return None

    def on_candidate_evaluated(
        self, search: Search, generation: int, index: int, evaluation: Evaluation
    ) -> None:
        """Keep the fitness of what was trained, and count what was rejected by whom."""
        if evaluation.filter:
            self.filters[evaluation.filter] += 1
        else:
            self.fitness.append(round(evaluation.fitness, 4))

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """End the search when all trainings are spent."""
        if self.trained >= self.trainings:
            search.stop_reason = f"{self.trainings} trainings"


def module() -> SupervisedModule:
    """The network that is trained, and its optimiser."""
    return SupervisedModule(
        MLP(64, [64], 10), optimizer=partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    )


def scores(losses: Mapping[str, nn.Module], steps: int) -> dict[str, list[float]]:
    """Test accuracy of losses after some steps, with the seeds that all losses are scored with."""
    task = Task(module, DigitsDataModule(batch_size=100), _session(steps))
    settings = ComparisonConfig(seeds=FINAL_SEEDS, learning_rate_factors=(1.0,))
    rows = compare_losses(losses, task, PopulationEvaluator(), settings, repeats=True)
    return {row.name: list(row.scores) for row in rows}


def search(test: str, population: int, seed: int, trainings: int) -> dict[str, Any]:
    """Search once, and train with what was found.

    Args:
        test: ``"exact"``, ``"published"`` or ``"none"``.
        population: Candidates a generation.
        seed: The search's seed; those of the trainings at the end do not derive from it.
        trainings: How many candidates are trained, whatever number is rejected.

    Returns:
        The loss, its accuracies, and what became of the candidates.
    """
    budget = TrainingBudget(trainings)
    filters: list[MetaCallback] = []
    if test != "none":
        filters.append(InvariantCheck(cast(Literal["exact", "published"], test)))
    trainer = MetaLossTrainer(accelerator="cpu", logger=False, callbacks=[*filters, budget])
    family = TaylorFamily(order=3, convention="taylorglo", start="zero")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = trainer.search(
            module(),
            DigitsDataModule(batch_size=100),
            _session(STEPS),
            family,
            CMAESSearcher(population, sigma=1.2),
            evaluator=PopulationEvaluator(),
            generations=PATIENCE * math.ceil(trainings / population),
            finalists=Finalists(5, 5, baselines=(), learning_rate_factors=(1.0,)),
            run_dir=f"{folder}/search",
            seed=seed,
        )
        seconds = time.perf_counter() - started
        loss = result.artifact.build()
    rejected = budget.filters[InvariantCheck.__name__]
    return {
        "theta": list(result.artifact.candidate.theta),
        "accuracies": scores({"learned": loss}, REAL_STEPS)["learned"],
        "fitness": budget.fitness,
        "asked": budget.trained + rejected,
        "rejected": rejected,
        "trained": budget.trained,
        "search_s": seconds,
    }


def _session(steps: int) -> Session:
    return Session(steps=steps, validations=1, accelerator="cpu")


def kept(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """One search, out of its file or run and written to it.

    Raises:
        ValueError: If the file holds a search of other settings.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"settings": settings, **search(**settings)}) + "\n")
    cell: dict[str, Any] = json.loads(path.read_text())
    if cell["settings"] != settings:
        raise ValueError(
            f"Expected '{path}' to hold a search of {settings}, got one of {cell['settings']}: "
            "choose another folder by --cells."
        )
    return cell


def measure(
    folder: Path, populations: Sequence[int], seeds: Sequence[int], trainings: int
) -> list[dict[str, Any]]:
    """All searches, seed by seed."""
    cells = []
    for seed in seeds:
        for population in populations:
            for test in TESTS:
                settings = {
                    "test": test,
                    "population": population,
                    "seed": seed,
                    "trainings": trainings,
                }
                path = folder / f"{test}-{population}-{seed}.json"
                cells.append(kept(path, settings))
                print(path.name, f"{cells[-1]['search_s']:.0f} s", flush=True)
    return cells


def main() -> None:
    """Search, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--populations", type=int, nargs="+", default=[20, 40])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--trainings", type=int, default=240)
    parser.add_argument("--cells", type=Path, default=Path("runs/invariant_searches"))
    given = parser.parse_args()
    cells = measure(given.cells, given.populations, given.seeds, given.trainings)
    baselines = {"cross-entropy": CrossEntropy(), "mean squared error": MeanSquaredError()}
    usual = scores(baselines, REAL_STEPS)
    short = scores({str(i): TaylorLoss(cell["theta"]) for i, cell in enumerate(cells)}, STEPS)
    for i, cell in enumerate(cells):
        cell["short_accuracies"] = short[str(i)]
    show(cells, usual)
    print(save("invariant_searches", {"usual": usual, "searches": cells}, seeds=given.seeds).name)


if __name__ == "__main__":
    main()
