"""Hand-made losses and the contract that all losses keep."""

from lightning_lossmeta.losses import functional
from lightning_lossmeta.losses.active_negative import NCEAndNNCE
from lightning_lossmeta.losses.active_passive import NCEAndMAE, NCEAndRCE, NormalizedCrossEntropy
from lightning_lossmeta.losses.asymmetric import (
    AsymmetricGeneralizedCrossEntropy,
    AsymmetricUnhinged,
    NCEAndAGCE,
)
from lightning_lossmeta.losses.base import ExactBuffers, LossFunction, Reduction
from lightning_lossmeta.losses.baselines import baseline_losses
from lightning_lossmeta.losses.binary import BinaryCrossEntropy
from lightning_lossmeta.losses.bootstrap import BootstrapHard, BootstrapSoft
from lightning_lossmeta.losses.classification import ClassificationLoss
from lightning_lossmeta.losses.cross_entropy import CrossEntropy, LabelSmoothing
from lightning_lossmeta.losses.distance import MeanAbsoluteError, MeanSquaredError
from lightning_lossmeta.losses.early_learning import EarlyLearningRegularization
from lightning_lossmeta.losses.elementwise import ElementwiseLoss
from lightning_lossmeta.losses.epsilon_softmax import CEEpsilonAndMAE
from lightning_lossmeta.losses.focal import Focal, Poly1
from lightning_lossmeta.losses.forward_correction import ForwardCorrection
from lightning_lossmeta.losses.generalized import (
    GeneralizedCrossEntropy,
    TruncatedGeneralizedCrossEntropy,
)
from lightning_lossmeta.losses.joint_asymmetric import NCEAndAMSE
from lightning_lossmeta.losses.links import Identity, Link, Sigmoid, Softmax, soft_target
from lightning_lossmeta.losses.logit_bias import LogitBias
from lightning_lossmeta.losses.progress_dependent import (
    ProgressDependentLoss,
    at_progress,
    depends_on_progress,
    set_progress,
)
from lightning_lossmeta.losses.regression import (
    RegressionAbsoluteError,
    RegressionHuber,
    RegressionLoss,
    RegressionSquaredError,
)
from lightning_lossmeta.losses.searched import AbsoluteCrossEntropy, Baikal
from lightning_lossmeta.losses.sparse import FocalSparseLabelSmoothing, SparseLabelSmoothing
from lightning_lossmeta.losses.symmetric import SymmetricCrossEntropy

__all__ = [
    "AbsoluteCrossEntropy",
    "AsymmetricGeneralizedCrossEntropy",
    "AsymmetricUnhinged",
    "Baikal",
    "BinaryCrossEntropy",
    "BootstrapHard",
    "BootstrapSoft",
    "CEEpsilonAndMAE",
    "ClassificationLoss",
    "CrossEntropy",
    "EarlyLearningRegularization",
    "ElementwiseLoss",
    "ExactBuffers",
    "Focal",
    "FocalSparseLabelSmoothing",
    "ForwardCorrection",
    "GeneralizedCrossEntropy",
    "Identity",
    "LabelSmoothing",
    "Link",
    "LogitBias",
    "LossFunction",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "NCEAndAGCE",
    "NCEAndAMSE",
    "NCEAndMAE",
    "NCEAndNNCE",
    "NCEAndRCE",
    "NormalizedCrossEntropy",
    "Poly1",
    "ProgressDependentLoss",
    "Reduction",
    "RegressionAbsoluteError",
    "RegressionHuber",
    "RegressionLoss",
    "RegressionSquaredError",
    "Sigmoid",
    "Softmax",
    "SparseLabelSmoothing",
    "SymmetricCrossEntropy",
    "TruncatedGeneralizedCrossEntropy",
    "at_progress",
    "baseline_losses",
    "depends_on_progress",
    "functional",
    "set_progress",
    "soft_target",
]
