"""Third-order TaylorGLO losses in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# The loss found for AllCNN-C on CIFAR-10. Its learning rule alone was published (equation 28);
# these parameters give the same gradients.
ALLCNNC_CIFAR10 = (0.0, 0.0, -373.917, -65.132, -3.7396, 0.336, -0.603, 1.110265)


class TaylorCoefficients(NamedTuple):
    """The learning rule of a TaylorGLO loss, a polynomial of h and y.

    For every class ::

        gamma = c1 + ch h + chh h^2 + chy h y + cy y + cyy y^2

    Source: Gonzalez & Miikkulainen (2021), equation 12.
    """

    c1: float
    ch: float
    chh: float
    chy: float
    cy: float
    cyy: float

    def gamma(self, h: float, y: float) -> float:
        """The coefficient of a class.

        Args:
            h: Its probability.
            y: Its target.
        """
        pure = self.c1 + self.ch * h + self.chh * h**2
        return pure + self.chy * h * y + self.cy * y + self.cyy * y**2


def taylor_coefficients(theta: Sequence[float]) -> TaylorCoefficients:
    """The learning rule of a third-order TaylorGLO loss.

    Args:
        theta: Its eight parameters l0..l7.

    Raises:
        ValueError: If there are not eight finite numbers.

    Source: Gonzalez & Miikkulainen (2021), section 3.

    >>> taylor_coefficients([0, 0, 0, -1, 0, 2, 0, 0])  # MSE: gamma = 2 (y - h)
    TaylorCoefficients(c1=0.0, ch=-2.0, chh=0.0, chy=0.0, cy=2.0, cyy=0.0)
    """
    if len(theta) != 8 or not all(math.isfinite(value) for value in theta):
        raise ValueError(f"Expected argument `theta` to be 8 finite numbers, got {list(theta)}.")
    l0, l1, l2, l3, l4, l5, l6, l7 = (float(value) for value in theta)
    return TaylorCoefficients(
        c1=l2 - 2 * l1 * l3 - l5 * l0 + 2 * l1 * l6 * l0 + l7 * l0**2 + 3 * l4 * l1**2,
        ch=2 * l3 - 2 * l6 * l0 - 6 * l1 * l4,
        chh=3 * l4,
        chy=2 * l6,
        cy=l5 - 2 * l1 * l6 - 2 * l7 * l0,
        cyy=l7,
    )


def taylor_parameters(
    coefficients: TaylorCoefficients, centres: tuple[float, float] = (0.0, 0.0)
) -> tuple[float, ...]:
    """The parameters of the loss with a learning rule, the inverse of :func:`taylor_coefficients`.

    Args:
        coefficients: The learning rule.
        centres: l0 and l1, of label and prediction: every rule can be written about any centre.

    Returns:
        l0..l7.

    >>> taylor_parameters(TaylorCoefficients(0.0, -2.0, 0.0, 0.0, 2.0, 0.0))
    (0.0, 0.0, 0.0, -1.0, 0.0, 2.0, 0.0, 0.0)
    """
    c1, ch, chh, chy, cy, cyy = coefficients
    l0, l1 = centres
    l4, l6, l7 = chh / 3, chy / 2, cyy
    l5 = cy + 2 * l1 * l6 + 2 * l7 * l0
    l3 = (ch + 2 * l6 * l0 + 6 * l1 * l4) / 2
    l2 = c1 + 2 * l1 * l3 + l5 * l0 - 2 * l1 * l6 * l0 - l7 * l0**2 - 3 * l4 * l1**2
    return (l0, l1, l2, l3, l4, l5, l6, l7)


def zero_error_rule(coefficients: TaylorCoefficients) -> tuple[float, float, float]:
    """The learning rule at zero training error, where h = y.

    There ``gamma = a + b y + c y^2``.

    Args:
        coefficients: The learning rule.

    Returns:
        ``(a, b, c)``.

    Source: Gonzalez & Miikkulainen (2021), section 4.1.
    """
    c1, ch, chh, chy, cy, cyy = coefficients
    return c1, ch + cy, chy + cyy + chh


def implicit_label_smoothing(
    theta: Sequence[float], alpha: float, num_classes: int
) -> tuple[float, ...]:
    """The TaylorGLO loss that trains on hard labels as another does on smoothed ones.

    Smoothed targets are 1 - alpha (n-1)/n and alpha/n. The result keeps the centres of ``theta``.

    Args:
        theta: l0..l7 of the loss that is used with smoothed targets.
        alpha: How much of the target is spread over all classes, 0 to 1.
        num_classes: n, at least 2.

    Returns:
        l0'..l7', a loss for hard labels and n classes with the same gradients.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Gonzalez & Miikkulainen (2021), appendix D.2.

    >>> implicit_label_smoothing([0, 0, 0, -1, 0, 2, 0, 0], alpha=0.5, num_classes=2)
    (0.0, 0.0, 0.5, -1.0, 0.0, 1.0, 0.0, 0.0)
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"Expected argument `alpha` to be a number from 0 to 1, got {alpha!r}.")
    if num_classes < 2:
        raise ValueError(f"Expected argument `num_classes` to be at least 2, got {num_classes}.")
    c1, ch, chh, chy, cy, cyy = taylor_coefficients(theta)
    low = alpha / num_classes
    high = 1 - alpha * (num_classes - 1) / num_classes
    smoothed = TaylorCoefficients(
        c1=c1 + cy * low + cyy * low**2,
        ch=ch + chy * low,
        chh=chh,
        chy=chy * (high - low),
        cy=cy * (high - low),
        cyy=cyy * (high**2 - low**2),
    )
    return taylor_parameters(smoothed, (float(theta[0]), float(theta[1])))
