"""Data without a length: a search ends with everything that it promises."""

import csv

import torch
import yaml
from strangers import BlobsData
from torch.utils.data import DataLoader, IterableDataset

from lightning_lossmeta.__main__ import main


class Endless(IterableDataset):
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        generator = torch.Generator().manual_seed(int(torch.empty((), dtype=torch.int64).random_()))
        while True:
            yield self.rows[int(torch.randint(len(self.rows), (), generator=generator))]


class StreamedBlobs(BlobsData):
    def train_dataloader(self):
        return DataLoader(Endless(self.parts[0]), self.batch_size)


def test_a_stream_is_searched_and_fitted(tmp_path):
    config = {
        "trainer": {"accelerator": "cpu"},
        "model": {"class_path": "strangers.StrangersNet"},
        "data": {"class_path": "test_streams.StreamedBlobs"},
        "monitor": "val_acc",
        "family": {"class_path": "TaylorFamily", "init_args": {"start": "mse"}},
        "searcher": {"class_path": "CMAESSearcher", "init_args": {"population": 3}},
        "evaluator": "TrainerEvaluator",
        "generations": 2,
        "session": {"steps": 20, "validations": 1},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    run = tmp_path / "run"
    assert main(["search", "--config", str(tmp_path / "c.yaml"), "--run_dir", str(run)]) == 0
    with (run / "history.csv").open(newline="") as file:
        assert {row["status"] for row in csv.DictReader(file)} == {"ok"}
    fit = yaml.safe_load((run / "fit.yaml").read_text())
    assert fit["trainer"]["max_steps"] == 20
    options = ["--trainer.default_root_dir", str(tmp_path), "--trainer.val_check_interval", "20"]
    assert main(["fit", "--config", str(run / "fit.yaml"), *options]) == 0
