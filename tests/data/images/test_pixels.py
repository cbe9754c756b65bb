"""What pixels of every kind become, against NumPy and Pillow on the same values."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lightning_lossmeta.data.images.decoding import ImageDecoder
from lightning_lossmeta.data.images.folders import ImageFolderDataModule
from lightning_lossmeta.data.images.pixels import to_rgb

RAMP = np.linspace(0, 1, 48).reshape(6, 8)


def _read(path, **settings):
    return np.asarray(ImageDecoder(**settings)(path, f"'{path}'"))


def _grey(path, **settings):
    pixels = _read(path, **settings)
    assert pixels.shape[2] == 3
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


def _scaled(values, low, high):
    """By the definition, in Python's integers and floats."""
    return [
        [min(255, max(0, round((float(v) - low) * 255 / (high - low)))) for v in row]
        for row in values
    ]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm", ".jp2"])
def test_16_bits_are_divided_by_257(tmp_path, suffix):
    values = (RAMP * 65535).round().astype(np.uint16)
    path = tmp_path / f"a{suffix}"
    options = {"irreversible": False} if suffix == ".jp2" else {}
    Image.fromarray(values).save(path, **options)
    assert _grey(path).tolist() == [[round(int(v) / 257) for v in row] for row in values]


def test_16_bits_of_either_byte_order(tmp_path):
    values = (RAMP * 65535).round().astype(np.uint16)
    big = Image.frombytes("I;16B", (8, 6), values.astype(">u2").tobytes())
    big.save(tmp_path / "a.tif")
    assert _grey(tmp_path / "a.tif").tolist() == _scaled(values, 0, 65535)


def test_bytes_that_were_widened_come_back(tmp_path):
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    Image.fromarray(values).save(tmp_path / "a.png")
    assert np.array_equal(_grey(tmp_path / "a.png").ravel(), np.arange(256))


DEEP = {
    "12 bits in 16": (np.uint16, 4095, ".png"),
    "10 bits in 16": (np.uint16, 1023, ".tif"),
    "14 bits in 16": (np.uint16, 16383, ".png"),
    "8 bits in 32": (np.int32, 255, ".tif"),
    "16 bits in 32": (np.int32, 65535, ".tif"),
    "31 bits": (np.int32, 2**31 - 1, ".tif"),
    "real numbers to 255": (np.float32, 255, ".tif"),
    "real numbers to 1e6": (np.float32, 1e6, ".tif"),
    "real numbers to 0.01": (np.float32, 0.01, ".tif"),
}


@pytest.mark.parametrize("kind", DEEP)
def test_ranges_that_nobody_can_tell_are_asked_for(tmp_path, kind):
    dtype, white, suffix = DEEP[kind]
    values = (RAMP * white).astype(dtype)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(values).save(path)
    with pytest.raises(ValueError, match=rf"'{path}' to be an image.*`value_range`"):
        _read(path)
    assert _grey(path, value_range=(0, white)).tolist() == _scaled(values, 0, white)


def test_a_range_of_one_s_own_is_a_window(tmp_path):
    values = (RAMP * 3000 - 1000).astype(np.float32)  # as in computed tomography
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="-1000 to 2000, are black and white"):
        _read(tmp_path / "a.tif")
    window = _grey(tmp_path / "a.tif", value_range=(-160, 240))
    assert window.tolist() == _scaled(values, -160, 240)
    assert (window.min(), window.max()) == (0, 255)


