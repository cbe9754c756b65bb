"""The nearest name to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    r"""A line that names the nearest of the known words; empty if none is near.

    >>> nearest("serach", ["search", "fit"])
    "\nDid you mean 'search'?"
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f"\nDid you mean '{near[0]}'?" if near else ""


def nearest_end(word: str, options: Iterable[str]) -> str:
    """The option whose last part is nearest: ``--steps`` is meant for ``--session.steps``."""
    by_end = {option.rpartition(".")[2]: option for option in sorted(options, reverse=True)}
    near = difflib.get_close_matches(word.rpartition(".")[2], by_end, n=1, cutoff=0.7)
    return f"\nDid you mean '{by_end[near[0]]}'?" if near else ""
