"""Sparse label smoothing reads the target class alone."""

import math

import pytest
import torch

from lightning_lossmeta.losses import (
    Focal,
    FocalSparseLabelSmoothing,
    LabelSmoothing,
    SparseLabelSmoothing,
)


@pytest.mark.parametrize("loss", [SparseLabelSmoothing(), FocalSparseLabelSmoothing()])
def test_log_probabilities_of_other_classes_are_not_read(loss):
    log_h = torch.full((2, 4), math.nan)
    log_h[0, 3] = log_h[1, 0] = math.log(0.25)
    log_h.requires_grad_()
    target = torch.tensor([3, 0])
    value = loss.from_log_probabilities(log_h, target).mean()
    value.backward()
    torch.testing.assert_close(value.detach(), loss(torch.zeros(2, 4), target))
    assert log_h.grad.ne(0).nonzero().tolist() == [[0, 3], [1, 0]]


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_equals_label_smoothing_where_other_classes_are_alike(classes):
    logits = torch.zeros(1, classes, dtype=torch.float64)
    logits[0, 1] = 3.0
    target = torch.tensor([1])
    sparse = SparseLabelSmoothing(xi=0.2, eps=1e-12)(logits, target)
    torch.testing.assert_close(sparse, LabelSmoothing(xi=0.2)(logits, target))


def test_focus_without_smoothing_is_focal():
    logits = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 2, 0, 1])
    ours = FocalSparseLabelSmoothing(xi=0.0, gamma=1.3)(logits, target)
    torch.testing.assert_close(ours, Focal(gamma=1.3)(logits, target))
