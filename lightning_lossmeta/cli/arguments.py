"""What a user may leave out of a command, put in before it is parsed; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from lightning_lossmeta.cli.yaml_files import read_yaml

#: The class that stands for a part of a search whose arguments alone are given.
DEFAULT_CLASSES = {
    "family": "TaylorFamily",
    "searcher": "CMAESSearcher",
    "evaluator": "AutoEvaluator",
    "allocation": "FixedSeeds",
}

#: Classes whose ``path`` is looked for beside the configuration that names it.
_READERS = ("InjectLoss", "LearnedLoss")


def with_default_classes(arguments: Sequence[str]) -> list[str]:
    """Arguments that name the class of each part of which they set something.

    Args:
        arguments: A command and its options.

    >>> with_default_classes(["search", "--searcher.population", "4"])
    ['search', '--searcher', 'CMAESSearcher', '--searcher.population', '4']
    """
    names = [argument.split("=")[0] for argument in arguments]
    configured = {key for file in config_files(arguments) for key in _given(file)}
    full: list[str] = []
    for argument, name in zip(arguments, names, strict=True):
        part, dot, option = name.removeprefix("--").partition(".")
        known = {*configured, *(item.removeprefix("--") for item in full)}
        sets = dot and option != "help" and part in DEFAULT_CLASSES
        if sets and part not in known and f"--{part}" not in names:
            full += [f"--{part}", DEFAULT_CLASSES[part]]
        full.append(argument)
    return full


def with_found_paths(arguments: Sequence[str]) -> list[str]:
    """Arguments whose configurations name learned losses that lie beside them by their full path.

    A run's folder may then be moved, and its ``fit.yaml`` used from any other folder.

    Args:
        arguments: A command and its options.
    """
    full = list(arguments)
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        at = place if equals else place + 1
        if name not in ("--config", "-c") or at >= len(arguments):
            continue
        path = Path(value or arguments[at]).expanduser()
        content = read_yaml(path) if path.is_file() else None
        found = _resolved(content, partial(_beside, folder=path.parent))
        text = str(path) if found == content else yaml.safe_dump(found, sort_keys=False)
        full[at] = f"{name}={text}" if equals else text
    return full


def config_files(arguments: Sequence[str]) -> list[Path]:
    """The configuration files that are named, as far as they exist."""
    files = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, _, value = argument.partition("=")
        path = Path(value or following).expanduser()
        if name in ("--config", "-c") and path.is_file():
            files.append(path)
    return files


def _given(file: Path) -> set[str]:
    content = read_yaml(file)
    if not isinstance(content, dict):
        return set()
    return {key for key, value in content.items() if value is not None}


def _beside(loss: str, folder: Path) -> str:
    """The path of a learned loss, which is in the folder or else where it was."""
    path = folder / loss
    return loss if Path(loss).is_absolute() or not path.is_file() else str(path.resolve())


def _resolved(value: Any, found: Callable[[str], str]) -> Any:
    """A configuration with the path of each learned loss replaced."""
    if isinstance(value, list):
        return [_resolved(item, found) for item in value]
    if not isinstance(value, Mapping):
        return value
    changed = {key: _resolved(item, found) for key, item in value.items()}
    own = changed.get("init_args")
    reads = str(changed.get("class_path", "")).rpartition(".")[2] in _READERS
    if reads and isinstance(own, dict) and isinstance(own.get("path"), str):
        changed["init_args"] = {**own, "path": found(own["path"])}
    return changed
