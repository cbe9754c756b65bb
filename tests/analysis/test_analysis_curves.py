import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_lossmeta.analysis import curves, right_class_curve, soft_label_map, wrong_class_curve
from lightning_lossmeta.families import TaylorLoss
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError

P = torch.tensor([0.01, 0.1, 0.5, 0.99], dtype=torch.float64)


def test_right_class_curve_of_cross_entropy_is_minus_log_p():
    torch.testing.assert_close(right_class_curve(CrossEntropy(), P, 7), -P.log())


def test_wrong_class_curve_of_cross_entropy_is_the_log_of_the_shared_rest():
    expected = -((1 - P) / 6).log()
    torch.testing.assert_close(wrong_class_curve(CrossEntropy(), P, 7), expected)


def test_two_classes_mirror_each_other():
    loss = TaylorLoss([0.3, 0.1, 1, -2, 0.5, 1, 0.2, -0.7])
    torch.testing.assert_close(wrong_class_curve(loss, P, 2), right_class_curve(loss, 1 - P, 2))


@settings(max_examples=30, deadline=None)
@given(
    theta=st.lists(st.floats(-3, 3), min_size=8, max_size=8),
    num_classes=st.integers(2, 1000),
)
def test_the_curves_meet_at_an_untrained_prediction(theta, num_classes):
    loss, untrained = TaylorLoss(theta), torch.tensor([1 / num_classes], dtype=torch.float64)
    right = right_class_curve(loss, untrained, num_classes)
    torch.testing.assert_close(wrong_class_curve(loss, untrained, num_classes), right)


def test_many_classes_are_done_in_parts(monkeypatch):
    whole = right_class_curve(MeanSquaredError(), P, 1000)
    monkeypatch.setattr(curves, "_ENTRIES_AT_ONCE", 1500)
    assert torch.equal(right_class_curve(MeanSquaredError(), P, 1000), whole)


def test_soft_label_map_agrees_with_torch():
    y = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    found = soft_label_map(CrossEntropy(), P, y, 5)
    assert found.shape == (3, 4)
    logits = torch.cat([P[:, None], ((1 - P) / 4)[:, None].expand(-1, 4)], dim=1).log()
    target = torch.tensor([[0.3, *[0.7 / 4] * 4]], dtype=torch.float64).expand(4, -1)
    torch.testing.assert_close(found[1], F.cross_entropy(logits, target, reduction="none"))
    torch.testing.assert_close(found[2], right_class_curve(CrossEntropy(), P, 5))


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, math.nan])
def test_confidences_at_or_beyond_the_ends_are_refused(p):
    with pytest.raises(ValueError, match="between 0 and 1"):
        right_class_curve(CrossEntropy(), torch.tensor([p]), 3)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="at least 2, got 1"):
        wrong_class_curve(CrossEntropy(), P, 1)


def test_labels_outside_their_interval_are_refused():
    with pytest.raises(ValueError, match=r"`label` to hold numbers from 0 to 1, got 0 to 1\.5"):
        soft_label_map(CrossEntropy(), P, torch.tensor([0.0, 1.5]), 3)
