import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torchvision.transforms.v2.functional as reference
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import ArgumentParser
from scipy.stats import chisquare
from torch import nn

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data.base import Split, Splits
from lightning_lossmeta.data.images.augment import (
    Augmentation,
    augment_training,
    crop,
    cutout,
    flip,
)
from lightning_lossmeta.data.images.base import ImageDataModule
from lightning_lossmeta.evaluators import PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Objective, Session, Task


def _images(count=16, channels=3, height=8, width=6):
    return torch.randn(count, channels, height, width, generator=torch.Generator().manual_seed(0))


def _cut(image, row, column, length):
    """DeVries & Taylor's own loop over one image, for an even length."""
    mask = np.ones(image.shape[-2:], np.float32)
    half = length // 2
    top, bottom = (int(np.clip(row + side, 0, image.shape[-2])) for side in (-half, half))
    left, right = (int(np.clip(column + side, 0, image.shape[-1])) for side in (-half, half))
    mask[top:bottom, left:right] = 0
    return image * torch.from_numpy(mask)


@pytest.mark.parametrize("padding", [1, 4, 20])
def test_crops_are_those_of_torchvision(padding):
    images = _images()
    top, left = torch.randint(2 * padding + 1, (2, 16))
    cropped = crop(images, top, left, padding)
    for image, row, column, found in zip(images, top, left, cropped, strict=True):
        padded = reference.pad(image, [padding])
        assert torch.equal(found, reference.crop(padded, int(row), int(column), 8, 6))


def test_flips_are_those_of_torchvision():
    images, flipped = _images(), torch.arange(16) % 3 == 0
    for image, mirrored, found in zip(images, flipped, flip(images, flipped), strict=True):
        assert torch.equal(found, reference.horizontal_flip(image) if mirrored else image)


@pytest.mark.parametrize("length", [2, 4, 16])
def test_squares_are_those_of_the_paper(length):
    images, row, column = _images(48), torch.arange(48) // 6, torch.arange(48) % 6
    for image, y, x, found in zip(
        images, row, column, cutout(images, row, column, length), strict=True
    ):
        assert torch.equal(found, _cut(image, int(y), int(x), length))


def test_a_square_of_odd_length_has_its_centre_in_the_middle():
    found = cutout(torch.ones(1, 1, 5, 5), torch.tensor([2]), torch.tensor([1]), 3)
    assert (found[0, 0] == 0).nonzero().tolist() == [[y, x] for y in (1, 2, 3) for x in (0, 1, 2)]


@given(
    flipping=st.booleans(),
    padding=st.integers(0, 5),
    length=st.integers(0, 9),
    shape=st.tuples(*[st.integers(1, 7)] * 4),
    seed=st.integers(0, 100),
)
def test_every_pixel_comes_from_its_own_image_and_the_original_stays(
    flipping, padding, length, shape, seed
):
    # A pixel's value says from which image and channel it is, and that it is no padding.
    labels = torch.arange(1, shape[0] * shape[1] + 1).view(shape[0], shape[1], 1, 1)
    images = labels.expand(shape).float().clone()
    before = images.clone()
    torch.manual_seed(seed)
    found = Augmentation(flipping, padding, length)(images)
    assert found.shape == images.shape
    assert ((found == images) | (found == 0)).all()
    assert torch.equal(images, before)
    if not padding and not length:
        assert torch.equal(found, before)


def test_the_seed_fixes_it_and_each_image_is_treated_on_its_own():
    images = _images(1).expand(64, 3, 8, 6)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(Augmentation(cutout=4)(images))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert len(found[0].unique(dim=0)) > 50


def test_what_is_switched_on_changes_nothing_of_the_rest():
    images = _images()
    torch.manual_seed(3)
    crops = Augmentation(flip=False, crop_padding=2)(images)
    after = torch.rand(1)
    torch.manual_seed(3)
    both = Augmentation(flip=True, crop_padding=2)(images)
    assert torch.equal(torch.rand(1), after)
    same = (crops == both).flatten(1).all(dim=1)
    assert torch.equal(both[~same], crops[~same].flip(-1))
    assert 0 < same.sum() < 16
    torch.manual_seed(3)
    all_three = Augmentation(flip=True, crop_padding=2, cutout=3)(images)
    assert torch.equal(torch.rand(1), after)
    assert torch.equal(all_three, torch.where(all_three == 0, 0, both))


def test_half_are_flipped_and_every_window_is_as_likely():
    torch.manual_seed(0)
    count, padding = 8100, 1
    places = torch.arange(1.0, 10).view(1, 1, 3, 3).expand(count, 1, 3, 3)
    centres = Augmentation(flip=False, crop_padding=padding)(places)[:, 0, 1, 1]
    assert chisquare(np.unique(centres.numpy(), return_counts=True)[1]).pvalue > 1e-4
    mirrored = Augmentation(flip=True, crop_padding=0)(places)[:, 0, 0, 0] == 3
    assert abs(float(mirrored.float().mean()) - 0.5) < 0.03
    torch.manual_seed(1)
    wide = torch.ones(count, 1, 2, 5)
    cut = Augmentation(flip=False, crop_padding=0, cutout=1)(wide).flatten(1) == 0
    assert cut.sum(dim=1).eq(1).all()
    assert chisquare(cut.sum(dim=0).numpy()).pvalue > 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_type_stays(dtype):
    assert Augmentation(cutout=2)(_images().to(dtype)).dtype == dtype


