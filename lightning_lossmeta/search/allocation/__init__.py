"""How the trainings of a generation are spent on its candidates."""

from lightning_lossmeta.search.allocation.base import Allocation, Plan, Trial
from lightning_lossmeta.search.allocation.fixed import FixedSeeds
from lightning_lossmeta.search.allocation.raced import RacedSeeds

__all__ = ["Allocation", "FixedSeeds", "Plan", "RacedSeeds", "Trial"]
