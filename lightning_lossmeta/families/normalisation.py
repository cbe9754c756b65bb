"""The affine map that brings a loss to a range."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.losses.checks import check_interval


@dataclass(frozen=True)
class Normalisation:
    """The affine map L -> scale * (L - offset), and what it was made for.

    Args:
        scale: eta / (Lmax - Lmin).
        offset: The least value of the loss, Lmin.
        eta: The width of the range that was asked for.
        num_classes: The class count of the simplex that was sampled.

    Raises:
        ValueError: If scale or eta is not positive, a number not finite, or ``num_classes`` < 2.

    >>> Normalisation(scale=2.0, offset=-0.1, eta=1.0, num_classes=10).formula("L")
    '2 * ( L + 0.1 )'
    """

    scale: float
    offset: float
    eta: float
    num_classes: int

    def __post_init__(self) -> None:
        check_interval("scale", self.scale, 0, math.inf, "()")
        check_interval("offset", self.offset, -math.inf, math.inf, "()")
        check_interval("eta", self.eta, 0, math.inf, "()")
        check_at_least(2, num_classes=self.num_classes)

    def formula(self, formula: str) -> str:
        """The formula of a loss under this map."""
        sign = "+" if self.offset < 0 else "-"
        return f"{self.scale:.4g} * ( {formula} {sign} {abs(self.offset):.4g} )"
