"""Normalisation of every candidate (Gao et al., eq. 5)."""

from __future__ import annotations

from lightning_lossmeta.callbacks.base import MetaCallback
from lightning_lossmeta.families import LossFamily, NormalisedFamily
from lightning_lossmeta.families.normalised import check_range


class LossNormalisation(MetaCallback):
    """Brings every candidate to a range of ``eta``: L' = eta (L - Lmin) / (Lmax - Lmin).

    The constants are stored with the learned loss.

    Args:
        eta: Width of the range.
        samples: Random points of the simplex a concentration, beside the regular ones.

    Raises:
        ValueError: If ``eta`` is not positive or ``samples`` is negative.
    """

    def __init__(self, eta: float = 1.0, samples: int = 500) -> None:
        check_range(eta, samples)
        self.eta = eta
        self.samples = samples

    def wrap_family(self, family: LossFamily, num_classes: int | None) -> LossFamily:
        """The family with normalised losses.

        Raises:
            ValueError: If the task is no classification.
        """
        if num_classes is None:
            raise ValueError(
                "Expected a classification task for LossNormalisation, whose range is taken over "
                "class probabilities; got targets that are no class indices."
            )
        return NormalisedFamily(family, num_classes, self.eta, self.samples)
