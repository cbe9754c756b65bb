"""The walk through an object, and what it says of any object that no other file knows better."""

from __future__ import annotations

import copyreg
import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

#: Whatever takes more characters than this is given by its digest, so that states stay small.
MAX_CHARACTERS = 10_000

#: Values that stand for themselves.
_PLAIN = (str, int, bool, type(None))


class FingerprintError(ValueError):
    """Something has no value by which another process could know it again."""


def digest(value: Any) -> str:
    """A short name for plain values: equal values, equal names.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1})
    True
    """
    return hashlib.sha256(as_text(value).encode()).hexdigest()[:20]


def as_text(value: Any) -> str:
    """Plain values as JSON in which keys have one order."""
    return json.dumps(value, sort_keys=True)


class Walk:
    """One pass through an object: where it is, and what it met.

    Args:
        drawn: Ids of the tensors whose entries a seed draws.
    """

    def __init__(self, drawn: Iterable[int] = ()) -> None:
        self.drawn = frozenset(drawn)
        self._path: list[str] = []
        self._open: dict[int, int] = {}
        self._known: dict[int, tuple[Any, Any]] = {}
        self._parameters: dict[int, str] = {}

    def describe(self, value: Any) -> Any:
        """The values of an object; how far up it stands, amid a cycle.

        Raises:
            FingerprintError: If it has none.
        """
        if type(value) in _PLAIN:
            return value
        key = id(value)
        if key in self._parameters:
            return {"parameter": self._parameters[key]}
        if key in self._open:
            return {"levels up": len(self._open) - self._open[key]}
        if key not in self._known:
            self._open[key] = len(self._open)
            described = describe_value(value, self)
            del self._open[key]
            self._known[key] = (value, described)  # held, so that its id stays its own
        return self._known[key][1]

    def at(self, name: str, value: Any) -> Any:
        """The values of what stands under a name in the object that the walk is at."""
        self._path.append(name)
        described = self.describe(value)
        self._path.pop()
        return _shortened(described)

    def attributes(self, state: dict[Any, Any]) -> dict[str, Any]:
        """The values of attributes by name."""
        return {str(name): self.at(str(name), item) for name, item in state.items()}

    def parameter(self, name: str, value: Tensor | None) -> Any:
        """The values of a module's parameter, which has this name from now on."""
        described = self.at(name, value)
        self._parameters.setdefault(id(value), ".".join([*self._path, name]))
        return described

    def refusal(self, expected: str, got: str) -> FingerprintError:
        """An error about what the walk is at."""
        place = f"`{'.'.join(self._path)}`" if self._path else "this"
        return FingerprintError(
            f"Expected {place} to be {expected}, got {got}: another process could not tell whether "
            "it has the same."
        )


def _shortened(described: Any) -> Any:
    """Values of at most :data:`MAX_CHARACTERS`: the longest parts give way to their digests."""
    excess = len(as_text(described)) - MAX_CHARACTERS
    if excess <= 0:
        return described
    if isinstance(described, dict):
        lengths = {key: len(as_text(item)) for key, item in described.items()}
        short = dict(described)
        for key in sorted(lengths, key=lambda key: -lengths[key]):
            short[key] = {"digest": digest(described[key])}
            excess -= lengths[key] - len(as_text(short[key]))
            if excess <= 0:
                return short
    return {"digest": digest(described)}


@functools.singledispatch
def describe_value(value: Any, walk: Walk) -> Any:
    """The values of an object: its class and what it would hand to a copy of itself."""
    reduce: Callable[[Any], Any] | None = copyreg.dispatch_table.get(type(value))
    try:
        parts = reduce(value) if reduce else value.__reduce_ex__(2)
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise walk.refusal("made of plain values", f"{type(value).__name__} ({error})") from None
    if isinstance(parts, str):  # a global name
        home = getattr(value, "__module__", None) or type(value).__module__
        return {"name": f"{home}.{parts}"}
    make, arguments, state, items, entries = (*parts, None, None, None)[:5]
    described: dict[str, Any] = {"class": class_name(type(value), walk)}
    if make.__module__ == "copyreg":
        arguments = arguments[1:]  # after the class
    elif make is not type(value):
        described["made by"] = walk.at("made by", make)
    if arguments:
        described["arguments"] = walk.at("arguments", list(arguments))
    return {
        **described,
        **_state(value, state, walk),
        **({} if items is None else {"items": walk.at("items", list(items))}),
        **({} if entries is None else {"entries": walk.at("entries", list(entries))}),
    }


def _state(value: Any, state: Any, walk: Walk) -> dict[str, Any]:
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        state = {**(state[0] or {}), **state[1]}  # of an object with __slots__
    if isinstance(state, dict):
        return walk.attributes(_without_cached(value, state))
    return {} if state is None else {"state": walk.at("state", state)}


def own_state(value: Any) -> dict[str, Any]:
    """The attributes that an object says it is made of."""
    getstate = getattr(type(value), "__getstate__", None)
    custom = getstate is not getattr(object, "__getstate__", None)
    try:
        state = value.__getstate__() if custom else vars(value)
    except (RuntimeError, TypeError):  # a parametrized module refuses to be pickled
        state = vars(value)
    return _without_cached(value, state if isinstance(state, dict) else {"state": state})


def _without_cached(value: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Attributes without those that a cached property keeps."""
    return {
        name: item
        for name, item in state.items()
        if not isinstance(getattr(type(value), str(name), None), functools.cached_property)
    }


def class_name(kind: type, walk: Walk) -> str:
    """The name of a class.

    Raises:
        FingerprintError: If its methods use variables of a function around it: each call of that
            function makes another class of this name.
    """
    if "<locals>" in kind.__qualname__ and any(map(_has_closure, vars(kind).values())):
        raise walk.refusal(
            "of a class that is defined at the top level of a module", kind.__qualname__
        )
    return f"{kind.__module__}.{kind.__qualname__}"


def _has_closure(member: Any) -> bool:
    """Whether a method uses variables of a function around it; not counting what decorates it."""
    function = inspect.unwrap(member) if callable(member) else member
    code = getattr(function, "__code__", None)
    return bool(code and set(code.co_freevars) - {"__class__"})
