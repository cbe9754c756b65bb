"""What ``lossmeta attack`` is asked for beside what a comparison is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lightning_lossmeta.cli.compare.request import Settings
from lightning_lossmeta.comparison import AttackConfig


@dataclass
class AttackSettings(Settings):
    """What losses are attacked with; the rest is that of a comparison.

    Args:
        attack: ``fgsm``, ``pgd``, or ``fgsm,pgd``.
        epsilons: Largest changes of a raw pixel, as ``0,0.05,0.1``; 0 is accuracy on clean images.
        steps: Steps of PGD.
        restarts: Random starts of PGD, of which the worst counts.
        attacked: How many test images are attacked, the first; all by default.
        learning_rates: Learning-rate factors that are known, by name of the loss. Where there are
            none, those of the ``comparison.json`` in the run's folder count, and those of other
            losses are chosen as in a comparison.
    """

    attack: str | list[str] = "fgsm,pgd"
    epsilons: list[float] | str = "0,0.01,0.02,0.05,0.1,0.15,0.2"
    steps: int = 20
    restarts: int = 1
    attacked: int | None = None
    learning_rates: dict[str, float] = field(default_factory=dict)


def attack_of(settings: AttackSettings) -> AttackConfig:
    """The attack that was asked for.

    Raises:
        ValueError: If an attack or epsilon is none, or a number is out of its range.
    """
    return AttackConfig(
        tuple(_listed(settings.attack)),
        tuple(_number(item) for item in _listed(settings.epsilons)),
        settings.steps,
        settings.restarts,
        settings.attacked,
    )


def given_factors(settings: AttackSettings) -> dict[str, float]:
    """The learning-rate factors that the settings name, checked.

    Raises:
        ValueError: If one is not positive, or is for a loss that is not there.
    """
    for name, factor in settings.learning_rates.items():
        if name not in settings.losses:
            raise ValueError(
                f"Expected argument `learning_rates` to name some of {list(settings.losses)}, got "
                f"{name!r}."
            )
        if not 0 < factor < math.inf:
            raise ValueError(
                f"Expected argument `learning_rates` to hold positive numbers, got {factor} for "
                f"'{name}'."
            )
    return dict(settings.learning_rates)


def _listed(value: str | list[str] | list[float]) -> list[str]:
    items = value.split(",") if isinstance(value, str) else map(str, value)
    return [item.strip() for item in items if item.strip()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"Expected argument `epsilons` to hold numbers, as '0,0.05,0.1', got '{text}'."
        ) from None
