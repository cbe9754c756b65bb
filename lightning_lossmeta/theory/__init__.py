"""What a loss does to a network, in numbers."""

from lightning_lossmeta.theory.learning_rule import learning_rule
from lightning_lossmeta.theory.trainability import null_epoch_rule, trainable

__all__ = ["learning_rule", "null_epoch_rule", "trainable"]
