"""A search of a second, and what it wrote."""

import csv

from lightning_lossmeta import (
    MLP,
    CMAESSearcher,
    DigitsDataModule,
    MetaLossTrainer,
    PopulationEvaluator,
    SupervisedModule,
    TaylorFamily,
)


def small_search(directory, callbacks=(), module=None, data=None, **changes):
    trainer = MetaLossTrainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, callbacks=list(callbacks)
    )
    settings = {
        "family": TaylorFamily(start="mse"),
        "searcher": CMAESSearcher(population=4),
        "evaluator": PopulationEvaluator(),
        "generations": 3,
        "steps": 15,
        "validations": 1,
        "seed": 7,
        "run_dir": str(directory),
    }
    settings |= changes
    if settings.get("resume"):
        settings["run_dir"] = None
    module = SupervisedModule(MLP(64, [8], 10)) if module is None else module
    return trainer.search(module, DigitsDataModule() if data is None else data, **settings)


def history(directory):
    with (directory / "history.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
