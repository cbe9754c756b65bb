"""Searches on one logit, on several that do not exclude each other, and on one a pixel."""

import pytest
import pytorch_lightning as pl
import torch
from small_search import small_search
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import BinaryAccuracy

from lightning_lossmeta import (
    CMAESSearcher,
    ExpressionFamily,
    GeneticProgrammingSearcher,
    NetworkFamily,
    PopulationEvaluator,
    SupervisedModule,
    TaylorFamily,
    TrainerEvaluator,
)
from lightning_lossmeta.callbacks import GradientEquivalence, RejectionFilter
from lightning_lossmeta.comparison import ComparisonConfig


class YesOrNo(pl.LightningDataModule):
    """Linear questions about six numbers; labels of a shape and type."""

    def __init__(self, questions=1, kind=torch.float32, squeezed=False):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(400, 6, generator=generator)
        labels = (inputs @ torch.randn(6, questions, generator=generator) > 0).to(kind)
        self.rows = TensorDataset(inputs, labels.squeeze(1) if squeezed else labels)

    def _loader(self, start, stop):
        return DataLoader([self.rows[i] for i in range(start, stop)], 50, shuffle=start == 0)

    def train_dataloader(self):
        return self._loader(0, 300)

    def val_dataloader(self):
        return self._loader(300, 350)

    def test_dataloader(self):
        return self._loader(350, 400)


class Own(pl.LightningModule):
    """As somebody would write it who does not know this package."""

    def __init__(self, outputs=1):
        super().__init__()
        self.network = nn.Linear(6, outputs)
        self.loss_fn = nn.BCEWithLogitsLoss()

    def training_step(self, batch, batch_idx):
        return self.loss_fn(self.network(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        right = (self.network(batch[0]) > 0) == (batch[1].view(len(batch[1]), -1) > 0.5)
        self.log("val_accuracy", right.float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.5)


class Flat(nn.Module):
    """Outputs of the shape of the targets that a metric takes."""

    def __init__(self, outputs, *end):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, outputs), *end)

    def forward(self, inputs):
        return self.layers(inputs)


def _module(outputs, *end):
    optimizer = lambda parameters: torch.optim.SGD(parameters, lr=0.5)  # noqa: E731
    return SupervisedModule(Flat(outputs, *end), optimizer=optimizer, metric=BinaryAccuracy())


CASES = {
    "one logit": (lambda: _module(1), YesOrNo()),
    "integers": (lambda: _module(1), YesOrNo(kind=torch.long)),
    "booleans": (lambda: _module(1), YesOrNo(kind=torch.bool)),
    "squeezed": (lambda: _module(1, nn.Flatten(0)), YesOrNo(squeezed=True)),
    "several": (lambda: _module(4), YesOrNo(4)),
    "dense": (lambda: _module(4, nn.Unflatten(1, (1, 2, 2))), None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_start_of_a_search_learns(case, tmp_path):
    make, data = CASES[case]
    if data is None:
        data = YesOrNo(4)
        rows = data.rows.tensors
        data.rows = TensorDataset(rows[0], rows[1].view(-1, 1, 2, 2))
    result = small_search(
        tmp_path / "run",
        module=make(),
        data=data,
        family=TaylorFamily(start="mse", problem="binary"),
        searcher=CMAESSearcher(population=4, sigma=0.05),
        generations=1,
        steps=60,
    )
    assert result.evaluation.fitness > 0.85
    assert result.artifact.build().link.problem == "binary"


def test_a_module_of_ones_own_with_integer_labels_and_a_channel_less(tmp_path):
    result = small_search(
        tmp_path / "run",
        module=Own(),
        data=YesOrNo(kind=torch.long, squeezed=True),
        family=ExpressionFamily("binary"),
        searcher=GeneticProgrammingSearcher(population=4),
        callbacks=[RejectionFilter(steps=20), GradientEquivalence()],
        evaluator=TrainerEvaluator(),
        generations=1,
    )
    assert result.evaluation.fitness > 0.5


def test_the_final_comparison_is_with_binary_cross_entropy(tmp_path):
    result = small_search(
        tmp_path / "run",
        module=_module(4),
        data=YesOrNo(4),
        family=NetworkFamily([3], "binary"),
        generations=1,
        evaluator=PopulationEvaluator(),
        comparison=ComparisonConfig(seeds=2, tuning_seeds=1, learning_rate_factors=(1.0,)),
    )
    assert [row.name for row in result.comparison] == ["learned", "binary cross-entropy"]


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("kind", [torch.float32, torch.bool])
def test_a_softmax_is_refused_with_what_to_do(outputs, kind, tmp_path):
    for module, error in ((_module(outputs), ValueError), (Own(outputs), Exception)):
        with pytest.raises(error, match='problem="binary"'):
            small_search(
                tmp_path / type(module).__name__,
                module=module,
                data=YesOrNo(outputs, kind),
                evaluator=TrainerEvaluator(),
                generations=1,
            )
