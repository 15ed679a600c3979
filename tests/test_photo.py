"""Photos as cameras and editors write them."""

import hashlib
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from paco_core.errors import BadInput
from paco_core.photo import limit_size, load_photo

ORIENTATION, EXIF_IFD, FOCAL_35MM = 0x0112, 0x8769, 0xA405


def gradient(h: int = 40, w: int = 60) -> np.ndarray:
    v, u = np.mgrid[:h, :w]
    return np.stack([u * 255 // w, v * 255 // h, (u + v) % 256], axis=-1).astype(np.uint8)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_png_comes_back_pixel_by_pixel_with_its_name_and_hash(tmp_path: Path):
    path = tmp_path / "my desk.png"
    Image.fromarray(gradient()).save(path)
    photo = load_photo(path)
    assert np.array_equal(photo.rgb, gradient())
    assert photo.name == "my desk"
    assert photo.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert photo.focal_35mm is None


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_the_four_formats_are_read(tmp_path: Path, suffix: str):
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(gradient()).save(path)
    assert np.abs(load_photo(path).rgb.astype(int) - gradient()).mean() < 8


@pytest.mark.parametrize(
    ("orientation", "quarter_turns", "mirrored"),
    [(1, 0, False), (2, 0, True), (3, 2, False), (6, 3, False), (8, 1, False)],
)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, quarter_turns: int, mirrored: bool):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "p.png"
    Image.fromarray(gradient()).save(path, exif=exif)
    upright = np.rot90(gradient(), quarter_turns)
    assert np.array_equal(load_photo(path).rgb, upright[:, ::-1] if mirrored else upright)


@pytest.mark.parametrize(("stored", "read"), [(28, 28.0), (0, None)])
def test_the_35mm_focal_length_is_read_and_0_means_unknown(tmp_path: Path, stored: int, read: float | None):
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[FOCAL_35MM] = stored
    path = tmp_path / "p.jpg"
    Image.fromarray(gradient()).save(path, exif=exif)
    assert load_photo(path).focal_35mm == read


def test_transparency_is_laid_on_white_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[:, 10:20] = (200, 0, 0, 255)
    rgba[:, 20:] = (0, 0, 0, 128)
    path = tmp_path / "p.png"
    Image.fromarray(rgba).save(path)
    with caplog.at_level(logging.INFO):
        rgb = load_photo(path).rgb
    assert (rgb[:, :10] == 255).all()
    assert (rgb[:, 10:20] == (200, 0, 0)).all()
    assert np.abs(rgb[:, 20:].astype(int) - 127).max() <= 1
    assert "laid on white" in caplog.text


def test_an_indexed_picture_with_a_transparent_colour_is_laid_on_white(tmp_path: Path):
    indices = Image.fromarray(np.repeat([[0, 1]], 20, axis=0).repeat(10, axis=1).astype(np.uint8), mode="L").convert("P")
    indices.putpalette([9, 9, 9, 10, 200, 30])
    path = tmp_path / "p.png"
    indices.save(path, transparency=0)
    rgb = load_photo(path).rgb
    assert (rgb[:, :10] == 255).all()
    assert (rgb[:, 10:] == (10, 200, 30)).all()


def test_sixteen_bit_grey_keeps_its_brightness(tmp_path: Path):
    levels = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    path = tmp_path / "p.png"
    Image.fromarray(levels).save(path)
    rgb = load_photo(path).rgb
    assert np.abs(rgb.astype(float) - levels[..., None] / 257).max() <= 0.5


def test_sixteen_bit_colour_keeps_its_brightness(tmp_path: Path):
    levels = np.random.default_rng(0).integers(0, 65536, (32, 32, 3))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    path = tmp_path / "p.png"
    path.write_bytes(png(32, 32, 16, 2, rows))
    assert np.abs(load_photo(path).rgb - levels / 257).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK"])
def test_every_mode_becomes_three_channels_of_the_same_picture(tmp_path: Path, mode: str):
    picture = Image.new("RGB", (32, 24), "black")
    picture.paste("white", (16, 0, 32, 24))
    path = tmp_path / ("p.tiff" if mode == "CMYK" else "p.png")
    picture.convert(mode).save(path)
    rgb = load_photo(path).rgb
    assert rgb.shape == (24, 32, 3)
    assert rgb[:, :16].max() <= 5
    assert rgb[:, 16:].min() >= 250


def wide_gamut_profile() -> bytes:
    """sRGB's profile with the red and green primaries exchanged: easy to see whether it was used."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data = data.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")
    return bytes(data.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be")))


def test_a_colour_profile_is_converted_to_srgb(tmp_path: Path):
    path = tmp_path / "p.png"
    Image.new("RGB", (20, 20), (200, 20, 20)).save(path, icc_profile=wide_gamut_profile())
    r, g, b = load_photo(path).rgb[10, 10].astype(int)
    assert abs(r - 20) < 12
    assert abs(g - 200) < 12
    assert abs(b - 20) < 12


def test_an_srgb_profile_changes_no_pixel(tmp_path: Path):
    path = tmp_path / "p.png"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(gradient()).save(path, icc_profile=profile)
    assert np.array_equal(load_photo(path).rgb, gradient())


def test_a_broken_profile_is_said_and_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "p.png"
    Image.fromarray(gradient()).save(path, icc_profile=b"no profile at all")
    assert np.array_equal(load_photo(path).rgb, gradient())
    assert "can't be used" in caplog.text


@pytest.mark.parametrize("side", [60000, 12000])
def test_a_header_that_claims_too_much_is_refused_without_decoding(tmp_path: Path, side: int):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, 8, 2, b"\0" * 100))
    with pytest.raises(BadInput, match="more than 100 megapixels"):
        load_photo(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str):
    whole = tmp_path / f"whole.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)).save(whole)
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(BadInput, match=r"damaged or cut short|not a picture"):
        load_photo(path)


def test_what_is_no_picture_is_refused_with_the_formats(tmp_path: Path):
    path = tmp_path / "p.jpg"
    path.write_text("hello")
    with pytest.raises(BadInput, match="JPEG, PNG, WebP or TIFF"):
        load_photo(path)


def test_a_missing_file_a_folder_and_an_empty_file_are_told_apart(tmp_path: Path):
    with pytest.raises(BadInput, match="There is no file"):
        load_photo(tmp_path / "nothing.png")
    with pytest.raises(BadInput, match="is a folder"):
        load_photo(tmp_path)
    (tmp_path / "zero.png").touch()
    with pytest.raises(BadInput, match="empty"):
        load_photo(tmp_path / "zero.png")


def test_an_icon_is_refused_with_its_size(tmp_path: Path):
    path = tmp_path / "icon.png"
    Image.new("RGB", (200, 15)).save(path)
    with pytest.raises(BadInput, match="200×15 px"):
        load_photo(path)


def test_float_pictures_are_refused(tmp_path: Path):
    path = tmp_path / "p.tiff"
    Image.fromarray(np.full((20, 20), 0.5, np.float32)).save(path)
    with pytest.raises(BadInput, match="8 or 16 bits"):
        load_photo(path)


def test_limit_size_shrinks_the_longer_side_and_keeps_the_identity(tmp_path: Path):
    path = tmp_path / "p.png"
    Image.fromarray(gradient(300, 200)).save(path)
    photo = load_photo(path)
    small, factor = limit_size(photo, 100)
    assert small.hw == (100, 67)
    assert factor == pytest.approx(1 / 3)
    assert small.sha256 == photo.sha256
    assert np.abs(small.rgb.mean((0, 1)) - photo.rgb.mean((0, 1))).max() < 2
    assert limit_size(photo, 300) == (photo, 1.0)


def test_broken_exif_costs_only_the_exif(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path = tmp_path / "p.jpg"
    Image.fromarray(gradient()).save(path, exif=exif)
    path.write_bytes(path.read_bytes().replace(b"MM\x00*", b"MM?*", 1))
    assert load_photo(path).hw == (40, 60)
    assert "EXIF data of p.jpg can't be read" in caplog.text


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_damaged_bytes_are_refused_or_read_but_never_crash(tmp_path: Path, suffix: str):
    rng = np.random.default_rng(0)
    whole = tmp_path / f"whole.{suffix}"
    Image.fromarray(gradient()).save(whole)
    refused = 0
    for _ in range(60):
        data = bytearray(whole.read_bytes())
        for position in rng.integers(0, min(len(data), 300), 4):
            data[position] = rng.integers(256)
        path = tmp_path / f"damaged.{suffix}"
        path.write_bytes(data)
        try:
            assert load_photo(path).rgb.ndim == 3
        except BadInput:
            refused += 1
    assert refused > 0
