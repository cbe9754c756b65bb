"""What every loss gets from the base class."""

import pytest
import torch

from lightning_lossmeta.losses import LossFunction, soft_target


class Constant(LossFunction):
    """Returns its buffer, times the first logit."""

    def __init__(self, value=0.1, reduction="mean"):
        super().__init__(reduction)
        self.register_buffer("value", torch.tensor(value, dtype=torch.float64), persistent=False)
        self.seen = None

    def per_sample(self, output, target):
        self.seen = output.dtype
        return self.value.to(output.dtype) * output[:, 0]


class FromLogits(LossFunction):
    def per_sample(self, output, target):
        return torch.nn.functional.cross_entropy(output, target, reduction="none")


@pytest.mark.parametrize(("reduction", "expected"), [("mean", 0.2), ("sum", 0.6)])
def test_reduction(reduction, expected):
    value = Constant(reduction=reduction)(torch.full((3, 2), 2.0), torch.zeros(3).long())
    torch.testing.assert_close(value, torch.tensor(expected))


def test_no_reduction():
    value = Constant(reduction="none")(torch.full((3, 2), 2.0), torch.zeros(3).long())
    torch.testing.assert_close(value, torch.full((3,), 0.2))


def test_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match=r"`reduction` to be 'mean', 'sum' or 'none', got 'avg'"):
        Constant(reduction="avg")


def test_empty_batch_is_refused():
    with pytest.raises(ValueError, match=r"`output` to hold at least one sample.*\(0, 2\)"):
        Constant()(torch.zeros(0, 2), torch.zeros(0).long())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    loss = Constant()
    value = loss(torch.ones(2, 2, dtype=dtype), torch.zeros(2).long())
    assert loss.seen == value.dtype == torch.float32


def test_casts_leave_buffers_exact():
    loss = Constant(1 / 3)
    assert loss.half().double().bfloat16().value.item() == 1 / 3
    assert loss.to("meta").value.device.type == "meta"


def test_from_probabilities_of_a_loss_of_logits_is_its_value_on_the_simplex():
    h = torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64)
    value = FromLogits().from_probabilities(h, torch.tensor([1]))
    torch.testing.assert_close(value, -h[:, 1].log())


def test_soft_target_of_indices():
    expected = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]])
    torch.testing.assert_close(soft_target(torch.zeros(1, 3, 2), torch.tensor([[1, 0]])), expected)


def test_soft_target_takes_the_dtype_of_the_logits():
    target = soft_target(torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[0.5, 0.5]]))
    assert target.dtype == torch.float64


@pytest.mark.parametrize(
    "target", [torch.zeros(3).long(), torch.zeros(2, 4), torch.zeros(2, 3).long()]
)
def test_soft_target_refuses_shapes_that_do_not_fit(target):
    with pytest.raises(ValueError, match=r"Expected argument `target`.*\(2, 3\).*got"):
        soft_target(torch.zeros(2, 3), target)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_called_as_torchs_cross_entropy_by_keyword_and_with_one_sample(reduction):
    logits, target = torch.randn(4, 3), torch.tensor([0, 2, 1, -100])
    ours, torchs = FromLogits(reduction), torch.nn.CrossEntropyLoss(reduction=reduction)
    torch.testing.assert_close(
        ours(input=logits, target=target), torchs(input=logits, target=target)
    )
    one = ours(logits[0], target[0])
    torch.testing.assert_close(one, torchs(logits[0], target[0]))
    soft = logits[1].softmax(0)
    torch.testing.assert_close(ours(logits[0], soft), torchs(logits[0], soft))
