"""A search of a second, and what it wrote."""

import csv
from dataclasses import fields

from lightning_lossmeta import (
    MLP,
    CMAESSearcher,
    DigitsDataModule,
    MetaLossTrainer,
    PopulationEvaluator,
    SupervisedModule,
    TaylorFamily,
)
from lightning_lossmeta.task import Session


def small_search(directory, callbacks=(), module=None, data=None, **changes):
    trainer = MetaLossTrainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, callbacks=list(callbacks)
    )
    settings = {
        "family": TaylorFamily(start="mse"),
        "searcher": CMAESSearcher(population=4),
        "evaluator": PopulationEvaluator(),
        "generations": 3,
        "seed": 7,
        "run_dir": str(directory),
    }
    session = {"steps": 15, "validations": 1}
    for field in fields(Session):
        if field.name in changes:
            session[field.name] = changes.pop(field.name)
    settings |= {"session": Session(**session)} | changes
    if settings.get("resume"):
        settings["run_dir"] = None
    module = SupervisedModule(MLP(64, [8], 10)) if module is None else module
    return trainer.search(module, DigitsDataModule() if data is None else data, **settings)


def history(directory):
    with (directory / "history.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
