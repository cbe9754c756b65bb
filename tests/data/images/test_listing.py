"""Which files of a folder are read, and the word on those that are not."""

import io
import multiprocessing
import re
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets.folder import ImageFolder

from lightning_lossmeta.data.images.folders import ImageFolderDataModule


def _picture(seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8))


def _fill(folder, classes=("a", "b"), count=4):
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            _picture(index).save(folder / name / f"{index}.png")


def _listed(root):
    """Paths and labels of every image, and the warnings."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        train, *_ = ImageFolderDataModule(str(root), image_size=None).parts()
    paths = [str(train.encoded(place)[0].relative_to(root)) for place in train.positions.tolist()]
    return paths, train.labels.tolist(), [str(item.message) for item in record]


def test_images_stand_in_torchvision_s_order(tmp_path):
    for folder in ("b", "a", "a/Z", "a/deeper/still", "a!", "ü ö", "c d"):
        _fill(tmp_path, [folder])
    _picture().save(tmp_path / "a" / "UP.JPG")
    oracle = ImageFolder(str(tmp_path))
    paths, labels, said = _listed(tmp_path)
    expected = [(str(tmp_path / path), label) for path, label in zip(paths, labels, strict=True)]
    assert expected == oracle.samples
    assert ImageFolderDataModule(str(tmp_path)).classes == oracle.classes
    assert not said


@pytest.mark.parametrize(
    "hidden", [".ipynb_checkpoints", "@eaDir", "__MACOSX", ".git", "$RECYCLE.BIN", ".thumbs/deep"]
)
@pytest.mark.parametrize("place", [".", "a", "a/inner"])
def test_hidden_folders_are_not_read_anywhere(tmp_path, hidden, place):
    _fill(tmp_path)
    _fill(tmp_path / place / hidden, ["."])
    paths, _, (said,) = _listed(tmp_path)
    assert len(paths) == 8
    assert hidden.split("/")[0] in said
    assert "Not read in" in said


@pytest.mark.parametrize(
    "name", ["a.gif", "a.jfif", "a.JPE", "a.jp2", "a.GIF", "a.ico", "a.PNG", "a.tif", "a.apng"]
)
def test_whatever_pillow_reads_is_read(tmp_path, name):
    _fill(tmp_path)
    form = {".jfif": "JPEG", ".apng": "PNG"}.get(name[1:].lower())
    _picture().save(tmp_path / "a" / name, format=form)
    paths, _, said = _listed(tmp_path)
    assert f"a/{name}" in paths
    assert not said


@pytest.mark.parametrize("name", ["image", "image.jpg_large", "image.dat", "7"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
def test_an_image_under_another_name_is_known_by_its_content(tmp_path, name, form):
    _fill(tmp_path)
    _picture().save(tmp_path / "b" / name, format=form)
    paths, _, said = _listed(tmp_path)
    assert f"b/{name}" in paths
    assert not said


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"no image"),
        ("labels.csv", b"a,b\n1,2\n"),
        ("film.mpg", b"\0\0\1\xb3" + bytes(500)),
        ("table.h5", b"\x89HDF\r\n\x1a\n" + bytes(500)),
        ("page.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        ("drawing.svg", b"<svg/>"),
        ("empty", b""),
        ("archive.zip", b"PK\3\4" + bytes(50)),
    ],
)
@pytest.mark.parametrize("place", ["a", "a/deeper", "."])
def test_every_other_file_gets_a_word(tmp_path, name, content, place):
    _fill(tmp_path)
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / name).write_bytes(content)
    paths, _, (said,) = _listed(tmp_path)
    assert len(paths) == 8
    assert f"1 ({name if place == '.' else f'{place}/{name}'})" in said


def test_many_files_get_one_line_with_their_count(tmp_path):
    for part in ("train", "test"):
        _fill(tmp_path / part)
        for index in range(500):
            (tmp_path / part / "a" / f"{index}.txt").write_text("box")
    (tmp_path / "train" / "a" / ".hidden.png").write_bytes(b"")
    _, _, (said,) = _listed(tmp_path)
    assert "1001 (" in said
    assert "1000 .txt, 1 .png" in said
    assert len(said) < 400


def test_litter_of_file_managers_is_not_worth_a_word(tmp_path):
    _fill(tmp_path)
    for name in (".DS_Store", "Thumbs.db", "._0.png", "desktop.ini"):
        (tmp_path / "a" / name).write_bytes(b"litter")
    paths, _, said = _listed(tmp_path)
    assert (len(paths), said) == (8, [])


def test_an_image_that_can_not_be_decoded_is_an_error_not_a_word(tmp_path):
    for name in ("0.gif", "0.jfif", "0.TIFF", "0.webp"):
        _fill(tmp_path / name)
        (tmp_path / name / "a" / name).write_bytes(b"broken")
        with pytest.raises(ValueError, match=rf"a/{re.escape(name)}' to be an image"):
            ImageFolderDataModule(str(tmp_path / name), image_size=None).setup()


@pytest.mark.parametrize("kind", ["nothing", "text", "hidden", "nested nothing"])
def test_an_empty_class_is_refused_by_name(tmp_path, kind):
    _fill(tmp_path)
    empty = tmp_path / "my class"
    empty.mkdir()
    if kind == "text":
        (empty / "a.txt").write_text("no image")
    elif kind == "hidden":
        _fill(empty, [".ipynb_checkpoints"])
    elif kind == "nested nothing":
        (empty / "deeper").mkdir()
    with pytest.raises(ValueError, match="images of every class, got none of my class") as error:
        ImageFolderDataModule(str(tmp_path)).setup()
    assert ("a.txt" in str(error.value)) == (kind == "text")


@pytest.mark.parametrize("target", ["..", ".", "../b", "a", "../..", "../../elsewhere/../pets"])
@pytest.mark.parametrize("name", ["loop", "deeper/loop"])
def test_links_to_folders_above_or_of_others_are_not_followed(tmp_path, target, name):
    root = tmp_path / "pets"
    (tmp_path / "elsewhere").mkdir()
    _fill(root)
    link = root / "a" / name
    link.parent.mkdir(exist_ok=True)
    real = (root / "a" / target).resolve() if target != "a" else root / "a"
    link.symlink_to(real)
    paths, labels, (said,) = _listed(root)
    assert (len(paths), sum(labels)) == (8, 4)
    assert f"a/{name}" in said


def test_links_to_data_elsewhere_are_followed_once(tmp_path):
    _fill(tmp_path / "store", ["x", "y"], count=5)
    root = tmp_path / "pets"
    _fill(root)
    for name in ("one", "two"):
        (root / "a" / name).symlink_to(tmp_path / "store" / "x")
    (root / "c").symlink_to(tmp_path / "store" / "y")
    (root / "b" / "linked.png").symlink_to(tmp_path / "store" / "x" / "0.png")
    _, labels, (said,) = _listed(root)
    assert [labels.count(label) for label in range(3)] == [9, 5, 5]
    assert "1 (a/two)" in said


def test_many_links_among_each_other_end(tmp_path):
    _fill(tmp_path)
    inner = [tmp_path / "a" / f"d{number}" for number in range(12)]
    for folder in inner:
        _fill(folder, ["."], count=1)
    for folder in inner:
        for other in inner:
            (folder / f"to_{other.name}").symlink_to(other)
    paths, _, _ = _listed(tmp_path)
    assert len(paths) == 4 + 12 + 4


@pytest.mark.parametrize("name", ["gone.png", "gone", "itself.png", "itself"])
def test_links_to_nothing_are_named(tmp_path, name):
    _fill(tmp_path)
    link = tmp_path / "a" / name
    link.symlink_to(link if name.startswith("itself") else tmp_path / "nowhere")
    if name.endswith(".png"):
        with pytest.raises(ValueError, match=f"a/{name}' to be an image"):
            ImageFolderDataModule(str(tmp_path), image_size=None).setup()
    else:
        assert f"a/{name}" in _listed(tmp_path)[2][0]


def test_names_with_spaces_and_of_any_script_are_classes(tmp_path):
    names = ["two words", "Gänse", "猫", " leading", "dots.in.it", "quote'd", "-dash"]
    _fill(tmp_path, names)
    data = ImageFolderDataModule(str(tmp_path), image_size=None)
    assert data.classes == sorted(names)
    assert data.splits.train.targets.bincount().tolist() == [2] * 7


def _animated(path, frames, **options):
    first, *others = [_picture(seed) for seed in range(frames)]
    first.save(path, save_all=True, append_images=others, **options)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif"])
def test_of_several_frames_the_first_is_read_with_a_word(tmp_path, suffix):
    _fill(tmp_path)
    options = {"lossless": True} if suffix == ".webp" else {}
    for index in range(5):
        _animated(tmp_path / "a" / f"film{index}{suffix}", 3, **options)
    data = ImageFolderDataModule(str(tmp_path), image_size=None)
    with pytest.warns(UserWarning, match="Only the first frame is read of 5 .*film") as record:
        data.setup()
    assert len(record) == 1
    pixels = {}
    for _, split in data.splits.named():
        std, mean = (np.array(value)[:, None, None] for value in (data.std, data.mean))
        for image, position in zip(split.inputs.numpy(), split.indices.tolist(), strict=True):
            pixels[position] = np.rint((image * std + mean) * 255).transpose(1, 2, 0)
    first = np.asarray(_picture(0))
    tolerance = 0 if suffix != ".gif" else 60  # a palette
    assert np.abs(pixels[4] - first).max() <= tolerance  # after 0.png to 3.png


def test_a_photograph_with_a_preview_is_no_film(tmp_path):
    _fill(tmp_path)
    _animated(tmp_path / "a" / "phone.jpg", 2, format="MPO")
    assert not _listed(tmp_path)[2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImageFolderDataModule(str(tmp_path), image_size=None).setup()


def _words_of_a_worker(root):
    return _listed(root)[2]


def test_worker_processes_say_nothing(tmp_path):
    _fill(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(_words_of_a_worker, tmp_path).result() == []
    assert len(_listed(tmp_path)[2]) == 1


def test_the_name_says_nothing_of_what_runs(tmp_path):
    """PostScript under an image's name is not handed to an interpreter."""
    _fill(tmp_path)
    buffer = io.BytesIO()
    _picture().save(buffer, "EPS")
    (tmp_path / "a" / "9.png").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match=r"a/9\.png' to be an image.*none of the formats"):
        ImageFolderDataModule(str(tmp_path), image_size=None).setup()
