"""The configurations that a search leaves in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from jsonargparse import Namespace

from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.cli.trust import seal
from lightning_lossmeta.cli.yaml_files import read_yaml
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.search import SearchResult

if TYPE_CHECKING:
    from typing_extensions import Self


class SaveSearchConfig(MetaCallback):
    """Writes ``config.yaml``, the resolved configuration, which re-runs as it is.

    After the first generation it has the evaluator that was chosen, so that none is measured again.

    Args:
        text: The resolved configuration.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def example(cls) -> Self:
        """A configuration of one line."""
        return cls("seed_everything: 0\n")

    def on_search_start(self, search: Search) -> None:
        """Write the configuration, unless a resumed run has it."""
        path = search.directory / "config.yaml"
        if not path.exists():
            write_atomic(path, self.text)
            seal(path)

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Write the evaluators that were chosen, if they were measured."""
        choices = search.evaluator_state.get("choices")
        path = search.directory / "config.yaml"
        if generation == 0 and choices and path.exists():
            write_atomic(path, with_choices(read_yaml(path), choices))
            seal(path)


def with_choices(config: dict[str, Any], choices: dict[str, str]) -> str:
    """A configuration that names the evaluator of each task.

    Args:
        config: The configuration of a search.
        choices: As :class:`~lightning_lossmeta.AutoEvaluator` takes them.
    """
    given = config.get("evaluator") or {"class_path": "lightning_lossmeta.AutoEvaluator"}
    evaluator = {**given, "init_args": {**(given.get("init_args") or {}), "choices": choices}}
    return yaml.safe_dump({**config, "evaluator": evaluator}, sort_keys=False)


def save_fit_config(result: SearchResult, config: Namespace, main: dict[str, Any]) -> None:
    """Write ``fit.yaml``: module and data of the main task, trained with the learned loss."""
    path = result.directory / "fit.yaml"
    trainer = {
        "accelerator": config.trainer.accelerator,
        "precision": config.trainer.precision,
        "max_steps": config.session.as_if or config.session.steps,
        "max_epochs": -1,
        "callbacks": [
            {
                "class_path": "lightning_lossmeta.InjectLoss",
                "init_args": {
                    "path": "best.json",  # beside this file
                    "learning_rate_factor": result.learning_rate_factor,
                    "loss_attribute": config.loss_attribute,
                },
            }
        ],
    }
    content = {
        "seed_everything": config.seed_everything,
        "trainer": trainer,
        **main,
    }
    write_atomic(path, yaml.safe_dump(content, sort_keys=False))
