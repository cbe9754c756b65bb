"""A module and data as somebody would write them who does not know this package."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class BlobsData(pl.LightningDataModule):
    def __init__(self, classes: int = 3, batch_size: int = 20):
        super().__init__()
        self.classes = classes
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        generator = torch.Generator().manual_seed(0)
        centres = 3 * torch.randn(self.classes, 6, generator=generator)
        labels = torch.arange(300) % self.classes
        points = centres[labels] + torch.randn(300, 6, generator=generator)
        self.parts = [TensorDataset(points[i:j], labels[i:j]) for i, j in ((0, 180), (180, 240))]
        self.parts.append(TensorDataset(points[240:], labels[240:]))

    def train_dataloader(self):
        return DataLoader(self.parts[0], self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], 100)

    def test_dataloader(self):
        return DataLoader(self.parts[2], 100)


class StrangersNet(pl.LightningModule):
    def __init__(self, width: int = 8, outputs: int = 3, lr: float = 0.05):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, outputs))
        self.loss_fn = nn.CrossEntropyLoss()
        self.lr = lr

    def forward(self, x):
        return self.body(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.loss_fn(self(x), y)
        self.log("loss", loss, prog_bar=True)
        return {"loss": loss}

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_acc", (self(x).argmax(dim=1) == y).float().mean(), on_epoch=True)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class WithoutLoss(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(6, 3)
