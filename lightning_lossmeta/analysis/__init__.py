"""What losses look like: curves, figures and key figures."""

from lightning_lossmeta.analysis.attraction_history import attraction_history_figure
from lightning_lossmeta.analysis.curves import right_class_curve, soft_label_map, wrong_class_curve
from lightning_lossmeta.analysis.directions import Flatness, filter_normalised_direction, flatness
from lightning_lossmeta.analysis.front_figure import front_figure
from lightning_lossmeta.analysis.landscape import Landscape, loss_landscape
from lightning_lossmeta.analysis.landscape_figure import landscape_figure, plane_figure
from lightning_lossmeta.analysis.loss_curves import loss_figure
from lightning_lossmeta.analysis.panels import attraction_figure, heatmap_figure
from lightning_lossmeta.analysis.rule_curves import gamma_figure
from lightning_lossmeta.analysis.style import check_picture, save_figure
from lightning_lossmeta.analysis.summary import LossSummary, loss_minimum, summarise
from lightning_lossmeta.analysis.timing_figure import timing_figure

__all__ = [
    "Flatness",
    "Landscape",
    "LossSummary",
    "attraction_figure",
    "attraction_history_figure",
    "check_picture",
    "filter_normalised_direction",
    "flatness",
    "front_figure",
    "gamma_figure",
    "heatmap_figure",
    "landscape_figure",
    "loss_figure",
    "loss_landscape",
    "loss_minimum",
    "plane_figure",
    "right_class_curve",
    "save_figure",
    "soft_label_map",
    "summarise",
    "timing_figure",
    "wrong_class_curve",
]
