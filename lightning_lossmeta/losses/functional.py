"""The hand-made losses as functions, each called like ``torch.nn.functional.cross_entropy``."""

from lightning_lossmeta.losses.active_negative import nce_and_nnce
from lightning_lossmeta.losses.active_passive import (
    nce_and_mae,
    nce_and_rce,
    normalized_cross_entropy,
)
from lightning_lossmeta.losses.asymmetric import (
    asymmetric_generalized_cross_entropy,
    asymmetric_unhinged,
    nce_and_agce,
)
from lightning_lossmeta.losses.bootstrap import bootstrap_hard, bootstrap_soft
from lightning_lossmeta.losses.cross_entropy import cross_entropy, label_smoothing
from lightning_lossmeta.losses.distance import mean_absolute_error, mean_squared_error
from lightning_lossmeta.losses.epsilon_softmax import ce_epsilon_and_mae
from lightning_lossmeta.losses.focal import focal, poly1
from lightning_lossmeta.losses.forward_correction import forward_correction
from lightning_lossmeta.losses.generalized import (
    generalized_cross_entropy,
    truncated_generalized_cross_entropy,
)
from lightning_lossmeta.losses.joint_asymmetric import nce_and_amse
from lightning_lossmeta.losses.logit_bias import logit_bias
from lightning_lossmeta.losses.searched import absolute_cross_entropy, baikal
from lightning_lossmeta.losses.sparse import focal_sparse_label_smoothing, sparse_label_smoothing
from lightning_lossmeta.losses.symmetric import symmetric_cross_entropy

__all__ = [
    "absolute_cross_entropy",
    "asymmetric_generalized_cross_entropy",
    "asymmetric_unhinged",
    "baikal",
    "bootstrap_hard",
    "bootstrap_soft",
    "ce_epsilon_and_mae",
    "cross_entropy",
    "focal",
    "focal_sparse_label_smoothing",
    "forward_correction",
    "generalized_cross_entropy",
    "label_smoothing",
    "logit_bias",
    "mean_absolute_error",
    "mean_squared_error",
    "nce_and_agce",
    "nce_and_amse",
    "nce_and_mae",
    "nce_and_nnce",
    "nce_and_rce",
    "normalized_cross_entropy",
    "poly1",
    "sparse_label_smoothing",
    "symmetric_cross_entropy",
    "truncated_generalized_cross_entropy",
]
