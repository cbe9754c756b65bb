"""What losses look like: curves, figures and key figures."""

from lightning_lossmeta.analysis.attraction_history import attraction_history_figure
from lightning_lossmeta.analysis.curves import right_class_curve, soft_label_map, wrong_class_curve
from lightning_lossmeta.analysis.front_figure import front_figure
from lightning_lossmeta.analysis.loss_curves import loss_figure
from lightning_lossmeta.analysis.panels import attraction_figure, heatmap_figure
from lightning_lossmeta.analysis.rule_curves import gamma_figure
from lightning_lossmeta.analysis.style import check_picture, save_figure
from lightning_lossmeta.analysis.summary import LossSummary, loss_minimum, summarise
from lightning_lossmeta.analysis.timing_figure import timing_figure

__all__ = [
    "LossSummary",
    "attraction_figure",
    "attraction_history_figure",
    "check_picture",
    "front_figure",
    "gamma_figure",
    "heatmap_figure",
    "loss_figure",
    "loss_minimum",
    "right_class_curve",
    "save_figure",
    "soft_label_map",
    "summarise",
    "timing_figure",
    "wrong_class_curve",
]
