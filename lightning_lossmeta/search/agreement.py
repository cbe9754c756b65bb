"""Whether the parts that a search is given can work together."""

from __future__ import annotations

from dataclasses import replace

from lightning_lossmeta.families import LossFamily
from lightning_lossmeta.search.generation import Engines
from lightning_lossmeta.searchers import Searcher
from lightning_lossmeta.task import Task


def named_tasks(main: Task, more: list[Task]) -> list[Task]:
    """All tasks, with names of their own.

    Raises:
        ValueError: If two have one name.
    """
    tasks = [main]
    for number, task in enumerate(more, start=1):
        tasks.append(replace(task, name=task.name if task.name != "task" else f"task{number}"))
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ValueError(f"Expected tasks of different names, got {names}.")
    return tasks


def refuse_unsupported(engines: Engines, family: LossFamily, tasks: list[Task]) -> None:
    """Refuse an evaluator or a refiner that says that it can't work on the tasks.

    Raises:
        ValueError: With what it says.
    """
    for engine in (engines.refiner, engines.evaluator):
        if engine is not None and (reason := engine.unsupported(family, tasks)):
            raise ValueError(f"{type(engine).__name__} can't be used here: {reason}")


def refuse_unrefined(engines: Engines, searcher: Searcher) -> None:
    """Refuse a refiner beside a searcher that needs scores of the very candidates it gave.

    Raises:
        ValueError: If there is one.
    """
    if engines.refiner is not None and not searcher.accepts_refined:
        raise ValueError(
            f"Expected a searcher that takes refined candidates with "
            f"{type(engines.refiner).__name__}, e.g. GeneticProgrammingSearcher, got "
            f"{type(searcher).__name__}."
        )


def refuse_uneven(tasks: list[Task]) -> None:
    """Objectives are averaged over tasks, so that all must have as many, of one direction.

    Raises:
        ValueError: If they have not.
    """
    kinds = {tuple((item.mode, item.weight) for item in task.session.objectives) for task in tasks}
    if len(kinds) > 1:
        named = {task.name: [o.monitor for o in task.session.objectives] for task in tasks}
        raise ValueError(
            f"Expected all tasks to have objectives of the same modes and weights, got {named}."
        )
