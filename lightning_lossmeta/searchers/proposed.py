"""Formulas that somebody proposes, a language model say, among those of genetic programming."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.expression.grammar import CONSTANTS, EPSILON, OPERATORS
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.families.expression.space import ExpressionSpace
from lightning_lossmeta.searchers.genetic import GeneticProgrammingSearcher
from lightning_lossmeta.searchers.proposers import (
    MAX_REPLY,
    FormulaList,
    ProposalRequest,
    Proposer,
    ProposerError,
)

if TYPE_CHECKING:
    from typing_extensions import Self

#: How many of the best formulas a proposer is told of.
SHOWN = 20

# What stands before a formula in a list: bullets and numbers; and quotes and commas about it.
_BEFORE = re.compile(r"^\s*(?:[-*]\s+|\d+[.)]\s+)?[`\"'\[\s]*")
_AFTER = re.compile(r"[`\"',;.\]\s]*$")


class ProposedExpressionSearcher(GeneticProgrammingSearcher):
    """Genetic programming, part of whose candidates somebody else proposes.

    Each generation a proposer is sent the grammar, ``task`` and the best formulas with their
    fitness, and asked for as many new ones as ``proposals`` says; they take the place of as many
    children. Replies are read by the parser of the grammar, never run. Where it finds no new
    formula in a reply, the proposer is asked once more, with what the parser said. A generation
    with fewer formulas than were asked for has more children. Every reply is stored with the run,
    and a search that is resumed asks for nothing that it has.

    Args:
        proposer: Who is asked.
        task: What the losses are for, in words.
        proposals: How many formulas are asked for a generation; all but the elite at the most.
        population: As for genetic programming.
        crossover: As for genetic programming.
        mutation: As for genetic programming.
        elitism: As for genetic programming.
        tournament: As for genetic programming.

    Raises:
        ValueError: If an argument is out of its range.
        ProposerError: In :meth:`ask`, if the proposer fails, or gives no formula twice; what was
            found before stays, and the search can be resumed.
    """

    def __init__(
        self,
        proposer: Proposer,
        task: str = "",
        proposals: int = 10,
        population: int = 20,
        crossover: float = 0.7,
        mutation: float = 0.25,
        elitism: float = 0.05,
        tournament: int = 4,
    ) -> None:
        super().__init__(population, crossover, mutation, elitism, tournament)
        if not isinstance(proposer, Proposer):
            raise ValueError(
                f"Expected argument `proposer` to be a Proposer, got {type(proposer).__name__}."
            )
        check_at_least(1, proposals=proposals)
        if proposals > population - self._elite_size:
            raise ValueError(
                f"Expected argument `proposals` to be at most {population - self._elite_size}, "
                f"since {self._elite_size} of {population} candidates are the elite, got "
                f"{proposals}."
            )
        self.proposer = proposer
        self.task = task
        self.proposals = proposals
        self._replies: list[list[str]] = []
        self._stored: deque[list[str]] = deque()

    @classmethod
    def example(cls) -> Self:
        """A short list of formulas, then genetic programming alone."""
        return cls(FormulaList.example(), proposals=2, population=6)

    def _start(self, space: ExpressionSpace, seed: int) -> None:
        super()._start(space, seed)
        self._replies = []

    def _ask(self) -> list[Candidate]:
        candidates = super()._ask()
        if self._stored:
            names = self._stored.popleft()[-self.proposals :]
            self._replies.append([])
        else:
            replies: list[str] = []
            names = self._proposed(replies)
            self._replies.append(replies)
        proposed = [_candidate(name) for name in names]
        return [*candidates[: len(candidates) - len(proposed)], *proposed]

    def _proposed(self, replies: list[str]) -> list[str]:
        """New formulas, as the grammar writes them; the replies are added to a list."""
        tried = frozenset(str(item.candidate.structure) for told in self.history for item in told)
        complaints: list[str] = []
        for _ in range(2):
            prompt = self._prompt(complaints)
            reply = self.proposer.propose(ProposalRequest(self.proposals, prompt, tried))
            if reply is None:
                return []
            if len(reply) > MAX_REPLY:
                raise ProposerError(
                    f"Expected {type(self.proposer).__name__} to reply with at most {MAX_REPLY} "
                    f"characters, got {len(reply)}."
                )
            replies.append(reply)
            found, complaints = read_reply(reply, self._space, tried)
            if found:
                return found[: self.proposals]
        raise ProposerError(
            f"Expected formulas of {type(self.proposer).__name__}, got none in two replies: "
            f"{complaints[0]}"
        )

    def _prompt(self, complaints: Sequence[str]) -> str:
        told = [item for generation in self.history for item in generation]
        scored = sorted(
            {(str(i.candidate.structure), i.fitness) for i in told if math.isfinite(i.fitness)},
            key=lambda pair: -pair[1],
        )
        operators = ", ".join(f"{name}/{item.arity}" for name, item in OPERATORS.items())
        terminals = ", ".join(["f", "y", *CONSTANTS, *(["t"] if self._space.progress else [])])
        parts = [
            "Propose formulas of loss functions for training neural networks. A formula is "
            "computed for each output of a network, with f the prediction and y its label, and "
            "averaged; training makes it small.",
            f"Grammar: prefix calls such as square(sub(f, y)). Operators with their number of "
            f"arguments: {operators}. aq(a, b) is a / sqrt(1 + b^2), log(a) is log(|a| + "
            f"{EPSILON:g}), sqrt(a) is sqrt(|a| + {EPSILON:g}). Terminals: {terminals}. No other "
            f"numbers. Each formula holds both f and y, and at most {self._space.max_nodes} nodes.",
            f"Task: {self.task or 'not described'}",
        ]
        if scored:
            lines = [f"{fitness:.4f}  {name}" for name, fitness in scored[:SHOWN]]
            parts.append(
                f"Tried so far: {len(told)}. The best with their fitness, of which more is "
                "better:\n" + "\n".join(lines)
            )
        if complaints:
            parts.append("Your last reply could not be used:\n" + "\n".join(complaints[:5]))
        parts.append(f"Reply with {self.proposals} new formulas, one a line, and nothing else.")
        return "\n\n".join(parts)

    def state_dict(self) -> dict[str, Any]:
        """The replies by generation, as they came."""
        return {"replies": [list(replies) for replies in self._replies[: self.generation]]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the replies of a stored search, after its history.

        Raises:
            ValueError: If there is not one list of texts a generation.
        """
        replies = state.get("replies") if isinstance(state, dict) else None
        if (
            not isinstance(replies, list)
            or len(replies) != self.generation
            or not all(isinstance(r, list) and all(isinstance(t, str) for t in r) for r in replies)
        ):
            raise ValueError(
                f"Expected the stored state of the searcher to hold the replies of "
                f"{self.generation} generations, got {str(state)[:80]}."
            )
        self._replies[: self.generation] = replies

    def replay(self, generations: Sequence[Sequence[Sequence[Any]]]) -> None:
        """Tell a stored history again, without asking the proposer."""
        try:
            self._stored = deque([str(row[0]) for row in rows] for rows in generations)
        except (LookupError, TypeError):
            self._stored = deque()  # said by the check of each generation
        try:
            super().replay(generations)
        finally:
            self._stored = deque()


