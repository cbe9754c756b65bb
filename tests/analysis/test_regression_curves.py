import matplotlib.colors
import numpy as np
import pytest
import torch

from lightning_lossmeta.analysis.regression_curves import error_curve, regression_figure
from lightning_lossmeta.families import ExpressionLoss
from lightning_lossmeta.losses import Identity, RegressionAbsoluteError, RegressionHuber

GREY = "#606060"


def _curves(figure):
    """By panel and legend entry the points drawn."""
    return [
        {line.get_label(): line.get_xydata() for line in axes.lines if line.get_label()[0] != "_"}
        for axes in figure.axes
    ]


def test_an_error_curve_is_the_loss_at_target_plus_error():
    clamped = ExpressionLoss("square(sub(f, min(max(y, -1), +1)))", [1] * 7, link=Identity())
    error = torch.linspace(-3, 3, 7)
    for target in (-2.0, 0.5, 4.0):
        expected = (target + error.double() - np.clip(target, -1, 1)) ** 2
        assert torch.allclose(error_curve(clamped, error, target), expected)


def test_each_loss_is_scaled_by_its_least_and_greatest_value_over_all_panels():
    losses = {"absolute": RegressionAbsoluteError(), "Huber": RegressionHuber()}
    panels = _curves(regression_figure(losses, targets=(-1.0, 2.0), reach=4.0))
    assert len(panels) == 2
    for curves in panels:
        assert list(curves) == ["absolute", "Huber", "squared error"]
        error = curves["absolute"][:, 0]
        assert (error[0], error[-1]) == (-4, 4)
        assert np.allclose(curves["absolute"][:, 1], np.abs(error) / 4)
        assert np.allclose(curves["squared error"][:, 1], error**2 / 16)


def test_a_loss_that_depends_on_the_target_differs_by_panel():
    shifted = ExpressionLoss("square(sub(f, mul(y, y)))", [1, 1, 1, 1, 1], link=Identity())
    left, middle, _ = _curves(regression_figure({"x": shifted}))
    assert not np.allclose(left["x"][:, 1], middle["x"][:, 1])
    both = np.concatenate(
        [panel["x"][:, 1] for panel in _curves(regression_figure({"x": shifted}))]
    )
    assert (both.min(), both.max()) == (0, 1)


def test_losses_that_are_constant_or_not_finite_are_drawn():
    losses = {
        "constant": ExpressionLoss("sub(sub(f, y), sub(f, y))", [1] * 6, link=Identity()),
        "huge": ExpressionLoss("square(mul(f, y))", [1e200, 1.0, 1.0], link=Identity()),
    }
    with np.errstate(all="raise"):
        (curves, *_) = _curves(regression_figure(losses))
    assert (curves["constant"][:, 1] == 0).all()
    assert not np.isinf(curves["huge"][:, 1]).any()


def test_squared_error_is_grey_and_drawn_once():
    from lightning_lossmeta.losses import RegressionSquaredError

    figure = regression_figure({"squared error": RegressionSquaredError()})
    (curves, *_) = _curves(figure)
    assert list(curves) == ["squared error"]
    line = next(x for x in figure.axes[0].lines if x.get_label() == "squared error")
    assert matplotlib.colors.same_color(line.get_color(), GREY)


@pytest.mark.parametrize(
    ("losses", "changes", "message"),
    [
        ({}, {}, "`losses` to name at least one"),
        ({"x": RegressionHuber()}, {"targets": ()}, r"got \[\] and 3"),
        ({"x": RegressionHuber()}, {"reach": 0.0}, "`reach` to be positive"),
    ],
)
def test_nothing_to_draw_is_refused(losses, changes, message):
    with pytest.raises(ValueError, match=message):
        regression_figure(losses, **changes)
