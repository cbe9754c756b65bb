"""The files of a new project: a module, data, a search, a comparison, and what to type."""

MODULE = '''"""The network that a loss is learned for: put your own here."""

import pytorch_lightning as pl
import torch
from torch import nn


class MyModule(pl.LightningModule):
    """Any module will do that calls `self.loss_fn(logits, target)` and logs a validation metric."""

    def __init__(self, width: int = 64, lr: float = 0.1):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
        self.loss_fn = nn.CrossEntropyLoss()  # the learned loss is put in its place
        self.lr = lr

    def forward(self, inputs):
        return self.network(inputs)

    def training_step(self, batch, batch_idx):
        inputs, target = batch
        return self.loss_fn(self(inputs), target)

    def validation_step(self, batch, batch_idx):
        inputs, target = batch
        accuracy = (self(inputs).argmax(dim=1) == target).float().mean()
        self.log("val_accuracy", accuracy, on_step=False, on_epoch=True, prog_bar=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)
'''

DATA = '''"""The data that a loss is learned on: put your own here."""

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split


class MyData(pl.LightningDataModule):
    """Any data module will do: training, validation and, for comparisons, test data."""

    def __init__(self, batch_size: int = 100):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage):
        images, labels = load_digits(return_X_y=True)
        whole = TensorDataset(torch.tensor(images).float() / 16, torch.tensor(labels))
        split = torch.Generator().manual_seed(0)
        self.train, self.val, self.test = random_split(whole, [1200, 300, 297], split)

    def train_dataloader(self):
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, 500)

    def test_dataloader(self):
        return DataLoader(self.test, 500)
'''

SEARCH = """# Learns a loss for MyModule on MyData: lossmeta search --config search.yaml
seed_everything: 1
trainer: {accelerator: auto}
model: {class_path: my_module.MyModule}
data: {class_path: my_data.MyData}
family:
  class_path: lightning_lossmeta.TaylorFamily  # what is learned: a polynomial of 8 numbers
  init_args: {start: mse}
searcher:
  class_path: lightning_lossmeta.CMAESSearcher
  init_args: {population: 8, sigma: 0.5}
monitor: val_accuracy  # what validation_step logs, and mode: max or min
session: {steps: 100}  # how long each candidate is trained; rather a third of a real training
generations: 5  # for a real search rather 20, and a population of 20
"""

COMPARE = """# The learned loss and others, each at its own rate: lossmeta compare --config FILE
seed: 1
model: {class_path: my_module.MyModule}
data: {class_path: my_data.MyData}
losses:
  CE: cross_entropy
  GCE: generalized_cross_entropy
  learned: runs/first/best.json
baseline: CE
comparison: {seeds: 3, tuning_seeds: 1, learning_rate_factors: [0.1, 0.3, 1, 3], steps: 300}
"""

README = """# A loss of our own

    lossmeta search --config search.yaml --run_dir runs/first     # learn a loss
    lossmeta inspect runs/first/best.json                         # its formula
    lossmeta compare --config compare.yaml --run_dir runs/compared
    lossmeta fit --config runs/first/fit.yaml                     # train with it

`my_module.py` and `my_data.py` run as they are, on scikit-learn's digits: put your own module and
data there. Ctrl-C loses nothing: `lossmeta search --resume runs/first` goes on.
`--max_time 00:01:00:00` begins no generation that would not end within the hour.
"""

#: Text by file name.
FILES = {
    "my_module.py": MODULE,
    "my_data.py": DATA,
    "search.yaml": SEARCH,
    "compare.yaml": COMPARE,
    "README.md": README,
}
