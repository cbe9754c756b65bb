"""A learned loss in a Lightning project that does not otherwise know this package."""

import importlib.util
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pytorch_lightning.cli import LightningCLI

import lightning_lossmeta
from lightning_lossmeta.artifacts import Artifact, ArtifactError
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import TaylorFamily

PROJECT = """
    import json
    import sys

    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.cli import LightningCLI
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset


    class Data(pl.LightningDataModule):
        def setup(self, stage):
            generator = torch.Generator().manual_seed(0)
            inputs = torch.randn(120, 5, generator=generator)
            self.pairs = TensorDataset(inputs, inputs[:, :3].argmax(1))

        def train_dataloader(self):
            return DataLoader(self.pairs, 20, shuffle=True)

        def val_dataloader(self):
            return DataLoader(self.pairs, 120)


    class Net(pl.LightningModule):
        def __init__(self, loss_fn: nn.Module, width: int = 4):
            super().__init__()
            self.save_hyperparameters(ignore=["loss_fn"])
            self.loss_fn = loss_fn
            self.net = nn.Sequential(nn.Linear(5, width), nn.Tanh(), nn.Linear(width, 3))

        def training_step(self, batch, batch_idx):
            return self.loss_fn(self.net(batch[0]), batch[1])

        def validation_step(self, batch, batch_idx):
            self.log("accuracy", (self.net(batch[0]).argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 0.05)


    if __name__ == "__main__":
        cli = LightningCLI(Net, Data)
        loss = cli.model.loss_fn
        loaded = Net.load_from_checkpoint("model.ckpt", loss_fn=loss)
        same = all(map(torch.equal, loaded.parameters(), cli.model.parameters()))
        other = Net.load_from_checkpoint("model.ckpt", loss_fn=nn.CrossEntropyLoss())
        same = same and all(map(torch.equal, other.parameters(), cli.model.parameters()))
        accuracy = float(cli.trainer.callback_metrics["accuracy"])
        print(json.dumps({"loss": repr(loss), "same": same, "accuracy": accuracy}))
"""

CONFIG = """
    seed_everything: 3
    trainer:
      max_epochs: 8
      accelerator: cpu
      logger: false
      enable_progress_bar: false
      enable_model_summary: false
      callbacks:
        - class_path: pytorch_lightning.callbacks.ModelCheckpoint
          init_args: {dirpath: ., filename: model}
    model:
      loss_fn:
        class_path: lightning_lossmeta.LearnedLoss
        init_args: {path: learned.json}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project.py").write_text(textwrap.dedent(PROJECT))
    (tmp_path / "train.yaml").write_text(textwrap.dedent(CONFIG))
    family = TaylorFamily(start="mse")
    Artifact(family, Candidate(None, family.space.start)).save(tmp_path / "learned.json")
    return tmp_path


def test_by_class_path_in_its_own_configuration(project):
    environment = {
        "PYTHONPATH": str(Path(lightning_lossmeta.__file__).parent.parent),
        "HOME": str(project),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(
        [sys.executable, "project.py", "fit", "--config", "train.yaml"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert "mean_k[ (h)^2 - 2 (h) (y) ]" in found["loss"]
    assert found["accuracy"] > 0.6
    assert found["same"]


def test_a_bad_file_is_named_by_its_command_line(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    (project / "learned.json").write_text('{"format": "lightning_lossmeta/loss", "version": 1}')
    spec = importlib.util.spec_from_file_location("project", project / "project.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "project", module)
    spec.loader.exec_module(module)
    with pytest.raises(ArtifactError) as caught:
        LightningCLI(
            module.Net,
            module.Data,
            args=["fit", "--config", "train.yaml"],
            seed_everything_default=False,
        )
    assert str(caught.value).startswith("'learned.json': expected the file to have ['candidate'")
