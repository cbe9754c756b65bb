"""Methods of learning a loss, as configurations hold them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from lightning_lossmeta.callbacks import MetaCallback
from lightning_lossmeta.cli.class_paths import refuse_functions
from lightning_lossmeta.cli.configuration import as_dict, patched
from lightning_lossmeta.cli.yaml_files import read_yaml
from lightning_lossmeta.evaluators import Evaluator
from lightning_lossmeta.families import LossFamily
from lightning_lossmeta.local_search import Refiner
from lightning_lossmeta.search import Allocation, Finalists
from lightning_lossmeta.searchers import Searcher
from lightning_lossmeta.task import Session


@dataclass
class SearchMethod:
    """What a search is asked for beside module and data, as ``lossmeta search`` names it.

    Args:
        family: The family that the loss is learned in.
        searcher: What proposes candidates.
        refiner: What improves candidates before they are trained.
        evaluator: What trains candidates.
        allocation: Which trainings a generation is spent on.
        callbacks: Filters and other callbacks of the search.
        generations: How often the searcher is asked.
        session: How inner fits train; what they are scored by is the comparison's.
        finalists: How the learned loss is chosen among the best.
    """

    family: LossFamily
    searcher: Searcher
    refiner: Refiner | None = None
    evaluator: Evaluator | None = None
    allocation: Allocation | None = None
    callbacks: list[MetaCallback] = field(default_factory=list)
    generations: int = 10
    session: Session = field(default_factory=lambda: Session(validations=1))
    finalists: Finalists | None = None


def read_search_method(
    method: str | Mapping[str, Any], beside: Path | None = None
) -> dict[str, Any]:
    """A method's configuration as plain values.

    Args:
        method: The file of a method, as those of ``configs/methods``, or ``file`` and what is
            different, by dotted keys; or the method's settings themselves.
        beside: Where a file is looked for if it is not there from here.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a key leads nowhere.
    """
    changes = {"file": method} if isinstance(method, str) else dict(method)
    path = changes.pop("file", None)
    if path is None:
        return changes
    content = _load(Path(path).expanduser(), beside)
    trainer = content.pop("trainer", None) or {}
    if unknown := sorted(set(trainer) - {"callbacks"}):
        raise ValueError(f"Expected `trainer` of '{path}' to have callbacks alone, got {unknown}.")
    content["callbacks"] = trainer.get("callbacks") or []
    dotted = {key: value for key, value in changes.items() if "." in key}
    return patched(content, dotted) | {k: v for k, v in changes.items() if k not in dotted}


def make_search_method(config: Mapping[str, Any]) -> SearchMethod:
    """The method that a configuration describes, with objects of its own.

    Raises:
        ValueError: If it does not describe a method.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(SearchMethod, None, sub_configs=True)
    try:
        parsed = parser.parse_object(copy.deepcopy(dict(config)))
        refuse_functions(parsed)
        settings = parser.instantiate_classes(parsed)
    except Exception as error:  # the parser's own kind of error; what it says is for the user
        text = f"Expected the settings of a method, got {dict(config)!r:.300}: {error}"
        raise ValueError(text) from None
    return SearchMethod(**as_dict(settings))


def _load(path: Path, beside: Path | None) -> dict[str, Any]:
    places = [path] if beside is None else [path, beside / path]
    for place in places:
        if place.is_file():
            content = read_yaml(place)
            if not isinstance(content, dict):
                raise ValueError(f"Expected '{place}' to hold the settings of a method.")
            return content
    raise FileNotFoundError(f"Expected the file of a method at '{path}', found none.")
