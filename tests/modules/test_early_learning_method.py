"""ELR and ANL-CE as training methods, against trainings by hand."""

from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from method_toys import blobs_task, digits_module
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from lightning_lossmeta.data import BatchLoader, DigitsDataModule
from lightning_lossmeta.losses import EarlyLearningRegularization, NCEAndNNCE
from lightning_lossmeta.modules import ActiveNegative, EarlyLearning
from lightning_lossmeta.modules.indexed_batches import IndexedBatches
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.session import run_session


def _task(method=None, **changes):
    session = Session(steps=24, validations=0, accelerator="cpu", **changes)
    data = DigitsDataModule(batch_size=20, train_size=100)
    return Task(partial(digits_module, method), data, session, seed=3)


def _fit(task):
    module = task.fresh_module()
    run_session(module, task)
    return module


def _weights(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.network.parameters()])


@pytest.mark.parametrize(
    "tasks",
    [_task, partial(_task, train_samples=60), blobs_task],
    ids=["in memory", "limited", "DataLoader"],
)
def test_without_strength_the_fit_is_that_without_the_method(tasks):
    """So the batches are the same too; with strength it is another."""
    assert torch.equal(_weights(_fit(tasks(EarlyLearning(0.0)))), _weights(_fit(tasks())))
    assert not torch.allclose(_weights(_fit(tasks(EarlyLearning(3.0)))), _weights(_fit(tasks())))


def test_each_sample_has_the_memory_of_its_own_visits():
    """A training by hand over the same batches, whose samples are found by their inputs."""
    task = _task(EarlyLearning(2.0, 0.5))
    found = _fit(task)
    inputs = task.data.splits.train.inputs
    elr = EarlyLearningRegularization(100, 10, 2.0, 0.5)
    module = _task().fresh_module()
    step = type(module).training_step

    def with_term(self, batch, batch_idx):
        index = torch.stack([(inputs == one).flatten(1).all(1).nonzero()[0, 0] for one in batch[0]])
        return step(self, batch, batch_idx) + elr(self(batch[0]), index)

    module.training_step = partial(with_term, module)
    run_session(module, task)
    torch.testing.assert_close(_weights(found), _weights(module))
    torch.testing.assert_close(found._regularization[0].memory, elr.memory)
    assert "memory" not in str(found.state_dict().keys())


def test_a_fit_that_is_resumed_goes_on_with_the_memories(tmp_path):
    settings = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    settings |= {"enable_model_summary": False, "num_sanity_val_steps": 0, "limit_val_batches": 0}
    data = DigitsDataModule(batch_size=20, train_size=100)
    module = EarlyLearning().wrap(digits_module())
    trainer = pl.Trainer(max_epochs=2, enable_checkpointing=False, **settings)
    trainer.fit(module, datamodule=data)
    assert "train_dataloader" not in vars(data)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    expected = module._regularization[0].memory.clone()
    assert (expected.sum(1) > 0.5).all()
    twin = EarlyLearning().wrap(digits_module())
    other = pl.Trainer(max_epochs=2, enable_checkpointing=False, **settings)
    other.fit(twin, datamodule=data, ckpt_path=tmp_path / "half.ckpt")
    torch.testing.assert_close(twin._regularization[0].memory, expected)
    with pytest.raises(ValueError, match="LightningDataModule with one device, got no data module"):
        pl.Trainer(max_epochs=1, enable_checkpointing=False, **settings).fit(
            EarlyLearning().wrap(digits_module()), data.train_dataloader()
        )


@pytest.mark.parametrize("kind", ["in memory", "DataLoader"])
def test_numbers_are_those_of_the_samples_in_every_epoch(kind):
    inputs = torch.arange(11.0)
    loader = (
        BatchLoader(inputs, inputs, 4, shuffle=True)
        if kind == "in memory"
        else DataLoader(TensorDataset(inputs, inputs), 4, shuffle=True)
    )
    batches = IndexedBatches(loader)
    assert (len(batches), batches.num_samples) == (3, 11)
    next(iter(batches))  # an epoch that was given up leaves nothing behind
    for _ in range(2):
        for one, two in batches:
            assert torch.equal(one, two)
            assert torch.equal(batches.indices.popleft().float(), one)
        assert not batches.indices


def test_data_without_numbers_are_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            yield from range(3)

    for loader in (DataLoader(Stream()), DataLoader(torch.arange(3), batch_size=None), [1, 2]):
        with pytest.raises(TypeError, match=r"can't be said which sample is which"):
            IndexedBatches(loader)


def test_active_negative_descends_the_loss_with_its_penalty():
    """One step of SGD, against the gradient of the paper's formula."""
    method = ActiveNegative(1.0, 2.0, delta=0.01)
    module = method.wrap(digits_module(optimizer=partial(torch.optim.SGD, lr=0.1)))
    before = [parameter.detach().clone() for parameter in module.network.parameters()]
    data = DigitsDataModule(batch_size=20, train_size=100)
    task = Task(lambda: module, data, Session(1, validations=0, accelerator="cpu"))
    batch = []
    step = module.training_step
    module.training_step = lambda *args: batch.append(args[0]) or step(*args)
    run_session(module, task)
    after = [parameter.detach().clone() for parameter in module.network.parameters()]
    with torch.no_grad():
        for parameter, value in zip(module.network.parameters(), before, strict=True):
            parameter.copy_(value)
    module.zero_grad()
    inputs, target = batch[0]
    NCEAndNNCE(1.0, 2.0)(module(inputs), target).backward()
    for parameter, start, end in zip(module.network.parameters(), before, after, strict=True):
        expected = parameter.grad + 0.01 * np.sign(start)
        torch.testing.assert_close((start - end) / 0.1, expected, rtol=1e-3, atol=1e-5)
