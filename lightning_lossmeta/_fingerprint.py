"""Objects as plain values that can be stored, compared and hashed."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from typing import Any

from torch import Tensor, nn

_PLAIN = (str, int, float, bool, type(None))
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def arguments(thing: object) -> dict[str, Any]:
    """An object's class and the constructor arguments that it keeps under their own names."""
    found: dict[str, Any] = {"class": type(thing).__qualname__}
    for name in _parameters(type(thing)):
        if hasattr(thing, name):
            found[name] = jsonable(getattr(thing, name))
    return found


def _parameters(kind: type) -> dict[str, None]:
    """Names of a constructor's arguments, with those that it hands on as ``**kwargs``."""
    found: dict[str, None] = {}
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        found |= dict.fromkeys(item.name for item in parameters if item.kind not in _VARIABLE)
        if all(item.kind is not inspect.Parameter.VAR_KEYWORD for item in parameters):
            break
    found.pop("self", None)
    return found


def jsonable(value: Any) -> Any:
    """Plain values; an object by its class and arguments, never by its address."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, nn.Module):
        return module(value)
    if callable(value):
        return without_addresses(repr(value))
    return arguments(value)


def module(value: nn.Module) -> dict[str, str]:
    """What a module prints, and a digest of its buffers."""
    digest = hashlib.sha256()
    for name, tensor in value.named_buffers():
        digest.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return {
        "class": type(value).__qualname__,
        "printed": without_addresses(repr(value)),
        "buffers": digest.hexdigest()[:16],
    }


def without_addresses(text: str) -> str:
    """A text without what differs from process to process."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def digest(value: Any) -> str:
    """A short name for plain values: equal values, equal names.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def changed_keys(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs, as ``key: old -> new``."""
    before, after = _flat(old), _flat(new)
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [f"{key}: {before.get(key)!r:.80} -> {after.get(key)!r:.80}" for key in keys]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= _flat(item, f"{prefix}.{key}" if prefix else str(key))
    return found
