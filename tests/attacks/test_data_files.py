"""Files of labels, tables and images, mutated: each is read or refused, nothing in it is run."""

import collections
import io
import json
import random

import numpy as np
import pytest
import torch
from attacking import ending, sizes, watched
from mutations import changed_json, damaged
from PIL import Image

from lightning_lossmeta.data import (
    ImageFolderDataModule,
    JPEGArchiveDataModule,
    TableClassificationDataModule,
    TableDataModule,
    read_labels,
)

LABELS = [int(label) for label in np.random.default_rng(0).integers(0, 10, 50)]


def _picture(seed, form):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def _write_archive(path):
    pictures = [_picture(seed, "JPEG") for seed in range(8)]
    np.savez(
        path,
        jpeg=np.frombuffer(b"".join(pictures), np.uint8),
        offsets=np.cumsum([0, *map(len, pictures)]),
        labels=np.arange(8) % 2,
        classes=np.array(["x", "y"]),
    )


def _originals(folder):
    """One good file of each form."""
    folder.mkdir()
    array = np.array(LABELS)
    torch.save({"a": array, "b": torch.tensor(LABELS)}, folder / "named.pt")
    torch.save(LABELS, folder / "list.pth", _use_new_zipfile_serialization=False)
    np.save(folder / "array.npy", array)
    np.savez(folder / "arrays.npz", a=array, b=array)
    (folder / "object.json").write_text(json.dumps({"a": LABELS}))
    (folder / "columns.csv").write_text("a,b\n" + "".join(f"{y},{y}\n" for y in LABELS))
    (folder / "lines.txt").write_text("\n".join(map(str, LABELS)))
    rng = random.Random(0)
    rows = [f"{rng.random()},{rng.choice(['red', 'blue', ''])},{y},{y % 3}" for y in LABELS]
    (folder / "table.csv").write_text("\n".join(["x,colour,n,y", *rows]))
    _write_archive(folder / "train.npz")
    for form in ("png", "jpeg", "bmp", "gif", "tiff"):
        (folder / f"picture.{form}").write_bytes(_picture(1, form))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _first_batch(data):
    data.setup("fit")
    next(iter(data.train_dataloader()))


def _read(folder, name, content, rng):
    """Put a file where its reader looks, and read it."""
    path = folder / name
    if name.startswith("picture"):
        path = folder / "pictures" / rng.choice("ab") / f"new.{name.split('.')[1]}"
    path.write_bytes(content)
    try:
        if name == "table.csv":
            module = rng.choice([TableDataModule, TableClassificationDataModule])
            _first_batch(module(str(path), "y", batch_size=4))
        elif name == "train.npz":
            _first_batch(JPEGArchiveDataModule(str(folder), batch_size=2))
        elif name.startswith("picture"):
            _first_batch(ImageFolderDataModule(str(folder / "pictures"), batch_size=2))
        else:
            read_labels(path, rng.choice([None, "a", "b", "x"]))
    finally:
        path.unlink()


@pytest.mark.filterwarnings("ignore")
@sizes(small=120, large=10_000)
def test_mutated_files_are_data_or_refused(tmp_path, count, seed, report):
    originals = _originals(tmp_path / "originals")
    folder = tmp_path / "read"
    folder.mkdir()
    _write_archive(folder / "test.npz")
    for label in "ab":
        (folder / "pictures" / label).mkdir(parents=True)
        for number in range(4):
            path = folder / "pictures" / label / f"{number}.png"
            path.write_bytes(_picture(number, "png"))
    rng, ends, wrong = random.Random(seed), collections.Counter(), {}
    for name, content in originals.items():
        end = ending(lambda: _read(folder, name, content, random.Random(3)), ValueError)  # noqa: B023
        assert end in ("ok", "refused"), name
    for _ in range(count):
        name = rng.choice(list(originals))
        content = originals[name]
        tree = name.endswith(".json") and rng.random() < 0.6
        content = changed_json(content.decode(), rng) if tree else damaged(content, rng)
        messages = []

        def read():
            try:
                _read(folder, name, content, rng)  # noqa: B023
            except (ValueError, FileNotFoundError) as error:
                messages.append(str(error))  # noqa: B023
                raise

        with watched() as events:
            end = ending(read, (ValueError, FileNotFoundError))
        events = [event for event in events if str(folder) not in event]
        if events:
            end = f"did {events}"
        elif end == "refused" and not messages[0].startswith(("Expected", "'")):
            end = f"says {messages[0]:.120}"
        ends[end] += 1
        if end not in ("ok", "refused"):
            wrong.setdefault(f"{name}: {end}", content[:500])
    report(f"{count} files, seed {seed}: {dict(ends)}")
    assert not wrong
    assert ends["ok"] > count / 20
    assert ends["refused"] > count / 20
