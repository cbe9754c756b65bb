"""What a fingerprint says of Python's own types."""

from __future__ import annotations

import functools
import hashlib
import math
import sys
from pathlib import PurePath
from types import FunctionType, MethodType, ModuleType
from typing import Any

from lightning_lossmeta._fingerprint.walk import Walk, as_text, class_name, describe_value

_describe_object = describe_value.dispatch(object)


@describe_value.register
def _float(value: float, walk: Walk) -> Any:
    if type(value) is not float:
        return _describe_object(value, walk)
    return value if math.isfinite(value) else {"float": repr(value)}  # JSON has none


@describe_value.register(list)
@describe_value.register(tuple)
def _sequence(value: Any, walk: Walk) -> Any:
    if type(value) not in (list, tuple):  # e.g. a named tuple
        return _describe_object(value, walk)
    return [walk.at(str(index), item) for index, item in enumerate(value)]


@describe_value.register(set)
@describe_value.register(frozenset)
def _set(value: Any, walk: Walk) -> Any:
    return {type(value).__name__: sorted((walk.at("member", item) for item in value), key=as_text)}


@describe_value.register
def _dictionary(value: dict, walk: Walk) -> Any:  # type: ignore[type-arg]
    if type(value) is not dict:
        return _describe_object(value, walk)
    return {_key(key, walk): walk.at(str(key), item) for key, item in value.items()}


def _key(key: Any, walk: Walk) -> str:
    if type(key) is str:
        return key
    return f"{type(key).__name__} {as_text(walk.at('key', key))}"


@describe_value.register(bytes)
@describe_value.register(bytearray)
def _bytes(value: Any, walk: Walk) -> Any:
    return {type(value).__name__: hashlib.sha256(value).hexdigest()[:20]}


@describe_value.register
def _path(value: PurePath, walk: Walk) -> Any:
    return {"path": str(getattr(value, "resolve", lambda: value)())}


@describe_value.register
def _module(value: ModuleType, walk: Walk) -> Any:
    return {"name": value.__name__}


@describe_value.register
def _class(value: type, walk: Walk) -> Any:
    return {"name": class_name(value, walk)}


@describe_value.register
def _partial(value: functools.partial, walk: Walk) -> Any:  # type: ignore[type-arg]
    return {
        "partial": walk.at("func", value.func),
        "arguments": walk.at("arguments", list(value.args)),
        **walk.attributes(value.keywords),
    }


@describe_value.register
def _method(value: MethodType, walk: Walk) -> Any:
    return {"method": value.__func__.__qualname__, "of": walk.at("of", value.__self__)}


@describe_value.register
def _function(value: FunctionType, walk: Walk) -> Any:
    """Describe a function by its name, if that leads to it; that of a lambda doesn't."""
    owner: Any = sys.modules.get(value.__module__)
    for part in value.__qualname__.split("."):
        owner = getattr(owner, part, None)
    if owner is not value:
        raise walk.refusal(
            "a function that its name leads to (define it at the top level of a module, and give "
            "arguments by functools.partial)",
            f"{value.__module__}.{value.__qualname__}",
        )
    return {"name": f"{value.__module__}.{value.__qualname__}"}
