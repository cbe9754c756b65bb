"""Evaluators and refiners for tests, and what a search does with both."""

from dataclasses import replace

from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import Evaluator
from lightning_lossmeta.local_search import RefinerJob


class TaskByTask(Evaluator):
    """One that scores all candidates of a task at once, by ``_evaluate_task``."""

    def _run(self, jobs, family):
        groups = {}
        for place, job in enumerate(jobs):
            groups.setdefault(id(job.task), []).append(place)
        for places in groups.values():
            candidates = [jobs[place].candidate for place in places]
            scored = self._evaluate_task(candidates, family, jobs[places[0]].task)
            yield from zip(places, scored, strict=True)


def refine(refiner, candidates, family, tasks, **options):
    """What became of candidates, in order."""
    jobs = [RefinerJob(candidate, tuple(tasks)) for candidate in candidates]
    return [item for _, item in sorted(refiner.refine(jobs, family, **options), key=lambda p: p[0])]


class RefineThenScore:
    """Refines candidates, then scores those that are left."""

    def __init__(self, refiner, evaluator):
        self.refiner, self.evaluator = refiner, evaluator

    def evaluate(self, candidates, family, tasks):
        refined = refine(self.refiner, candidates, family, tasks)
        places = [p for p, item in enumerate(refined) if item.status is Status.PENDING]
        passed = [refined[place].candidate for place in places]
        scored = self.evaluator.evaluate(passed, family, tasks)
        for place, item in zip(places, scored, strict=True):
            before = refined[place]
            refined[place] = replace(
                item,
                curves={**before.curves, **item.curves},
                seconds=before.seconds + item.seconds,
            )
        return refined
