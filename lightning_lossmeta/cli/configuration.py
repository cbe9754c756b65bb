"""What the commands that read configurations share."""

from __future__ import annotations

import copy
import re
import sys
from argparse import ArgumentError
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml
from jsonargparse import ArgumentParser, Namespace
from pytorch_lightning.cli import LightningArgumentParser

from lightning_lossmeta.cli.hints import with_hint


class ConfiguredModule:
    """Makes the module that a configuration describes, with new weights at each call.

    Args:
        config: ``class_path`` and ``init_args``.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self._make: Callable[[], Any] | None = None

    def __call__(self) -> pl.LightningModule:
        """Make it.

        Raises:
            ValueError: If the class does not take these arguments.
        """
        if self._make is None:
            self._make = _maker(pl.LightningModule, "model", self.config)
        return self._make()  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        """Without the parser, which can't be sent to other processes."""
        return {"config": self.config, "_make": None}


def make_data(config: dict[str, Any]) -> pl.LightningDataModule:
    """The data module that a configuration describes.

    Args:
        config: ``class_path`` and ``init_args``.

    Raises:
        ValueError: If the class does not take these arguments.
    """
    return _maker(pl.LightningDataModule, "data", config)()  # type: ignore[no-any-return]


def _maker(kind: type, key: str, config: dict[str, Any]) -> Callable[[], Any]:
    """Parses once, which takes a tenth of a second."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(kind, key)
    try:
        parsed = parser.parse_object({key: config})
    except ArgumentError as error:
        raise ValueError(
            f"Expected settings that the {key} takes, got:\n{with_hint(str(error), parser)}"
        ) from None
    return lambda: parser.instantiate_classes(parsed)[key]


def patched(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A nested dictionary with values put in at dotted keys.

    Raises:
        ValueError: If a key starts with no part of it, or leads through what is no dictionary.

    >>> patched({"data": {"init_args": {"root": "a"}}}, {"data.init_args.root": "b"})
    {'data': {'init_args': {'root': 'b'}}}
    """
    made = copy.deepcopy(dict(base))
    for key, value in changes.items():
        *path, last = key.split(".")
        place: Any = made
        for number, part in enumerate(path):
            if number and isinstance(place, dict) and place.get(part) is None:
                place[part] = {}
            place = place.get(part) if isinstance(place, dict) else None
        if not path or not isinstance(place, dict):
            raise ValueError(
                f"Expected the keys of a task to lead to a setting of {' or '.join(base)}, e.g. "
                f"'data.init_args.noise', got '{key}'."
            )
        place[last] = copy.deepcopy(value)
    return made


class HintingParser(LightningArgumentParser):
    """A parser whose errors name the nearest option or class."""

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Report a bad argument, without the usage of a hundred options."""
        print(f"lossmeta: {with_hint(message, self)}", file=sys.stderr)
        sys.exit(2)


def as_dict(config: Any) -> dict[str, Any]:
    """A parsed group as a dictionary."""
    return config.as_dict() if isinstance(config, Namespace) else dict(config)


def complaint(error: Exception) -> str | None:
    """What the user can put right, as this package says it; ``None`` for any other error."""
    text = str(error)
    if text.startswith(("Expected", "'")):
        return text
    # The parser wraps what a constructor says among what else it tried.
    said = re.findall(r"Expected (?:argument )?`.*", text)
    return "\n".join(dict.fromkeys(said)) or None


def refuse_repeated_keys(argv: list[str]) -> None:
    """YAML takes the last of two equal keys without a word: a loss or task would go missing.

    Args:
        argv: Arguments, with ``--config FILE`` among them.

    Raises:
        ValueError: If a file has a key twice in one place; names both.
    """
    for argument, following in zip(argv, [*argv[1:], ""], strict=True):
        name, _, value = argument.partition("=")
        path = Path(value or following)
        if name in ("--config", "-c") and path.is_file():
            node = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
            _walk(node, path)


def _walk(node: yaml.Node | None, path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = [key for key, count in keys.items() if count > 1]
        if twice:
            raise ValueError(f"Expected each key of '{path}' once in its place, got {twice} twice.")
        for _, value in node.value:
            _walk(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _walk(item, path)
