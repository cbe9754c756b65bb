"""What losses look like: curves and figures."""

from lightning_lossmeta.analysis.curves import right_class_curve, soft_label_map, wrong_class_curve
from lightning_lossmeta.analysis.loss_curves import loss_figure
from lightning_lossmeta.analysis.style import save_figure

__all__ = [
    "loss_figure",
    "right_class_curve",
    "save_figure",
    "soft_label_map",
    "wrong_class_curve",
]
