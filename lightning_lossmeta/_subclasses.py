"""The classes below a class, so that what is defined needs no registry beside it."""

from __future__ import annotations

from typing import Any


def all_subclasses(cls: type[Any]) -> list[type[Any]]:
    """Every class that is defined by now and derives from another, directly or not.

    Args:
        cls: The base, which is left out.

    Returns:
        Each class once: a class's children in the order of their definition, each followed by its
        own.

    >>> class Base: ...
    >>> class Child(Base): ...
    >>> class Grandchild(Child): ...
    >>> [cls.__name__ for cls in all_subclasses(Base)]
    ['Child', 'Grandchild']
    """
    below = [sub for child in cls.__subclasses__() for sub in (child, *all_subclasses(child))]
    return list(dict.fromkeys(below))
