import numpy as np
import pytest
import torch

from lightning_lossmeta.analysis.binary_curves import binary_figure, probability_curve
from lightning_lossmeta.families import ExpressionLoss
from lightning_lossmeta.losses import BinaryCrossEntropy, Sigmoid


def test_a_curve_is_the_formula_of_the_probability():
    squared = ExpressionLoss("square(sub(f, y))", [1, 1, 1], link=Sigmoid())
    h = torch.tensor([1e-6, 0.25, 0.5, 0.9], dtype=torch.float64)
    for label in (0.0, 0.3, 1.0):
        torch.testing.assert_close(probability_curve(squared, h, label), (h - label) ** 2)
        expected = -(label * h.log() + (1 - label) * (1 - h).log())
        torch.testing.assert_close(probability_curve(BinaryCrossEntropy(), h, label), expected)


def test_losses_are_drawn_beside_cross_entropy_for_both_labels():
    squared = ExpressionLoss("square(sub(f, y))", [1, 1, 1], link=Sigmoid())
    yes, no = binary_figure({"squared": squared}).axes
    for axes, label in ((yes, 1.0), (no, 0.0)):
        lines = {line.get_label(): line.get_xydata() for line in axes.lines}
        assert list(lines) == ["squared", "binary cross-entropy"]
        h, drawn = lines["squared"].T
        assert np.allclose(drawn, ((h - label) ** 2 - 0.01**2) / (0.99**2 - 0.01**2))


def test_nothing_is_not_drawn():
    with pytest.raises(ValueError, match="at least one loss"):
        binary_figure({})
