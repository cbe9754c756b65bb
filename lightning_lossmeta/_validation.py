"""Checks of arguments that several constructors make."""

from __future__ import annotations


def check_at_least(least: int, **arguments: int) -> None:
    """Refuse what is no integer, or too small a one.

    Args:
        least: The smallest that is allowed.
        **arguments: The arguments by name.

    Raises:
        ValueError: Names the argument, what was expected and what came.

    >>> check_at_least(1, steps=0)
    Traceback (most recent call last):
    ValueError: Expected argument `steps` to be an integer of at least 1, got 0.
    """
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(
                f"Expected argument `{name}` to be an integer of at least {least}, got {value!r}."
            )
