import io
import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from PIL import Image
from torch import nn

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data.images.clothing import Clothing1MDataModule
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import TrainerEvaluator
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Objective, Session, Task

REAL = Path(__file__).parents[3] / ".." / "shared" / "data" / "cifar10_jpeg"
real_cifar = pytest.mark.skipif(
    not REAL.is_dir(), reason="the archives of CIFAR-10 are not beside the checkout"
)
SIZES = {"noisy_train": 42, "clean_train": 28, "clean_val": 14, "clean_test": 15}


def _drawn(count):
    """JPEG files of random smooth colours."""
    generator = np.random.default_rng(0)
    for _ in range(count):
        buffer = io.BytesIO()
        small = Image.fromarray(generator.integers(0, 256, (3, 3, 3), np.uint8))
        small.resize((40, 32), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        yield buffer.getvalue()


def lay_out(root, files):
    """The published tree: images in numbered folders, lists of keys, and lines ``key label``."""
    labels = {"noisy": {}, "clean": {}}
    number = 0
    for name, size in SIZES.items():
        keys = []
        for index in range(size):
            key = f"images/{number % 10}/{number % 100:02d}/{number},{7 * number}.jpg"
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (root / key).write_bytes(next(files))
            keys.append(key)
            labels[name.split("_")[0]][key] = index % 14
            number += 1
        (root / f"{name}_key_list.txt").write_text("\n".join(keys) + "\n")
    # as published, some images have both
    for key in list(labels["clean"])[:5]:
        labels["noisy"][key] = 13 - labels["clean"][key]
    for kind, pairs in labels.items():
        lines = "".join(f"{key} {label}\n" for key, label in pairs.items())
        (root / f"{kind}_label_kv.txt").write_text(lines)
    return labels


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    root = tmp_path_factory.mktemp("clothing1M")
    return root, lay_out(root, _drawn(sum(SIZES.values())))


def _module(shop, **changes):
    given = {"batch_size": 8, "eval_batch_size": 10, "image_size": 24, "resize": 28}
    return Clothing1MDataModule(str(shop[0]), **{"num_workers": 0, **given, **changes})


@pytest.mark.parametrize(("labels", "size"), [("noisy", 42), ("clean", 28)])
def test_the_lists_say_what_is_trained_on_and_scored(shop, labels, size):
    data = _module(shop, labels=labels)
    data.prepare_data()
    data.setup("fit")
    loaders = [data.train_dataloader(), data.val_dataloader(), data.test_dataloader()]
    assert [len(loader.dataset) for loader in loaders] == [size, 14, 15]
    assert [[len(y) for _, y in loader] for loader in loaders] == [
        [8] * (size // 8),
        [10, 4],
        [10, 5],
    ]
    for loader, kind in zip(loaders, (labels, "clean", "clean"), strict=True):
        expected = [shop[1][kind][key] for key in loader.dataset.paths]
        assert loader.dataset.targets.tolist() == expected
    inputs, targets = next(iter(loaders[0]))
    assert (inputs.shape, inputs.dtype, targets.dtype) == (
        (8, 3, 24, 24),
        torch.float32,
        torch.int64,
    )
    assert data.num_classes == 14


def test_scored_images_are_their_normalised_centres(shop):
    data = _module(shop, image_size=32, resize=32)  # 40 x 32 pixels: nothing to scale
    inputs, _ = next(iter(data.val_dataloader()))
    for found, key in zip(inputs, data.val_dataloader().dataset.paths, strict=False):
        pixels = np.asarray(Image.open(shop[0] / key))[:, 4:36].transpose(2, 0, 1) / 255
        mean, std = (np.array(value)[:, None, None] for value in (data.mean, data.std))
        assert np.allclose(found, (pixels - mean) / std, atol=1e-5)


def test_trained_images_are_windows_or_mirrored_windows_drawn_each_time(shop):
    data = _module(shop, image_size=32, resize=32)
    images = data.train_dataloader().dataset
    pixels = np.asarray(Image.open(shop[0] / images.paths[3])).transpose(2, 0, 1) / 255
    mean, std = (np.array(value)[:, None, None] for value in (data.mean, data.std))
    windows = [(pixels[..., left : left + 32] - mean) / std for left in range(9)]
    windows += [window[..., ::-1] for window in windows]
    torch.manual_seed(0)
    seen = set()
    for _ in range(40):
        image = images[3][0].numpy()
        errors = [np.abs(window - image).max() for window in windows]
        assert min(errors) < 1e-5
        seen.add(int(np.argmin(errors)))
    assert len(seen) > 12  # of 9 windows and 9 mirrored ones
    torch.manual_seed(0)
    first = images[3][0]
    torch.manual_seed(0)
    assert torch.equal(images[3][0], first)


def test_train_size_keeps_a_balanced_part(shop):
    images = _module(shop, train_size=14, split_seed=2).train_dataloader().dataset
    assert images.targets.bincount().tolist() == [1] * 14
    assert images.targets.tolist() == [shop[1]["noisy"][key] for key in images.paths]
    other = _module(shop, train_size=14, split_seed=3).train_dataloader().dataset
    assert images.paths != other.paths
    with pytest.raises(ValueError, match=r"`train_size` to be at most 42.*got 43"):
        _module(shop, train_size=43).setup()


def test_worker_processes_read_the_same(shop):
    one, two = (_module(shop, num_workers=n).val_dataloader() for n in (0, 2))
    for (x, y), (u, v) in zip(one, two, strict=True):
        assert torch.equal(x, u)
        assert torch.equal(y, v)


def test_an_inner_fit_trains_on_it_and_its_pickle_is_small(shop):
    data = _module(shop)
    session = Session(
        steps=3, validations=1, train_samples=28, objectives=(Objective("val_loss", "min"),)
    )

    def module():
        return SupervisedModule(nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 14)))

    family = TaylorFamily(start="mse")
    task = Task(module, data, session)
    start = Candidate(None, family.space.start)
    first, again = (TrainerEvaluator().evaluate([start], family, [task])[0] for _ in range(2))
    assert first.status is Status.OK
    assert first.metrics == again.metrics
    packed = pickle.dumps(data)
    assert len(packed) < 2000
    assert len(pickle.loads(packed).test_dataloader().dataset) == 15


