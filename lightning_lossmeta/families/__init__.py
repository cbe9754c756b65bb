"""What can be learned: families of loss functions."""

from lightning_lossmeta.families.base import FrozenCandidate, LossFamily
from lightning_lossmeta.families.expression.family import ExpressionFamily
from lightning_lossmeta.families.expression.loss import ExpressionLoss
from lightning_lossmeta.families.expression.space import ExpressionSpace
from lightning_lossmeta.families.hand_made import HandMadeFamily
from lightning_lossmeta.families.meta_loss import (
    FixedMetaLossNetwork,
    FreeMetaLossNetwork,
    MetaLossNetwork,
)
from lightning_lossmeta.families.meta_loss_network import MetaLossNetworkFamily
from lightning_lossmeta.families.network import NetworkFamily, NetworkSpace
from lightning_lossmeta.families.network_loss import NetworkLoss
from lightning_lossmeta.families.normalisation import Normalisation
from lightning_lossmeta.families.normalised import NormalisedFamily, NormalisedLoss
from lightning_lossmeta.families.power import PowerFamily
from lightning_lossmeta.families.power_loss import PowerLoss
from lightning_lossmeta.families.skeleton import Skeleton
from lightning_lossmeta.families.spaces import FiniteSpace, Space, VectorSpace
from lightning_lossmeta.families.taylor import TaylorFamily
from lightning_lossmeta.families.taylor_loss import TaylorLoss

__all__ = [
    "ExpressionFamily",
    "ExpressionLoss",
    "ExpressionSpace",
    "FiniteSpace",
    "FixedMetaLossNetwork",
    "FreeMetaLossNetwork",
    "FrozenCandidate",
    "HandMadeFamily",
    "LossFamily",
    "MetaLossNetwork",
    "MetaLossNetworkFamily",
    "NetworkFamily",
    "NetworkLoss",
    "NetworkSpace",
    "Normalisation",
    "NormalisedFamily",
    "NormalisedLoss",
    "PowerFamily",
    "PowerLoss",
    "Skeleton",
    "Space",
    "TaylorFamily",
    "TaylorLoss",
    "VectorSpace",
]