def test_real_numbers_up_to_one(tmp_path):
    values = RAMP.astype(np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert _grey(tmp_path / "a.tif").tolist() == _scaled(values, 0, 1)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(tmp_path, wrong):
    values = RAMP.astype(np.float32)
    values[2, 3] = wrong
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif' to be an image.*no finite numbers"):
        _read(tmp_path / "a.tif", value_range=(0, 1))


def _tiff_of_12_bits(path, values):
    """Three bytes for two values, high bits first, and the fewest tags."""
    flat = values.ravel()
    packed = bytearray()
    for one, two in zip(flat[::2].tolist(), flat[1::2].tolist(), strict=True):
        packed += bytes([one >> 4, (one & 15) << 4 | two >> 8, two & 255])
    height, width = values.shape
    tags = [
        (256, width),
        (257, height),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, height),
        (279, len(packed)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + directory)


def test_12_bits_that_the_file_declares(tmp_path):
    values = (RAMP * 4095).round().astype(np.uint16)
    _tiff_of_12_bits(tmp_path / "a.tif", values)
    assert _grey(tmp_path / "a.tif").tolist() == _scaled(values, 0, 4095)


def _png(path, values, colour_type):
    """A PNG file of 16 bits a channel, which Pillow can't write."""

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


@pytest.mark.parametrize(("channels", "colour_type"), [(3, 2), (4, 6), (2, 4)])
def test_colours_of_16_bits(tmp_path, channels, colour_type):
    values = np.random.default_rng(0).integers(0, 65536, (6, 8, channels))
    if channels != 3:
        values[..., -1] = 65535
    _png(tmp_path / "a.png", values, colour_type)
    expected = (values if channels > 2 else values[..., :1].repeat(3, axis=2))[..., :3] // 256
    assert np.array_equal(_read(tmp_path / "a.png"), expected)
    _png(tmp_path / "b.png", values // 16, colour_type)  # 12 bits in 16
    with pytest.raises(ValueError, match=r"b\.png' to be an image.*nearly black. Save it with 8"):
        _read(tmp_path / "b.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_black_is_black(tmp_path, dtype):
    Image.fromarray(np.zeros((6, 8), dtype)).save(tmp_path / "a.tif")
    settings = {"value_range": (0, 1)} if dtype == np.int32 else {}
    assert not _read(tmp_path / "a.tif", **settings).any()


def _over_white(colours, opacity):
    """The definition: colour a + white (1 - a)."""
    share = opacity[..., None] / 255
    return colours * share + 255 * (1 - share)


def _disc():
    rows, columns = np.mgrid[:12, :12]
    return np.where((rows - 6) ** 2 + (columns - 6) ** 2 < 16, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("colour", [0, 90])
def test_content_in_the_transparency_alone_shows_over_white(tmp_path, mode, colour):
    """Icons: one colour, cut out by their transparency."""
    opacity = Image.fromarray(_disc())
    layered = Image.merge("LA", (Image.new("L", opacity.size, colour), opacity))
    layered.convert(mode).save(tmp_path / "a.png")
    expected = _over_white(np.full((12, 12, 3), colour), _disc())
    assert np.abs(_read(tmp_path / "a.png") - expected).max() <= 1


def test_colours_that_were_multiplied_by_their_opacity():
    """Associated alpha, as TIFF files have it."""
    values = np.random.default_rng(0).integers(0, 256, (9, 7, 4), np.uint8)
    values[..., 3] |= 128
    rgb = to_rgb(Image.fromarray(values).convert("RGBa"))
    expected = _over_white(values[..., :3].astype(float), values[..., 3].astype(float))
    assert np.abs(np.asarray(rgb) - expected).max() <= 3


def test_half_transparent_pixels_are_mixed(tmp_path):
    generator = np.random.default_rng(0)
    values = generator.integers(0, 256, (9, 7, 4), np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    expected = _over_white(values[..., :3].astype(float), values[..., 3].astype(float))
    assert np.abs(_read(tmp_path / "a.png") - expected).max() <= 1


@pytest.mark.parametrize("hidden", [False, True])
def test_content_that_does_not_show_over_white_is_refused(tmp_path, hidden):
    """A white icon, or colours under full transparency."""
    if hidden:
        values = np.random.default_rng(0).integers(0, 256, (12, 12, 4), np.uint8)
        values[..., 3] = 0
    else:
        values = np.dstack([np.full((12, 12, 3), 255, np.uint8), _disc()])
    Image.fromarray(values).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png' to be an image.*nothing of it shows over white"):
        _read(tmp_path / "a.png")


@pytest.mark.parametrize("transparency", [3, bytes([255, 0, 128])])
def test_palettes_with_transparent_entries(tmp_path, transparency):
    palette = np.random.default_rng(1).integers(0, 256, (8, 3), np.uint8)
    index = np.arange(64, dtype=np.uint8).reshape(8, 8) % 8
    image = Image.fromarray(index).convert("P")
    image = Image.frombytes("P", (8, 8), index.tobytes())
    image.putpalette(palette.tobytes())
    image.save(tmp_path / "a.png", transparency=transparency)
    opacity = np.full(8, 255)
    if isinstance(transparency, bytes):
        opacity[:3] = list(transparency)
    else:
        opacity[transparency] = 0
    expected = _over_white(palette[index].astype(float), opacity[index].astype(float))
    assert np.abs(_read(tmp_path / "a.png") - expected).max() <= 1


def test_a_transparent_grey_value_of_a_png(tmp_path):
    values = (RAMP * 255).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png", transparency=int(values[0, 3]))
    expected = values.copy()
    expected[0, 3] = 255
    assert np.array_equal(_grey(tmp_path / "a.png"), expected)


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", ".jpg"), ("CMYK", ".tif"), ("1", ".png")])
def test_other_modes_are_what_pillow_makes_of_them(tmp_path, mode, suffix):
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8))
    path = tmp_path / f"a{suffix}"
    smooth.resize((32, 32), Image.Resampling.BICUBIC).convert(mode).save(path)
    with Image.open(path) as image:
        assert image.mode == mode
        assert np.array_equal(_read(path), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("suffix", "deep"), [(".png", False), (".png", True), (".webp", False), (".tif", True)]
)
def test_every_orientation_is_put_upright_whatever_the_pixels(tmp_path, orientation, suffix, deep):
    values = (RAMP * 65535).astype(np.uint16)
    picture = Image.fromarray(values) if deep else Image.fromarray((values // 257).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == ".webp" else {}
    picture.save(tmp_path / f"a{suffix}", exif=exif, **options)
    turns = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).T,
        8: np.rot90,
    }
    expected = turns[orientation](np.array(_scaled(values, 0, 65535)))
    read = _grey(tmp_path / f"a{suffix}")
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).max() <= 1


def test_a_data_module_hands_its_range_on(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(5):
            values = (RAMP * (1000 + 600 * index)).astype(np.uint16)
            Image.fromarray(values).save(tmp_path / name / f"{index}.png")
    with pytest.raises(ValueError, match=r"\.png' to be an image.*0 and 4095 for 12 bits"):
        ImageFolderDataModule(str(tmp_path), image_size=None).setup()
    data = ImageFolderDataModule(str(tmp_path), image_size=None, value_range=(0, 4095))
    train = data.splits.train
    pixels = (train.inputs * data.std[0] + data.mean[0]) * 255
    for image, position in zip(pixels, train.indices.tolist(), strict=True):
        values = (RAMP * (1000 + 600 * (position % 5))).astype(np.uint16)
        assert np.abs(image[0].numpy() - _scaled(values, 0, 4095)).max() < 1e-2


@pytest.mark.parametrize("wrong", [(1.0, 1.0), (5.0, 2.0), (0.0, float("inf")), (0.0,)])
def test_ranges_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="`value_range` to be two numbers"):
        ImageFolderDataModule("somewhere", value_range=wrong)
