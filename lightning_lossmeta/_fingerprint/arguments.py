"""What a fingerprint says of objects that change as they are used: what they were made with."""

from __future__ import annotations

import inspect
from typing import Any

from lightning_lossmeta._fingerprint.walk import Walk, class_name

_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def describe_arguments(value: Any, walk: Walk) -> dict[str, Any]:
    """An object by the arguments of its constructor, which it keeps under their names.

    Register it for classes whose other attributes change as their objects are used.

    Raises:
        FingerprintError: If an argument is not kept.
    """
    kind = type(value)
    described: dict[str, Any] = {"class": class_name(kind, walk)}
    for name in _names(kind):
        if not hasattr(value, name):
            raise walk.refusal(
                f"a {kind.__name__} that keeps its argument as `self.{name}`", "none"
            )
        described[name] = walk.at(name, getattr(value, name))
    return described


def _names(kind: type) -> list[str]:
    """The arguments of a constructor, with those that it hands on as ``**kwargs``."""
    names: dict[str, None] = {}
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        names |= dict.fromkeys(item.name for item in parameters if item.kind not in _VARIABLE)
        if all(item.kind is not inspect.Parameter.VAR_KEYWORD for item in parameters):
            break
    return list(names)
