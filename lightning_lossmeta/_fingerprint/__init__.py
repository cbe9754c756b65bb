"""Objects as plain values that can be stored, compared and hashed: equal values, equal objects."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from torch import Tensor

# Each says what it knows of its types by registering it.
from lightning_lossmeta._fingerprint import modules, numbers, python
from lightning_lossmeta._fingerprint.arguments import describe_arguments
from lightning_lossmeta._fingerprint.data_modules import describe_data_module, setting_up
from lightning_lossmeta._fingerprint.walk import (
    MAX_CHARACTERS,
    FingerprintError,
    Walk,
    describe_value,
    digest,
)

__all__ = [
    "MAX_CHARACTERS",
    "FingerprintError",
    "Walk",
    "changed_keys",
    "describe_arguments",
    "describe_data_module",
    "describe_value",
    "digest",
    "fingerprint",
    "modules",
    "numbers",
    "python",
    "setting_up",
]


def fingerprint(value: Any, drawn: Collection[Tensor] = ()) -> Any:
    """An object as plain JSON values, equal for two objects if they are equal by value.

    * Tensors and arrays are given by type, shape and a digest of their bytes, wherever they lie.
    * A module is given by its class, its parameters (and whether they are frozen), buffers and
      sub-modules, its mode, its forward and backward hooks, and every plain attribute.
    * An optimiser is given by its class and the settings of its groups, with the names of their
      parameters where a module that has them was met before.
    * A data module is given by its attributes as they were before it was set up; one whose data lie
      in memory by these data, too, instead of where they were read.
    * Functions and classes are given by their name; lambdas, closures and what else no name leads
      to are refused. ``functools.partial`` is given by function and arguments.
    * Any other object is given by its class and by what it would hand to a copy of itself: its
      attributes, or what its ``__getstate__`` or ``__reduce__`` says. Cached properties derive from
      these and are left out.
    * A ``Path`` is given by where it leads. Sets and dictionaries have no order.

    What takes more than :data:`MAX_CHARACTERS` is shortened to a digest. The values are the same in
    every process, whatever its hash seed.

    Args:
        value: Anything; cycles are allowed.
        drawn: Parameters and buffers that a seed draws: given by type, shape and root mean square
            alone.

    Raises:
        FingerprintError: If something in it has no such value; names where it stands and says what
            to do.

    >>> from torch import nn
    >>> fingerprint(nn.HuberLoss(delta=1.0)) == fingerprint(nn.HuberLoss(delta=1.0))
    True
    >>> fingerprint(nn.HuberLoss(delta=1.0)) == fingerprint(nn.HuberLoss(delta=0.1))
    False
    >>> fingerprint({"betas": (0.9, 0.999), "optimizer": dict})
    {'betas': [0.9, 0.999], 'optimizer': {'name': 'builtins.dict'}}
    """
    try:
        return Walk({id(tensor) for tensor in drawn}).describe(value)
    except RecursionError:
        raise Walk().refusal("nested less deeply", type(value).__name__) from None


def changed_keys(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs between two fingerprints, as ``key: old -> new``; of another class, that alone.

    >>> changed_keys({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}, "c": None})
    ['a.b.1: 2 -> 3', 'c: absent -> None']
    >>> changed_keys({"a": {"class": "SGD", "lr": 0.1}}, {"a": {"class": "Adam", "lr": 0.001}})
    ["a.class: 'SGD' -> 'Adam'"]
    """
    return [f"{key}: {before:.80} -> {after:.80}" for key, before, after in _changes(old, new, "")]


_ABSENT = object()


def _changes(old: Any, new: Any, place: str) -> Iterator[tuple[str, str, str]]:
    """Yield the place, old value and new value of all that differs."""
    parts = [_parts(item) for item in (old, new)]
    if old == new:
        return
    if not all(parts):
        yield place, _text(old), _text(new)
        return
    before, after = parts
    if before.get("class") != after.get("class"):
        before, after = ({"class": part.get("class", _ABSENT)} for part in parts)
    for key in {**before, **after}:
        name = f"{place}.{key}" if place else str(key)
        yield from _changes(before.get(key, _ABSENT), after.get(key, _ABSENT), name)


def _text(value: Any) -> str:
    return "absent" if value is _ABSENT else repr(value)


def _parts(value: Any) -> dict[Any, Any]:
    if isinstance(value, dict):
        return value
    return dict(enumerate(value)) if isinstance(value, list) else {}
