"""Photos as cameras and editors write them."""

import hashlib
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paco_core.errors import BadInput
from paco_core.photo import limit_size, load_photo
from tests.photofiles import exif_with, gradient, png, tiff


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


def test_heic_is_read(tmp_path: Path):
    pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / "IMG_0001.HEIC"
    smooth = Image.fromarray(gradient(96, 128))
    exif = exif_with(FocalLengthIn35mmFilm=26)
    smooth.save(path, format="HEIF", quality=90, exif=exif.tobytes())
    photo = load_photo(path)
    assert np.abs(photo.rgb.astype(int) - np.asarray(smooth)).mean() < 8
    assert photo.focal_35mm == 26


def test_avif_is_read(tmp_path: Path):
    path = tmp_path / "p.avif"
    Image.fromarray(gradient()).save(path, quality=95)
    assert np.abs(load_photo(path).rgb.astype(int) - gradient()).mean() < 8


@pytest.mark.parametrize("suffix", ["webp", "png", "tiff"])
def test_the_first_page_or_frame_counts_and_that_is_said(tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture):
    path = tmp_path / f"p.{suffix}"
    first, second = Image.fromarray(gradient()), Image.fromarray(255 - gradient())
    first.save(path, save_all=True, append_images=[second], **({"lossless": True} if suffix == "webp" else {}))
    with caplog.at_level(logging.INFO):
        assert np.array_equal(load_photo(path).rgb, gradient())
    assert "several pages or frames: the first is used" in caplog.text


def test_a_phones_second_picture_is_left_out(tmp_path: Path):
    path = tmp_path / "p.jpg"
    Image.fromarray(gradient()).save(path, format="MPO", save_all=True, append_images=[Image.new("RGB", (30, 20))], quality=95)
    assert load_photo(path).hw == (40, 60)


def test_sixteen_bit_grey_whose_zero_is_white_is_not_a_negative(tmp_path: Path):
    levels = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    for photometric, expected in ((1, levels), (0, 65535 - levels)):
        (tmp_path / "p.tif").write_bytes(tiff(levels, photometric))
        assert np.abs(load_photo(tmp_path / "p.tif").rgb[..., 0] - expected / 257).max() <= 1


def test_sixteen_bit_colour_tiff_is_read_when_interleaved_and_refused_when_not(tmp_path: Path):
    levels = np.random.default_rng(0).integers(0, 65536, (32, 32, 3)).astype(np.uint16)
    (tmp_path / "p.tif").write_bytes(tiff(levels, 2))
    assert np.abs(load_photo(tmp_path / "p.tif").rgb - levels / 257).max() <= 1
    (tmp_path / "p.tif").write_bytes(tiff(levels, 2, separate=True))
    with pytest.raises(BadInput, match="interleaved channels"):  # Pillow reads it, as noise
        load_photo(tmp_path / "p.tif")


def test_a_lab_tiff_is_read(tmp_path: Path):
    lab = Image.merge("LAB", [Image.new("L", (20, 20), v) for v in (128, 128, 128)])
    lab.save(tmp_path / "p.tif")
    assert np.ptp(load_photo(tmp_path / "p.tif").rgb[5, 5].astype(int)) <= 2


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
