"""Classes of pixels and several numbers a sample: searched, compared, inspected, exported."""

import pytest
import pytorch_lightning as pl
import torch
import torchmetrics
from small_search import small_search
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_lossmeta import MLP, PopulationEvaluator, SupervisedModule, TaylorFamily
from lightning_lossmeta.__main__ import main
from lightning_lossmeta.comparison import ComparisonConfig
from lightning_lossmeta.evaluators import TrainerEvaluator
from lightning_lossmeta.task import Objective


class Pairs(pl.LightningDataModule):
    def __init__(self, inputs, target):
        super().__init__()
        self.parts = (
            TensorDataset(inputs[:80], target[:80]),
            TensorDataset(inputs[80:], target[80:]),
        )

    def train_dataloader(self):
        return DataLoader(self.parts[0], 16, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], 40)

    test_dataloader = val_dataloader


def _pixels():
    images = torch.randn(120, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    metric = torchmetrics.classification.MulticlassAccuracy(4, average="micro")
    module = SupervisedModule(nn.Conv2d(3, 4, 1), metric=metric, metric_name="score")
    return module, Pairs(images, images.argmax(1)), "classification", "max"


def _numbers():
    rows = torch.randn(120, 6, generator=torch.Generator().manual_seed(0))
    module = SupervisedModule(
        MLP(6, [8], 3), metric=torchmetrics.MeanSquaredError(), metric_name="score"
    )
    return module, Pairs(rows, rows[:, :3]), "regression", "min"


@pytest.mark.parametrize("evaluator", [PopulationEvaluator(), TrainerEvaluator()])
@pytest.mark.parametrize("case", [_pixels, _numbers])
def test_all_commands_know_it(case, evaluator, tmp_path, capsys):
    module, data, problem, mode = case()
    result = small_search(
        tmp_path / "run",
        module=module,
        data=data,
        family=TaylorFamily(start="mse", problem=problem),
        evaluator=evaluator,
        generations=1,
        objectives=(Objective("val_score", mode),),
        comparison=ComparisonConfig(seeds=2, tuning_seeds=1, learning_rate_factors=(1.0,)),
    )
    assert all(row.mean == row.mean and not row.failures for row in result.comparison)
    best = str(tmp_path / "run" / "best.json")
    assert main(["inspect", best, "--out", str(tmp_path / "a.png")]) == 0
    for kind in ("latex", "python"):
        assert main(["export", best, "--format", kind, "--out", str(tmp_path / kind)]) == 0
    assert (tmp_path / "a.png").stat().st_size > 0
    names = {"__name__": "exported"}
    exec(compile((tmp_path / "python").read_text(), "exported", "exec"), names)
    inputs, target = next(iter(data.val_dataloader()))
    output = module(inputs).double()
    target = target if problem == "classification" else target.double()
    expected = result.artifact.build()(output, target)
    torch.testing.assert_close(names["ExportedLoss"]()(output, target), expected)
