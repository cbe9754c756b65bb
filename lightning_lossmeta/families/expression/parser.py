"""Expressions out of text that anyone may have written: a whitelist, and nothing is evaluated."""

from __future__ import annotations

import difflib
import re

from deap import gp

from lightning_lossmeta.families.expression.grammar import (
    ARITIES,
    OPERATORS,
    PROGRESS,
    VARIABLES,
    has_both_variables,
)
from lightning_lossmeta.families.expression.space import ExpressionSpace

MAX_CHARACTERS = 20_000
_TOKEN = re.compile(r"\s*([A-Za-z_]\w*|[+-]?[\w.]+|\S)")
_SHOWN = 40


def parse_expression(text: object, space: ExpressionSpace | None = None) -> gp.PrimitiveTree:
    """The tree that a prefix expression stands for; ``str(tree)`` writes it again.

    Args:
        text: E.g. ``"square(sub(f, y))"``, of the operators and terminals of the grammar.
        space: How large it may be, and whether it may hold t; by default the grammar's own limits,
            and t.

    Raises:
        ValueError: If it is no such expression, is too large, or lacks f or y.

    >>> str(parse_expression("square( sub(f,y) )"))
    'square(sub(f, y))'
    """
    if not isinstance(text, str):
        raise ValueError(
            "Expected argument `structure` to be an expression such as 'square(sub(f, y))', got "
            f"{text!r:.80}."
        )
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"Expected argument `structure` to have at most {MAX_CHARACTERS} characters, got "
            f"{len(text)}."
        )
    return _Parser(text, space or ExpressionSpace(progress=True)).tree()


class _Parser:
    """Reads from left to right; it calls itself no deeper than the space's largest height.

    Python's own ``ast.parse`` would not do: within any limit on brackets and length it still runs
    out of stack or memory, e.g. on ``"+1" * 9000`` and ``"f y " * 4000``.
    """

    def __init__(self, text: str, space: ExpressionSpace) -> None:
        self._space = space
        self._known = space.primitives.mapping
        self._tokens = [(match[1], match.start(1) + 1) for match in _TOKEN.finditer(text.rstrip())]
        self._read = 0
        self._nodes: list[gp.Primitive | gp.Terminal] = []

    def tree(self) -> gp.PrimitiveTree:
        """Read the whole text as one expression."""
        self._expression(())
        if self._read < len(self._tokens):
            token, at = self._tokens[self._read]
            raise ValueError(
                f"Expected the expression to end before character {at}, got {token[:_SHOWN]!r}."
            )
        tree = gp.PrimitiveTree(self._nodes)
        if not has_both_variables(tree):
            names = {node.name for node in tree}
            lacking = " and no ".join(name for name in VARIABLES if name not in names)
            raise ValueError(
                f"Expected argument `structure` to hold both f and y, got no {lacking}."
            )
        return tree

    def _peek(self, within: tuple[str, ...]) -> tuple[str, int]:
        """Return the next token, and the character where it starts, without taking it."""
        if self._read == len(self._tokens):
            after = f" within '{within[-1]}(...)'" if within else ""
            wanted = "an expression to go on" if self._tokens else "an expression"
            raise ValueError(f"Expected {wanted}, got the end of the text{after}.")
        return self._tokens[self._read]

    def _take(self, within: tuple[str, ...]) -> tuple[str, int]:
        """Return the next token and go on behind it."""
        token = self._peek(within)
        self._read += 1
        return token

    def _expression(self, within: tuple[str, ...]) -> None:
        """A terminal, or an operator with its arguments; ``within`` are the operators above it."""
        token, at = self._take(within)
        if token not in self._known:
            raise ValueError(_unknown(token, at, list(self._known)))
        if len(within) > self._space.max_height:
            raise ValueError(
                "Expected argument `structure` to have a height of at most "
                f"{self._space.max_height}, got more."
            )
        if len(self._nodes) == self._space.max_nodes:
            raise ValueError(
                "Expected argument `structure` to have at most "
                f"{self._space.max_nodes} nodes, got more."
            )
        self._nodes.append(self._known[token])
        if token in OPERATORS:
            self._arguments(token, within)

    def _arguments(self, name: str, within: tuple[str, ...]) -> None:
        """Read an operator's arguments: as many as it takes, in brackets."""
        token, at = self._take(within)
        if token != "(":
            raise ValueError(_arity(name, f"{token[:_SHOWN]!r}", at))
        within = (*within, name)
        token, at = self._peek(within)
        if token == ")":
            raise ValueError(_arity(name, "none", at))
        for count in range(1, ARITIES[name] + 1):
            self._expression(within)
            token, at = self._take(within)
            if token == (")" if count == ARITIES[name] else ","):
                continue
            if token in (")", ","):
                raise ValueError(_arity(name, str(count) if token == ")" else "more", at))
            raise ValueError(
                f"Expected a comma or a closing bracket at character {at}, got {token[:_SHOWN]!r}."
            )


def _arity(name: str, got: str, at: int) -> str:
    plural = "s" if ARITIES[name] > 1 else ""
    return (
        f"Expected operator '{name}' to have {ARITIES[name]} argument{plural} in brackets, got "
        f"{got} at character {at}."
    )


def _unknown(token: str, at: int, known: list[str]) -> str:
    shown = token[:_SHOWN]
    near = difflib.get_close_matches(shown.lower(), known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    if token == PROGRESS:
        hint = " A loss of the training's progress t needs ExpressionFamily(progress=True)."
    return f"Expected one of {', '.join(known)} at character {at}, got {shown!r}.{hint}"
