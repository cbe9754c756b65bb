"""LightningModules with an injectable loss."""

from lightning_lossmeta.modules.population import PopulationModule
from lightning_lossmeta.modules.stacked_losses import StackedLosses
from lightning_lossmeta.modules.supervised import SupervisedModule

__all__ = ["PopulationModule", "StackedLosses", "SupervisedModule"]
