"""A loss is one class: trained with, compared, and searched beside, without any other change."""

import torch
from toys import make_task

from lightning_lossmeta import CrossEntropy, LossFunction, PopulationEvaluator
from lightning_lossmeta.comparison import ComparisonConfig, compare_losses


class Hinge(LossFunction):
    """The multi-class hinge loss of Crammer and Singer, max(0, 1 + max_k!=y z_k - z_y)."""

    def per_sample(self, output, target):
        own = torch.nn.functional.one_hot(target, output.shape[1]).bool()
        rival = output.masked_fill(own, -torch.inf).amax(dim=1)
        return (1 + rival - output[own]).clamp_min(0)


def test_it_equals_the_one_of_torch():
    logits = torch.randn(20, 5, dtype=torch.float64)
    target = torch.arange(20) % 5
    expected = torch.stack(
        [
            torch.clamp(1 + max(z for k, z in enumerate(row) if k != y) - row[y], min=0)
            for row, y in zip(logits, target.tolist(), strict=True)
        ]
    )
    torch.testing.assert_close(Hinge(reduction="none")(logits, target), expected)


def test_it_is_compared_with_others():
    rows = compare_losses(
        {"hinge": Hinge(), "CE": CrossEntropy()},
        make_task(steps=40),
        PopulationEvaluator(),
        ComparisonConfig(seeds=2, tuning_seeds=1, learning_rate_factors=(0.3, 1.0)),
    )
    assert [row.name for row in rows] == ["hinge", "CE"]
    assert rows[0].mean > 0.6
