"""What the commands that read configurations share."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml
from jsonargparse import ArgumentParser, Namespace
from pytorch_lightning.cli import LightningArgumentParser

from lightning_lossmeta.hints import with_hint


class ConfiguredModule:
    """Makes the module that a configuration describes, with new weights at each call.

    Args:
        config: ``class_path`` and ``init_args``.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def __call__(self) -> pl.LightningModule:
        """Make it."""
        parser = ArgumentParser(exit_on_error=False)
        parser.add_subclass_arguments(pl.LightningModule, "model")
        made = parser.instantiate_classes(parser.parse_object({"model": self.config}))
        return made.model  # type: ignore[no-any-return]


class HintingParser(LightningArgumentParser):
    """A parser whose errors name the nearest option or class."""

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Report a bad argument, without the usage of a hundred options."""
        print(f"lossmeta: {with_hint(message, self)}", file=sys.stderr)
        sys.exit(2)


def plain(config: Any) -> dict[str, Any]:
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
    """YAML takes the last of two equal keys without a word: a loss would go missing.

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
