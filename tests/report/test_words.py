"""What a report says of a loss, for losses of which it is known."""

import xml.etree.ElementTree as ElementTree

import pytest

from lightning_lossmeta import losses
from lightning_lossmeta.artifacts import find_loss
from lightning_lossmeta.artifacts.export_symbolic import to_mathml
from lightning_lossmeta.report.words import describe


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (losses.CrossEntropy(), "pulls every sample to its label, however sure"),
        (losses.CrossEntropy(), "as with cross-entropy"),
        (losses.CrossEntropy(), "gradient is 1 times"),
        # 0.9 + 0.1 / 10, where the smoothed labels are.
        (losses.LabelSmoothing(0.1), "until the network gives the label a probability of 0.91"),
        # 2 (1 - p): from 1.8 at a guess to 1.99.
        (losses.MeanAbsoluteError(), "costs 1.1 times what guessing does (cross-entropy: 2.3)"),
        (losses.MeanAbsoluteError(), "forgives wrong labels more"),
        (losses.RegressionSquaredError(), "Twice the error costs 4 times as much"),
        (losses.RegressionAbsoluteError(), "Twice the error costs 2 times as much"),
        (losses.RegressionSquaredError(), "least where the error is 0.00."),
        (losses.BinaryCrossEntropy(), "For yes it is least at a probability of 1.00, for no at 0."),
    ],
)
def test_it_says_what_is_known(loss, said):
    assert said in " ".join(describe(loss, 10))


def test_a_loss_that_can_not_be_learned_by():
    class Reversed(losses.LossFunction):
        def per_sample(self, output, target):
            return -losses.CrossEntropy().per_sample(output, target)

    said = " ".join(describe(Reversed(), 10))
    assert "nothing can be learned by it from scratch" in said
    assert "wants doubt" in said


def test_a_formula_is_mathml_of_many_short_lines():
    root = ElementTree.fromstring(to_mathml(find_loss("taylorglo-digits-mlp"), digits=4))
    assert root.tag == "math"
    lines = root.findall(".//mtr")
    assert len(lines) > 1
    one_line = ElementTree.fromstring(to_mathml(find_loss("mse")))
    assert not one_line.findall(".//mtr")
    assert [part.text for part in one_line.iter("mo")].count("-") == 1