def test_an_empty_batch_stays_empty():
    assert Augmentation(cutout=2)(_images()[:0]).shape == (0, 3, 8, 6)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="`crop_padding` to be an integer of at least 0, got -1"):
        Augmentation(crop_padding=-1)
    with pytest.raises(ValueError, match=r"`cutout`.*got 2.5"):
        Augmentation(cutout=2.5)
    with pytest.raises(ValueError, match=r"\(B, C, H, W\).*shape \(4, 64\)"):
        Augmentation()(torch.zeros(4, 64))


class ToyImages(ImageDataModule):
    """Images of one bright row, which is the class."""

    num_classes, mean, std = 3, (0.0,), (1.0,)

    def load(self):
        labels = torch.arange(90) % 3
        pixels = torch.randn(90, 1, 6, 6, generator=torch.Generator().manual_seed(0))
        pixels[torch.arange(90), 0, 2 * labels] += 2
        return Splits(*(Split(pixels, labels).take(part) for part in torch.arange(90).split(30)))


class Watching(SupervisedModule):
    """Remembers what it is given."""

    def __init__(self):
        super().__init__(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)))
        self.seen = {"train": [], "val": [], "test": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"].append(batch[0])
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        self.seen["val"].append(batch[0])
        super().validation_step(batch, batch_idx)

    def test_step(self, batch, batch_idx):
        self.seen["test"].append(batch[0])
        super().test_step(batch, batch_idx)


def test_only_batches_of_training_are_changed():
    data = ToyImages(batch_size=30, augment=Augmentation(flip=False, crop_padding=0, cutout=2))
    module = Watching()
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data)
    trainer.validate(module, datamodule=data, verbose=False)
    trainer.test(module, datamodule=data, verbose=False)
    for images in module.seen["train"]:
        assert (images == 0).flatten(1).sum(dim=1).ge(1).all()
    assert not torch.equal(*(images == 0 for images in module.seen["train"]))
    assert len(module.seen["val"]) == 4  # with the sanity check, and validate()
    assert all(torch.equal(images, data.splits.val.inputs) for images in module.seen["val"])
    assert torch.equal(module.seen["test"][0], data.splits.test.inputs)
    assert (data.splits.train.inputs == 0).sum() == 0


def test_without_a_trainer_or_an_augmentation_batches_stay():
    batch = (_images(), torch.arange(16))
    assert augment_training(batch, Augmentation(), None) is batch
    assert ToyImages(augment=Augmentation()).on_after_batch_transfer(batch, 0) is batch
    assert ToyImages().on_after_batch_transfer(batch, 0) is batch


def _task(augment):
    def module():
        return SupervisedModule(nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(36, 3)))

    session = Session(
        steps=8, validations=2, objectives=(Objective("val_loss", "min"),), accelerator="cpu"
    )
    return Task(module, ToyImages(batch_size=10, augment=augment), session, seed=4)


def test_a_stack_and_single_fits_see_the_same_images():
    family = TaylorFamily(start="mse")
    start = Candidate(None, family.space.start)
    augment = Augmentation(flip=True, crop_padding=1, cutout=2)
    task = _task(augment)
    single, stacked = (
        evaluator.evaluate([start, start], family, [task])
        for evaluator in (TrainerEvaluator(), PopulationEvaluator())
    )
    for one, other in zip(single, stacked, strict=True):
        assert one.metrics == pytest.approx(other.metrics, rel=1e-5)
        for name, points in one.curves.items():
            assert np.allclose(points, other.curves[name], rtol=1e-4, atol=1e-6)
    (without,) = TrainerEvaluator().evaluate([start], family, [_task(None)])
    assert without.metrics["val_loss"] != pytest.approx(single[0].metrics["val_loss"], rel=1e-3)
    again = TrainerEvaluator().evaluate([start], family, [task])
    assert again[0].metrics == single[0].metrics


def test_a_configuration_names_it():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Augmentation, "augment")
    assert parser.instantiate_classes(parser.get_defaults()).augment == Augmentation()
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningDataModule, "data")
    config = {
        "class_path": "lightning_lossmeta.data.images.vision.CIFAR10DataModule",
        "init_args": {"augment": {"cutout": 16}, "batch_size": 128, "val_size": 5000},
    }
    data = parser.instantiate_classes(parser.parse_object({"data": config})).data
    assert data.augment == Augmentation(flip=True, crop_padding=4, cutout=16)
    assert (data.batch_size, data.val_size) == (128, 5000)
