"""LightningModules with an injectable loss, and methods that change how they are trained."""

from lightning_lossmeta.modules.active_negative import ActiveNegative
from lightning_lossmeta.modules.adversarial import AdversarialTraining
from lightning_lossmeta.modules.co_teaching import CoTeaching
from lightning_lossmeta.modules.early_learning import EarlyLearning
from lightning_lossmeta.modules.forward_corrected import ForwardCorrected
from lightning_lossmeta.modules.jocor import JoCoR
from lightning_lossmeta.modules.methods import TrainingMethod
from lightning_lossmeta.modules.population import PopulationModule
from lightning_lossmeta.modules.stacked_losses import StackedLosses
from lightning_lossmeta.modules.supervised import SupervisedModule

__all__ = [
    "ActiveNegative",
    "AdversarialTraining",
    "CoTeaching",
    "EarlyLearning",
    "ForwardCorrected",
    "JoCoR",
    "PopulationModule",
    "StackedLosses",
    "SupervisedModule",
    "TrainingMethod",
]
