"""Bivariate Taylor polynomials of prediction and label, in the conventions of both papers."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_lossmeta.losses.base import Reduction
from lightning_lossmeta.losses.elementwise import ElementwiseLoss
from lightning_lossmeta.losses.links import LINKS, Link

if TYPE_CHECKING:
    from typing_extensions import Self

Term = tuple[int, int]


@dataclass(frozen=True)
class Convention:
    """How a paper writes its polynomial.

    Args:
        sign: The factor in front of the whole sum.
        factorials: Whether the term (i, j) is divided by i! j!.
        label_centre: Where in theta the label's centre is, 0 or 1; the prediction's is the other.
        mixed: The order of the terms with both variables, for the orders that the paper gives.
    """

    sign: float
    factorials: bool
    label_centre: int
    mixed: tuple[Term, ...]

    def terms(self, order: int) -> tuple[Term, ...]:
        """Powers (of the prediction, of the label) in the order of theta[2:].

        >>> CONVENTIONS["taylorglo"].terms(3)
        ((1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2))
        """
        pure = [(i, 0) for i in range(1, order + 1)]
        given = [term for term in self.mixed if sum(term) <= order]
        further = [
            (total - j, j)
            for total in range(2, order + 1)
            for j in range(1, total)
            if (total - j, j) not in given
        ]
        return (*pure, *given, *further)


CONVENTIONS = {
    "taylorglo": Convention(
        sign=-1.0, factorials=False, label_centre=0, mixed=((1, 1), (2, 1), (1, 2))
    ),
    "robust": Convention(
        sign=1.0,
        factorials=True,
        label_centre=1,
        mixed=((1, 1), (1, 2), (2, 1), (3, 1), (1, 3), (2, 2)),
    ),
}


class TaylorLoss(ElementwiseLoss):
    """A polynomial P of the prediction h and the label y, averaged over a sample's entries.

    With d = h - (prediction centre) and e = y - (label centre)::

        L = mean_k P(d_k, e_k)
        P(d, e) = sign * sum_ij theta_ij d^i e^j [/ (i! j!)],   i >= 1, i + j <= order

    Args:
        theta: The two centres, then one coefficient a term, in the convention's order.
        order: Total degree, at least 1.
        convention: ``"taylorglo"`` (Gonzalez & Miikkulainen) or ``"robust"`` (Gao et al., eq. 4).
        reduction: As in :class:`~lightning_lossmeta.losses.base.LossFunction`.
        link: As in :class:`~lightning_lossmeta.losses.elementwise.ElementwiseLoss`.

    Raises:
        ValueError: If ``theta`` has the wrong length or is not finite, or ``order`` < 1.

    >>> mse = TaylorLoss([0, 0, 0, -1, 0, 2, 0, 0])  # equal to MSE but for a constant
    >>> mse(torch.zeros(1, 2), torch.tensor([0]))
    tensor(-0.2500)
    >>> from lightning_lossmeta.losses import Identity
    >>> squared = TaylorLoss([0, 0, 0, -1, 0, 2, 0, 0], link=Identity())  # (f - y)^2 - y^2
    >>> squared(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(-6.5000)
    """

    theta: Tensor

    def __init__(
        self,
        theta: Sequence[float],
        order: int = 3,
        convention: str = "taylorglo",
        reduction: Reduction = "mean",
        link: Link | None = None,
    ) -> None:
        super().__init__(link, reduction)
        self.order = order
        self.convention = convention
        self.terms = taylor_terms(order, convention)
        if len(theta) != len(self.terms) + 2:
            raise ValueError(
                f"Expected argument `theta` to have {len(self.terms) + 2} entries for order "
                f"{order}, got {len(theta)}."
            )
        if not all(math.isfinite(value) for value in theta):
            raise ValueError(f"Expected argument `theta` to be finite, got {list(theta)}.")
        values = torch.tensor([float(value) for value in theta], dtype=torch.float64)
        self.register_buffer("theta", values, persistent=False)

    @classmethod
    def example(cls, link: Link | None = None) -> Self:
        """All terms of third order."""
        return cls((0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8), link=link)

    @classmethod
    def examples(cls) -> list[Self]:
        """One for each link."""
        return [cls.example(link) for link in LINKS]

    def values(self, prediction: Tensor, label: Tensor) -> Tensor:
        """Compute the polynomial entry by entry."""
        style = CONVENTIONS[self.convention]
        theta = self.theta.to(prediction.dtype)
        d = prediction - theta[1 - style.label_centre]
        e = label - theta[style.label_centre]
        return style.sign * self._horner(theta, d, e)

    def _horner(self, theta: Tensor, d: Tensor, e: Tensor) -> Tensor:
        """Evaluate by Horner's rule in d, whose coefficients come of Horner's rule in e."""
        total = self._coefficient(self.order, theta, e)
        for i in range(self.order - 1, 0, -1):
            total = total * d + self._coefficient(i, theta, e)
        return total * d

    def _coefficient(self, i: int, theta: Tensor, e: Tensor) -> Tensor:
        """Compute the polynomial in e that d^i is multiplied by."""
        factorials = CONVENTIONS[self.convention].factorials
        position = {term: index + 2 for index, term in enumerate(self.terms)}
        weights = [
            theta[position[i, j]] / (factorial((i, j)) if factorials else 1)
            for j in range(self.order - i, -1, -1)
        ]
        return functools.reduce(lambda total, weight: total * e + weight, weights)

    def extra_repr(self) -> str:
        """Show order, convention and link in ``print``."""
        own = f"order={self.order}, convention={self.convention!r}"
        return ", ".join(filter(None, (own, super().extra_repr())))


def taylor_terms(order: int, convention: str) -> tuple[Term, ...]:
    """Powers (of the prediction, of the label) in the order of theta[2:].

    Raises:
        ValueError: If the order is not from 1 to 20, or the convention is unknown.
    """
    if not isinstance(convention, str) or convention not in CONVENTIONS:
        raise ValueError(
            f"Expected argument `convention` to be one of {sorted(CONVENTIONS)}, "
            f"got {convention!r}."
        )
    if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= 20:
        raise ValueError(f"Expected argument `order` to be an integer from 1 to 20, got {order!r}.")
    return CONVENTIONS[convention].terms(order)


def factorial(term: Term) -> int:
    """The product i! j! of a term (i, j)."""
    return math.factorial(term[0]) * math.factorial(term[1])
