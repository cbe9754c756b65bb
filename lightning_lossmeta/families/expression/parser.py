"""Expressions out of text that anyone may have written: a whitelist, and nothing is evaluated."""

from __future__ import annotations

import difflib
import re

from deap import gp

from lightning_lossmeta.families.expression.grammar import (
    ARITIES,
    OPERATORS,
    TIME,
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
    parser = _Parser(space or ExpressionSpace(progress=True))
    for match in _TOKEN.finditer(text.rstrip()):
        parser.take(match[1], match.start(1) + 1)
    return parser.tree()


class _Parser:
    """Reads token after token; the brackets that are open are a list, not a call stack."""

    def __init__(self, space: ExpressionSpace) -> None:
        self._space = space
        self._known = space.primitives.mapping
        self._nodes: list[gp.Primitive | gp.Terminal] = []
        self._open: list[tuple[str, int]] = []  # operators and how many arguments were read
        self._take = self._argument

    def take(self, token: str, at: int) -> None:
        """Read a token that starts at character ``at``."""
        self._take(token, at)

    def tree(self) -> gp.PrimitiveTree:
        """What was read."""
        if not self._nodes or self._take == self._bracket or self._open:
            after = f" within '{self._open[-1][0]}(...)'" if self._open else ""
            wanted = "an expression to go on" if self._nodes else "an expression"
            raise ValueError(f"Expected {wanted}, got the end of the text{after}.")
        tree = gp.PrimitiveTree(self._nodes)
        if not has_both_variables(tree):
            names = {node.name for node in tree}
            lacking = " and no ".join(name for name in VARIABLES if name not in names)
            raise ValueError(
                f"Expected argument `structure` to hold both f and y, got no {lacking}."
            )
        return tree

    def _argument(self, token: str, at: int) -> None:
        """An operator or a terminal."""
        if token == ")" and self._open and self._open[-1][1] == 0:
            raise ValueError(_arity(self._open[-1][0], "none", at))
        if token not in self._known:
            raise ValueError(_unknown(token, at, list(self._known)))
        if len(self._open) > self._space.max_height:
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
            self._take = self._bracket
        else:
            self._close_argument()

    def _bracket(self, token: str, at: int) -> None:
        """The opening bracket after an operator."""
        name = self._nodes[-1].name
        if token != "(":
            raise ValueError(_arity(name, f"{token[:_SHOWN]!r}", at))
        self._open.append((name, 0))
        self._take = self._argument

    def _separator(self, token: str, at: int) -> None:
        """A comma or a closing bracket after an argument."""
        name, count = self._open[-1]
        arity = ARITIES[name]
        if token == ")" and count == arity:
            self._open.pop()
            self._close_argument()
        elif token == "," and count < arity:
            self._take = self._argument
        elif token in "),":
            raise ValueError(_arity(name, str(count) if token == ")" else "more", at))
        else:
            raise ValueError(
                f"Expected a comma or a closing bracket at character {at}, got {token[:_SHOWN]!r}."
            )

    def _end(self, token: str, at: int) -> None:
        """Nothing may follow."""
        raise ValueError(
            f"Expected the expression to end before character {at}, got {token[:_SHOWN]!r}."
        )

    def _close_argument(self) -> None:
        """An argument, or the whole expression, was read."""
        if not self._open:
            self._take = self._end
            return
        name, count = self._open[-1]
        self._open[-1] = (name, count + 1)
        self._take = self._separator


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
    if token == TIME:
        hint = " A loss of the training's progress t needs ExpressionFamily(progress=True)."
    return f"Expected one of {', '.join(known)} at character {at}, got {shown!r}.{hint}"
