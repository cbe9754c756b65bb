"""A search under way, made up: for tests of callbacks."""

import json

from strangers import BlobsData, StrangersNet

from lightning_lossmeta.callbacks import Search
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.searchers import CMAESSearcher
from lightning_lossmeta.searchers.base import row_of
from lightning_lossmeta.task import Objective, Session, Task


def make_search(directory, **changes):
    family = changes.pop("family", None) or TaylorFamily(start="mse")
    searcher = CMAESSearcher(population=4)
    searcher.start(family.space, 0)
    session = Session(steps=5, objectives=(Objective("val_acc"),))
    given = {
        "directory": directory,
        "family": family,
        "searcher": searcher,
        "tasks": [Task(StrangersNet(), BlobsData(), session)],
        "generations": 3,
        "seed": 0,
        "num_classes": 3,
    }
    return Search(**(given | changes))


def evaluate(candidates, generation):
    """One rejected, one diverged, the others scored."""
    curves = {"train_loss": ((1, 0.5), (5, 0.25)), "val_acc": ((3, 0.5), (5, 0.75))}
    found = [
        Evaluation(
            candidate,
            (0.5 + 0.01 * index + 0.1 * generation,),
            Status.OK,
            curves=curves,
            seconds=0.5,
        )
        for index, candidate in enumerate(candidates)
    ]
    found[0] = Evaluation(candidates[0], status=Status.REJECTED, message="not\ntrainable, no")
    found[1] = Evaluation(candidates[1], status=Status.DIVERGED, curves=curves)
    return found


def run_generation(search, callbacks):
    """What the trainer does with a generation, without any training."""
    generation = search.searcher.generation
    for callback in callbacks:
        callback.on_generation_start(search, generation)
    evaluations = evaluate(search.searcher.ask(), generation)
    search.searcher.tell(evaluations)
    for item in evaluations:
        search.front.add(generation, item)
    for callback in callbacks:
        for index, item in enumerate(evaluations):
            callback.on_candidate_evaluated(search, generation, index, item)
        callback.on_generation_end(search, generation, evaluations)
    return evaluations


def run_search(search, callbacks, generations):
    for callback in callbacks:
        callback.on_search_start(search)
    told = [run_generation(search, callbacks) for _ in range(generations)]
    for callback in callbacks:
        callback.on_search_end(search)
    return told


def stored_searcher(searcher):
    """What a search keeps of its searcher, to JSON and back."""
    history = [[row_of(item) for item in generation] for generation in searcher.history]
    content = {"history": history, "state": searcher.state_dict()}
    return json.loads(json.dumps(content, allow_nan=False))


def restore_searcher(searcher, stored):
    """Bring a searcher that has just started to where another one was."""
    searcher.replay(stored["history"])
    searcher.load_state_dict(stored["state"])