def read_reply(
    reply: str, space: ExpressionSpace, tried: frozenset[str] = frozenset()
) -> tuple[list[str], list[str]]:
    r"""The new formulas of a reply, as the grammar writes them, and what is wrong with its lines.

    Args:
        reply: One formula a line, bare or in JSON, with or without bullets and quotes.
        space: What formulas are allowed.
        tried: Formulas that are not new.

    Returns:
        Formulas, each once; and one message a line that is none. There is at least one of either.

    >>> read_reply("Sure!\n1. `square(sub(f, y))`", ExpressionSpace())[0]
    ['square(sub(f, y))']
    """
    found: dict[str, None] = {}
    complaints = []
    for line in _lines(reply):
        text = _bare(line)
        if not text:
            continue
        try:
            name = str(parse_expression(text, space))
        except ValueError as error:
            complaints.append(f"{text[:80]}: {error}")
            continue
        if name in tried:
            complaints.append(f"{name[:80]}: was tried before.")
        else:
            found[name] = None
    if not found and not complaints:
        complaints.append("Expected one formula a line, got an empty reply.")
    return list(found), complaints


def _lines(reply: str) -> list[str]:
    """The lines of a reply, or the entries of one that is a list in JSON."""
    try:
        values = json.loads(reply)
    except (ValueError, RecursionError):
        return reply.splitlines()
    return [json.dumps(value) for value in values] if isinstance(values, list) else [reply]


def _bare(line: str) -> str:
    """A line without bullets, numbers, quotes and JSON about the formula."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        value = value.get("expression")
    if isinstance(value, str):
        return value.strip()
    return _AFTER.sub("", _BEFORE.sub("", line))


def _candidate(name: str) -> Candidate:
    """An expression as it is written, that is, with weights of one."""
    return Candidate(name, (1.0,) * (len(parse_expression(name)) - 1))