@pytest.fixture
def own(tmp_path):
    lay_out(tmp_path, _drawn(sum(SIZES.values())))
    return tmp_path


def test_missing_lists_are_named(own):
    (own / "clean_val_key_list.txt").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"but clean_val_key_list.txt is not there"
    ) as error:
        Clothing1MDataModule(str(own)).setup()
    assert "noisy_label_kv.txt" in str(error.value)


@pytest.mark.parametrize("line", ["images/1.jpg 14", "images/1.jpg", "images/1.jpg -1", "3", "a x"])
def test_lines_that_are_no_labels_are_named(own, line):
    with (own / "noisy_label_kv.txt").open("a") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(ValueError, match=r"line 49 of '.*noisy_label_kv.txt' to be a path and a"):
        Clothing1MDataModule(str(own)).setup()


def test_images_without_label_and_labels_without_image_are_named(own):
    lost = own / "images" / "0" / "00" / "0,0.jpg"
    lost.unlink()
    data = Clothing1MDataModule(str(own), num_workers=0)
    with pytest.raises(ValueError, match=f"'{lost}' to be an image, but reading it failed: FileNo"):
        list(data.train_dataloader())
    with (own / "clean_test_key_list.txt").open("a") as file:
        file.write("images/unknown.jpg\n")
    with pytest.raises(ValueError, match=r"'clean_label_kv.txt', got no label for 'images/unkn"):
        Clothing1MDataModule(str(own)).setup()
    (own / "clean_test_key_list.txt").write_text("\n")
    with pytest.raises(ValueError, match="got an empty list"):
        Clothing1MDataModule(str(own)).setup()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "both"}, "`labels` to be 'noisy' or 'clean', got 'both'"),
        ({"resize": 100}, "`resize` to be an integer of at least 224, got 100"),
        ({"num_workers": -1}, "`num_workers` to be an integer of at least 0, got -1"),
        ({"train_size": 0}, "`train_size` to be an integer of at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Clothing1MDataModule("somewhere", **arguments)


def test_the_command_line_builds_it():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningDataModule, "data")
    path = "lightning_lossmeta.data.images.clothing.Clothing1MDataModule"
    config = {"class_path": path, "init_args": {"root": "here", "labels": "clean"}}
    data = parser.instantiate_classes(parser.parse_object({"data": config})).data
    assert (data.root, data.labels, data.image_size) == ("here", "clean", 224)


@real_cifar
def test_real_jpeg_files_in_the_published_tree(tmp_path):
    with np.load(REAL / "cifar10_jpeg_test.npz", allow_pickle=False) as archive:
        jpeg, offsets = archive["jpeg"], archive["offsets"]
    files = (jpeg[start:end].tobytes() for start, end in pairwise(offsets))
    lay_out(tmp_path, files)
    data = Clothing1MDataModule(str(tmp_path), num_workers=0, eval_batch_size=15)
    ((inputs, targets),) = data.test_dataloader()
    assert inputs.shape == (15, 3, 224, 224)
    assert targets.tolist() == [*range(14), 0]
    assert 0.5 < float(inputs.std()) < 2
