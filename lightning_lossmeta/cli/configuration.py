"""What the commands that read configurations share."""

from __future__ import annotations

import copy
import re
import sys
import traceback
from argparse import ArgumentError
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import register_type
from pytorch_lightning.cli import LightningArgumentParser

from lightning_lossmeta._machine import machine_trouble
from lightning_lossmeta.cli import yaml_files
from lightning_lossmeta.cli.class_paths import refuse_functions
from lightning_lossmeta.cli.help_pages import BriefFormatter, in_order
from lightning_lossmeta.cli.hints import with_hint

yaml_files.register()


def _tensor(value: Any) -> torch.Tensor:
    """A tensor of numbers, as the class weights of a loss of torch's."""
    return torch.tensor(value, dtype=torch.float32)


register_type(
    torch.Tensor,
    serializer=torch.Tensor.tolist,
    deserializer=_tensor,
    type_check=isinstance,
)

#: What jsonargparse lets through where a configuration has not the form that it reckons with.
_STUMBLES = (AttributeError, IndexError, KeyError, TypeError, ValueError)


class ConfiguredModule:
    """Makes the module that a configuration describes, with new weights at each call.

    Args:
        config: ``class_path`` and ``init_args``.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self._make: Callable[[], Any] | None = None

    def __call__(self) -> pl.LightningModule:
        """Make the module.

        Raises:
            ValueError: If the class does not take these arguments.
        """
        if self._make is None:
            self._make = _maker(pl.LightningModule, "model", self.config)
        return self._make()  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the parser, which can't be sent to other processes."""
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
    """A factory of what is configured; it parses once, which takes a tenth of a second."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(kind, key, fail_untyped=False)
    try:
        parsed = parser.parse_object({key: config})
    except (ArgumentError, *_STUMBLES) as error:
        if not isinstance(error, ArgumentError) and not _stumbled(error):
            raise
        raise ValueError(
            f"Expected settings that the {key} takes, got:\n{with_hint(str(error), parser)}"
        ) from None
    refuse_functions(parsed)
    return lambda: parser.instantiate_classes(parsed)[key]


def patched(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A nested dictionary with values put in at dotted keys.

    Raises:
        ValueError: If a key starts with no part of it, or leads through what is no dictionary.

    >>> patched({"data": {"init_args": {"root": "a"}}}, {"data.init_args.root": "b"})
    {'data': {'init_args': {'root': 'b'}}}
    """
    nested = copy.deepcopy(dict(base))
    for key, value in changes.items():
        *path, last = key.split(".")
        place: Any = nested
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
    return nested


def _stumbled(error: Exception) -> bool:
    """Whether the parser raised an error, and no class or module that it looked at."""
    return "jsonargparse" in Path(traceback.extract_tb(error.__traceback__)[-1].filename).parts


class HintingParser(LightningArgumentParser):
    """A parser whose errors name the nearest option or class, and that calls classes alone."""

    #: Whether the Trainer's options are part of the help.
    trainer_shown = False

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, formatter_class=BriefFormatter, **settings)

    def format_help(self, *args: Any) -> str:
        """The help, the command's own options first, without a usage of a hundred options."""
        groups = list(self._action_groups)
        _, *within = self.prog.split()
        if within:  # the parser of a command, not that of a class
            self.usage = f"lossmeta {within[-1]} [--config FILE] [--OPTION VALUE ...]"
        self._action_groups = in_order(groups, self.trainer_shown)
        try:
            return super().format_help(*args)
        finally:
            self._action_groups = groups

    def parse_args(self, *args: Any, **settings: Any) -> Any:
        """Parse; what the parser itself stumbles over is the configuration's fault, too."""
        try:
            return super().parse_args(*args, **settings)
        except _STUMBLES as error:
            if not _stumbled(error):
                raise
            return self.error(f"Expected settings as --help tells, but the parser says: {error}")

    def instantiate_classes(self, cfg: Any, **settings: Any) -> Any:
        """Make what a configuration names, unless that is a function.

        Raises:
            ValueError: If a ``class_path`` names a function that may do anything.
        """
        refuse_functions(cfg)
        return super().instantiate_classes(cfg, **settings)

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
    if isinstance(error, OSError) and (trouble := machine_trouble(error)):
        return trouble
    if text.startswith(("Expected", "'")):
        return text
    # The parser wraps what a constructor says among what else it tried.
    complaints = re.findall(r"Expected (?:argument )?`.*", text)
    return "\n".join(dict.fromkeys(complaints)) or None
