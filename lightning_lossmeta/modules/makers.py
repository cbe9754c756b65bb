"""What makes an optimiser or a schedule, checked before anything of it is called."""

from __future__ import annotations

import inspect
from functools import partial
from types import FunctionType, MethodType
from typing import Any


def check_maker(maker: Any, products: tuple[type, ...], name: str) -> None:
    """Refuse what can make none of the products.

    Taken are subclasses of them, ``functools.partial`` of these, and functions written in Python,
    whose result :func:`check_made` looks at.

    Args:
        maker: The class, partial or function to check.
        products: The classes, one of which it is to make.
        name: Name of the argument, for the message.

    Raises:
        ValueError: If ``maker`` is none of these, or a class of another kind.

    >>> import os
    >>> check_maker(partial(os.system, "ls"), (int,), "optimizer")
    Traceback (most recent call last):
    ValueError: Expected argument `optimizer` to be a subclass of int, or a partial of one, got ...
    """
    target = maker
    while isinstance(target, partial):
        # The command line's parser makes partials of an instantiator, with the class as argument.
        classes = [value for value in target.args if inspect.isclass(value)]
        target = classes[0] if classes else target.func
    makes = inspect.isclass(target) and issubclass(target, products)
    if not makes and (target is not maker or not isinstance(target, (FunctionType, MethodType))):
        raise ValueError(
            f"Expected argument `{name}` to be a subclass of "
            f"{' or '.join(product.__name__ for product in products)}, or a partial of one, got "
            f"{maker!r:.200}."
        )


def check_made(result: Any, products: tuple[type, ...], name: str) -> None:
    """Refuse what a function made if it is none of the products.

    Args:
        result: What the function returned.
        products: The classes, one of which the result is to be of.
        name: Name of the argument that is the function, for the message.

    Raises:
        ValueError: If the result is of none of the classes.
    """
    if not isinstance(result, products):
        raise ValueError(
            f"Expected argument `{name}` to make a "
            f"{' or '.join(product.__name__ for product in products)}, got {result!r:.200}."
        )
