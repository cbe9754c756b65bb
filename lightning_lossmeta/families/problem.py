"""The kinds of problem that losses are for, each with its link."""

from __future__ import annotations

from typing import Literal, TypeVar, get_args

from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.elementwise import ElementwiseLoss
from lightning_lossmeta.losses.links import LINKS, Link

Problem = Literal["classification", "binary", "regression"]

_LINKS: dict[str, Link] = {link.problem: link for link in LINKS}

#: All kinds of problem.
PROBLEMS: tuple[Problem, ...] = get_args(Problem)

Kind = TypeVar("Kind", bound=ElementwiseLoss)


def link_of(problem: str) -> Link:
    """The link for a kind of problem.

    Args:
        problem: ``"classification"``: classes that exclude each other, by a softmax;
            ``"binary"``: one logit or several independent ones, by a sigmoid; ``"regression"``.

    Raises:
        ValueError: If it is none of them.

    >>> link_of("binary")
    Sigmoid()
    """
    if not isinstance(problem, str) or problem not in _LINKS:
        raise ValueError(
            f"Expected argument `problem` to be one of {list(_LINKS)}, got {problem!r:.80}."
        )
    return _LINKS[problem]


def own_loss(loss: LossFunction, kind: type[Kind], link: Link) -> Kind:
    """Return a loss if it is of a family's class and for its kind of problem.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(loss, kind) or loss.link.problem != link.problem:
        raise ValueError(
            f"Expected {kind.__name__} for problem={link.problem!r}, got {type(loss).__name__} "
            f"for problem={loss.link.problem!r}."
        )
    return loss
