"""How far what a search believes best can be trusted, when its fitness jumps.

Evolution strategies learn meta-loss networks on episodes of scikit-learn's digits, scored on one
episode a generation, as in Hai & Liu (2021), or on four. At the end, the candidates of the last
generation and the one with the highest fitness of all are scored on many episodes of the validation
pool. What is measured is the rank there of the candidate that is believed best: by the highest
fitness of all generations, by that of the last one, or by the records of the parents::

    OMP_NUM_THREADS=1 python -m lightning_lossmeta.benchmarks.trust
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from scipy.stats import rankdata

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta.analysis import save_figure
from lightning_lossmeta.analysis.rank_figure import rank_figure
from lightning_lossmeta.benchmarks.record import save
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data import DigitsDataModule, EpisodeDataModule
from lightning_lossmeta.data.episodes import held_out
from lightning_lossmeta.evaluation import mean_evaluation
from lightning_lossmeta.evaluators import PopulationEvaluator
from lightning_lossmeta.evaluators.base import Job
from lightning_lossmeta.families import MetaLossNetworkFamily
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.searchers import EvolutionStrategySearcher
from lightning_lossmeta.task import Session, Task

PARENTS, CHILDREN = 6, 6
WAYS = ("highest of all", "highest of the last generation", "parents' records")


def digits_task() -> Task:
    """Five shots of ten digits, 20 steps of SGD."""
    module = SupervisedModule(
        MLP(64, [32], 10), optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.3)
    )
    data = EpisodeDataModule(DigitsDataModule(), shots=5, queries=20)
    return Task(module, data, Session(steps=20, validations=0, accelerator="cpu"))


def mean_fitness(
    candidates: list[Candidate], task: Task, seeds: list[int], family: MetaLossNetworkFamily
) -> list[Any]:
    """Each candidate's evaluation, the mean over the episodes of some seeds."""
    tasks = [replace(task, seed=seed) for seed in seeds]
    jobs = [Job(candidate, own) for own in tasks for candidate in candidates]
    results = dict(PopulationEvaluator().run(jobs, family))
    count = len(candidates)
    return [
        mean_evaluation([results[n * count + c] for n in range(len(tasks))], ["t"] * len(tasks))
        for c in range(count)
    ]


def measure(episodes: int, generations: int, fresh: int, seed: int) -> dict[str, Any]:
    """Search once, and score on fresh episodes what it ended with.

    Args:
        episodes: How many score a candidate in a generation.
        generations: How many there are.
        fresh: How many episodes say what candidates are worth.
        seed: Fixes all.

    Returns:
        By way of choosing the rank of what it chose among all, and its accuracy; the best's and the
        first candidate's, cross-entropy's, accuracy.
    """
    family, task = MetaLossNetworkFamily(), digits_task()
    searcher = EvolutionStrategySearcher(PARENTS, CHILDREN, sigma=0.02)
    searcher.start(family.space, seed)
    start = searcher.ask()[0]
    for generation in range(generations):
        seeds = [
            derived_seed(seed, Purpose.FURTHER_SEEDS, generation, 0, n) for n in range(episodes)
        ]
        searcher.tell(mean_fitness(searcher.ask(), task, seeds, family))
    last = searcher.history[-1]
    of_all = max((item for past in searcher.history for item in past), key=lambda i: i.fitness)
    of_last = max(last, key=lambda item: item.fitness)
    chosen = dict(
        zip(WAYS, (of_all.candidate, of_last.candidate, searcher.leaders()[0]), strict=True)
    )
    pool = list(dict.fromkeys([*(item.candidate for item in last), of_all.candidate, start]))
    fresh_task = replace(task, data=held_out(task.data, "val"))
    seeds = [derived_seed(seed, Purpose.FINALISTS, number, 0) for number in range(fresh)]
    worth = [item.fitness for item in mean_fitness(pool, fresh_task, seeds, family)]
    ranks = rankdata(-np.array(worth))
    return {
        "count": len(pool),
        "best": max(worth),
        "cross_entropy": worth[pool.index(start)],
        **{
            way: {"rank": float(ranks[pool.index(c)]), "accuracy": worth[pool.index(c)]}
            for way, c in chosen.items()
        },
    }


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=4, help="of each kind")
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--fresh", type=int, default=40, help="episodes that say the truth")
    parser.add_argument("--figure", type=Path, help="picture to draw")
    options = parser.parse_args()
    console, figures = Console(), []
    for episodes in (1, 4):
        for seed in range(options.searches):
            row = measure(episodes, options.generations, options.fresh, seed)
            figures.append({"episodes": episodes, "seed": seed, **row})
            console.print(figures[-1])
            save("trust", figures, generations=options.generations, fresh=options.fresh)
    if options.figure is not None:
        ranks = {
            f"{way}, {episodes} episode{'s' * (episodes > 1)}": [
                row[way]["rank"] for row in figures if row["episodes"] == episodes
            ]
            for episodes in (1, 4)
            for way in WAYS
        }
        count = max(row["count"] for row in figures)
        save_figure(rank_figure(ranks, "What a search believed best", count), options.figure)


if __name__ == "__main__":
    main()
