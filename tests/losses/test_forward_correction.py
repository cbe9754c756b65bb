"""The transition matrix of forward correction."""

import pytest
import torch

from lightning_lossmeta.losses import CrossEntropy, ForwardCorrection, functional


@pytest.mark.parametrize(
    ("transition", "message"),
    [
        (torch.eye(3)[:2], r"square matrix, got shape \(2, 3\)"),
        ([[0.5, 0.6], [0.5, 0.5]], r"each row summing to 1.*1 to 1\.1"),
        ([[1.5, -0.5], [0.5, 0.5]], r"probabilities.*from -0\.5"),
        ([[1.0, 0.0], [1.0, 0.0]], r"let every label occur, got columns of zeros: \[1\]"),
    ],
)
def test_what_is_no_transition_matrix_is_refused(transition, message):
    with pytest.raises(ValueError, match=message):
        ForwardCorrection(transition)


def test_matrix_of_another_number_of_classes():
    with pytest.raises(ValueError, match=r"`transition` to be 3 by 3.*got \(2, 2\)"):
        ForwardCorrection(torch.eye(2))(torch.zeros(1, 3), torch.tensor([0]))


def test_function_looks_at_values_only_if_asked():
    wrong, logits, target = torch.ones(2, 2), torch.zeros(1, 2), torch.tensor([0])
    assert functional.forward_correction(logits, target, wrong) == 0
    with pytest.raises(ValueError, match="rows summing to 2 to 2"):
        functional.forward_correction(logits, target, wrong, validate_args=True)


def test_no_noise_is_cross_entropy_also_where_probabilities_underflow():
    logits = torch.tensor([[0.0, -5e3, 5e3]], requires_grad=True)
    target = torch.tensor([1])
    value = ForwardCorrection(torch.eye(3))(logits, target)
    assert value == CrossEntropy()(logits, target) == 1e4
    value.backward()
    torch.testing.assert_close(logits.grad, torch.tensor([[0.0, -1.0, 1.0]]))


def test_soft_targets_of_segmentation():
    transition = torch.tensor([[0.8, 0.2], [0.3, 0.7]])
    logits = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    target = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(1)).softmax(1)
    noisy = torch.einsum("bi...,ij->bj...", logits.softmax(1), transition)
    expected = -(target * noisy.log()).sum(1).mean()
    torch.testing.assert_close(ForwardCorrection(transition)(logits, target), expected)
