"""Files of a few bytes that ask for gigabytes: refused by name, and no memory is taken."""

import io
import json
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_lossmeta.data import JPEGArchiveDataModule, limits, read_labels
from lightning_lossmeta.data.images import decoding
from lightning_lossmeta.data.images.archives import JPEGArchive
from lightning_lossmeta.data.images.folders import ImageFolderDataModule
from lightning_lossmeta.data.noise import label_readers


@contextmanager
def _little_memory(most=2**26):
    """What Python and NumPy take in the block stays below some bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def _npy(shape, dtype="<i8"):
    """The head of a file, and 64 bytes."""
    head = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, described)
    return head.getvalue() + bytes(64)


#: More than a file of labels may unpack to.
MUCH = 5 * 2**27


def _zipped(path, name, head, size=MUCH):
    """A zip file with a member of so many zeros, in a few hundred kilobytes."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        member.write(head)
        for _ in range(size // 2**25):
            member.write(bytes(2**25))


def _stride_0(path):
    torch.save(torch.zeros(1, dtype=torch.int64).expand(3 * 10**9), path)


def _stride_0_by_name(path):
    torch.save({"a": torch.zeros(1).expand(10**12)}, path)


def _stride_0_of_old(path):
    torch.save(torch.zeros(1).expand(10**10), path, _use_new_zipfile_serialization=False)


def _named(name, *arguments):
    """A pickle that calls something with plain arguments."""
    module, function = name.rsplit(".", 1)
    body = b"".join(pickle.dumps(value, 2)[2:-1] for value in arguments)
    return b"\x80\x02c" + f"{module}\n{function}\n".encode() + b"(" + body + b"tR."


def _bytes_out_of_a_number(path):
    path.write_bytes(_named("builtins.bytearray", 22 * 10**9))


def _bytes_in_a_new_file(path):
    torch.save(torch.zeros(1), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            bomb = _named("__builtin__.bytearray", 22 * 10**9)
            archive.writestr(name, bomb if name.endswith("data.pkl") else data)


def _tensor_out_of_a_number(path):
    path.write_bytes(_named("torch.FloatTensor", 10**11))


def _storage_of_old(path):
    """A storage whose size is claimed."""
    buffer = io.BytesIO()
    torch.save(torch.zeros(1000), buffer, _use_new_zipfile_serialization=False)
    claimed = buffer.getvalue().replace(b"M\xe8\x03", b"J" + struct.pack("<i", 2**31 - 1))
    assert claimed != buffer.getvalue()
    path.write_bytes(claimed)


def _lists_of_lists(path):
    """Each holds the last one twice: 2^200 numbers."""
    nested = [1]
    for _ in range(200):
        nested = [nested, nested]
    torch.save(nested, path)


def _dicts_of_dicts(path):
    nested = {"a": 1}
    for _ in range(200):
        nested = {"a": nested, "b": nested}
    torch.save(nested, path)


def _list_in_itself(path):
    nested = []
    nested.append(nested)
    torch.save(nested, path)


def _zip_bomb_of_torch(path):
    torch.save(torch.zeros(4), path)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickled = next(name for name in names if name.endswith("data.pkl"))
    _zipped(path, pickled, b"")


def _long_head(path):
    path.write_bytes(_npy((10**12,)))


def _head_of_nothing(path):
    path.write_bytes(_npy((10**15,), "|V0"))


def _sparse_array(path):
    with path.open("wb") as file:
        file.write(_npy((22 * 10**9,), "|i1"))
        file.truncate(22 * 10**9 + 128)


def _zip_bomb(path):
    _zipped(path, "a.npy", _npy((MUCH,), "|i1")[:-64])


def _head_in_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", _npy((10**12,)))


def _sparse(path):
    with path.open("wb") as file:
        file.truncate(22 * 10**9)


def _deep_json(path):
    path.write_text("[" * 100_000)


BOMBS = [
    ("a.pt", _stride_0, r"at most 16,777,216 labels, got 3,000,000,000"),
    ("a.pt", _stride_0_by_name, r"\(a\) to hold at most 16,777,216 labels, got 1,000,000,000,000"),
    ("a.pth", _stride_0_of_old, "at most 16,777,216 labels"),
    ("a.pt", _bytes_out_of_a_number, "it names builtins.bytearray, which is no tensor"),
    ("a.pt", _bytes_in_a_new_file, "it names __builtin__.bytearray, which is no tensor"),
    ("a.pt", _tensor_out_of_a_number, "it names torch.FloatTensor, which is no tensor"),
    ("a.pth", _storage_of_old, "can't be read"),
    ("a.pt", _lists_of_lists, "list of whole numbers"),
    ("a.pt", _dicts_of_dicts, "`key` to be one of"),
    ("a.pt", _list_in_itself, "list of whole numbers"),
    ("a.pt", _zip_bomb_of_torch, "it unpacks to 671,088,640 bytes, more than the 536,870,912"),
    ("a.pt", _sparse, "it has 22,000,000,000 bytes, more than the 536,870,912"),
    ("a.npy", _long_head, "a.npy"),
    ("a.npy", _head_of_nothing, "a.npy"),
    ("a.npy", _sparse_array, "it has 22,000,000,128 bytes"),
    ("a.npz", _zip_bomb, "it unpacks to 671,088,768 bytes, more than the 536,870,912"),
    ("a.npz", _head_in_zip, "a.npz"),
    ("a.json", _deep_json, "a.json"),
    ("a.json", _sparse, "more than the 67,108,864 that are read"),
    ("a.csv", _sparse, "more than the 67,108,864 that are read"),
    ("a.txt", _sparse, "more than the 67,108,864 that are read"),
]


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    """One file a folder, which bears the name of what wrote it."""
    root = tmp_path_factory.mktemp("bombs")
    for name, write, _ in BOMBS:
        folder = root / f"{write.__name__}{name[1:]}"
        folder.mkdir()
        write(folder / name)
    return root


@pytest.mark.parametrize(("name", "write", "message"), BOMBS)
def test_label_files_that_ask_for_much_are_refused(bombs, name, write, message):
    path = bombs / f"{write.__name__}{name[1:]}" / name
    with pytest.raises(ValueError, match=message) as error, _little_memory():
        read_labels(path)
    assert str(path) in str(error.value)


def test_the_process_itself_stays_small(bombs):
    """Memory that Python does not count, by the system's account."""
    script = """
import resource, sys
from pathlib import Path
from lightning_lossmeta.data import read_labels
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).glob("*/*")):
    try:
        read_labels(path)
    except ValueError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(bombs)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 200  # MiB


@pytest.mark.parametrize("form", [".npy", ".npz", ".pt", ".txt", ".json", ".csv"])
def test_as_many_labels_as_are_allowed_are_read(tmp_path, monkeypatch, form):
    monkeypatch.setattr(label_readers, "MOST_LABELS", 40)
    for count in (40, 41):
        values = np.arange(count)
        path = tmp_path / f"{count}{form}"
        {
            ".npy": lambda values=values, path=path: np.save(path, values),
            ".npz": lambda values=values, path=path: np.savez(path, values),
            ".pt": lambda values=values, path=path: torch.save(values, path),
            ".json": lambda values=values, path=path: path.write_text(json.dumps(values.tolist())),
        }.get(form, lambda values=values, path=path: np.savetxt(path, values))()
    assert read_labels(tmp_path / f"40{form}").tolist() == list(range(40))
    with pytest.raises(ValueError, match=f"41{form}'.* to hold at most 40 labels, got 41"):
        read_labels(tmp_path / f"41{form}")


@pytest.mark.parametrize("form", [".txt", ".csv"])
@pytest.mark.parametrize("odd", ["1_2", "\uff11", "0x1", "1,5", "nan", "inf", "five", "1e400"])
def test_odd_numbers_in_text_are_no_labels(tmp_path, form, odd):
    path = tmp_path / f"a{form}"
    path.write_text(f"0\n{odd}\n1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="labels"):
        read_labels(path)


def _archive(path, **changes):
    encoded = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(encoded, "JPEG")
    one = np.frombuffer(encoded.getvalue(), np.uint8)
    arrays = {
        "jpeg": np.tile(one, 12),
        "offsets": np.arange(13) * len(one),
        "labels": np.arange(12) % 2,
        "classes": np.array(["a", "b"]),
    }
    np.savez_compressed(path, **{**arrays, **changes})
    return str(path)


def test_archives_that_unpack_to_much_are_refused(tmp_path):
    path = tmp_path / "train.npz"
    _zipped(path, "jpeg.npy", _npy((MUCH,), "|u1")[:-64])
    with pytest.raises(ValueError, match=r"train\.npz.*unpacks to 671,088,768"), _little_memory():
        JPEGArchive.read(str(path))


@pytest.mark.parametrize("name", ["jpeg", "offsets", "labels", "classes"])
def test_archives_whose_heads_claim_much_are_refused(tmp_path, name):
    path = _archive(tmp_path / "train.npz")
    with zipfile.ZipFile(path) as archive:
        members = {part: archive.read(part) for part in archive.namelist()}
    members[f"{name}.npy"] = _npy((10**12,), "|u1")
    with zipfile.ZipFile(path, "w") as archive:
        for part, data in members.items():
            archive.writestr(part, data)
    with pytest.raises(ValueError, match=r"train\.npz"):
        JPEGArchive.read(path)


@pytest.fixture
def large_jpeg():
    """The head says 12,000 by 12,000 pixels, which is all that may be looked at."""
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8)).save(encoded, "JPEG")
    small = b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 8, 8)
    large = b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 12_000, 12_000)
    assert encoded.getvalue().count(small) == 1
    return encoded.getvalue().replace(small, large)


@pytest.mark.parametrize("size", [None, 32])
def test_images_of_more_pixels_than_pillow_allows_are_refused_by_name(tmp_path, large_jpeg, size):
    whole = np.frombuffer(large_jpeg, np.uint8)
    changes = {"jpeg": np.tile(whole, 12), "offsets": np.arange(13) * len(whole)}
    for part in ("train", "test"):
        _archive(tmp_path / f"{part}.npz", **changes)
    data = JPEGArchiveDataModule(str(tmp_path), image_size=size)
    message = r"image \d+ of '.*train\.npz' to have at most 89,478,485 pixels.*MAX_IMAGE_PIXELS"
    with pytest.raises(ValueError, match=message), _little_memory():
        data.setup()
    for name in ("a", "b"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(4):
            (tmp_path / "pets" / name / f"{index}.jpg").write_bytes(large_jpeg)
    with pytest.raises(ValueError, match=r"pets/./\d\.jpg' to have at most 89,478,485 pixels"):
        ImageFolderDataModule(str(tmp_path / "pets"), image_size=size).setup()


def test_more_than_twice_as_many_pixels_are_the_same_error(tmp_path):
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        for body in (head, b"IDAT" + zlib.compress(bytes(1000)))
    )
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(4):
            (tmp_path / name / f"{index}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    with pytest.raises(ValueError, match=r"\d\.png' to have at most 89,478,485 pixels"):
        ImageFolderDataModule(str(tmp_path)).setup()


def test_a_user_may_allow_more(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 63)
    for part in ("train", "test"):
        _archive(tmp_path / f"{part}.npz")
    with pytest.raises(ValueError, match="at most 63 pixels"):
        JPEGArchiveDataModule(str(tmp_path)).setup()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert len(JPEGArchiveDataModule(str(tmp_path)).splits.test.targets) == 12


def test_images_that_all_together_do_not_fit_are_refused(tmp_path, monkeypatch):
    for part in ("train", "test"):
        _archive(tmp_path / f"{part}.npz")
    needed = 12 * 3 * 8 * 8 * 5  # the test images, as bytes and as float32
    monkeypatch.setattr(limits, "machine_memory", lambda: needed)
    assert JPEGArchiveDataModule(str(tmp_path)).splits is not None
    monkeypatch.setattr(limits, "machine_memory", lambda: needed - 1)
    with pytest.raises(ValueError, match=r"12 images of 8 x 8 pixels to fit .* `image_size`"):
        JPEGArchiveDataModule(str(tmp_path)).setup()


def test_the_machine_says_how_much_memory_it_has():
    with open("/proc/meminfo") as file:
        kilobytes = int(file.readline().split()[1])
    assert limits.machine_memory() == pytest.approx(kilobytes * 1024, rel=0.01)


def test_only_raster_formats_are_opened():
    assert {"JPEG", "PNG", "TIFF", "GIF", "WEBP"} <= set(decoding.image_formats())
    assert not {"EPS", "WMF", "MPEG", "HDF5"} & set(decoding.image_formats())
