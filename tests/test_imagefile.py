"""Picture files that are not what they should be: every one has its sentence."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paco_core.errors import BadInput, MissingDependency
from paco_core.photo import load_photo
from tests.photofiles import gradient, png, tiff


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


def test_heic_without_its_reader_is_answered_by_the_line_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\0\0\0\x24ftypheic" + bytes(100))
    with pytest.raises(MissingDependency, match=r"pip install 'paco-scene3d\[heic\]'"):
        load_photo(path)


def test_raw_files_are_refused_before_their_thumbnail_is_taken_for_the_photo(tmp_path: Path):
    thumbnail = np.zeros((32, 32, 3), np.uint16)
    (tmp_path / "p.nef").write_bytes(tiff(thumbnail, 2))
    (tmp_path / "renamed.tif").write_bytes(tiff(thumbnail, 2, more={50706: 1}))  # DNGVersion
    for name in ("p.nef", "renamed.tif"):
        with pytest.raises(BadInput, match="RAW file. Develop it first"):
            load_photo(tmp_path / name)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"GIF89a", "a GIF"),
        (b"BM", "a BMP"),
        (b"8BPS", "a Photoshop document"),
        (b"%PDF-1.7", "a PDF"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"  <svg>", "an SVG"),
        (b"\0\0\0\x18ftypmp42", "a video"),
        (b"\0\0\0\x18ftypavif", "an AVIF picture, which can't be read"),
        (b"II*\0", "a TIFF that can't be read"),
        (b"hello", "not a picture"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path: Path, start: bytes, said: str):
    (tmp_path / "p.jpg").write_bytes(start + bytes(50))
    with pytest.raises(BadInput, match=f"is {said}"):
        load_photo(tmp_path / "p.jpg")


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


def test_names_and_files_that_can_not_be_read_are_refused(tmp_path: Path):
    with pytest.raises(BadInput, match=r"can't be read|no file"):
        load_photo(tmp_path / "a\0b.png")
    with pytest.raises(BadInput, match=r"can't be read|no file"):
        load_photo(tmp_path / ("a" * 300 + ".png"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(BadInput, match="a device or a pipe"):  # reading it would wait for ever
            load_photo(tmp_path / "pipe.png")


def test_a_file_of_many_gigabytes_is_refused_unread(tmp_path: Path):
    path = tmp_path / "p.png"
    with path.open("wb") as file:
        file.truncate(3 * 10**9)
    with pytest.raises(BadInput, match=r"has 3\.0 GB"):
        load_photo(path)


def test_a_jpeg_with_thousands_of_scans_is_refused(tmp_path: Path):
    path = tmp_path / "p.jpg"
    Image.fromarray(gradient()).save(path, progressive=True)
    data = path.read_bytes()
    path.write_bytes(data[:-2] + data[data.rindex(b"\xff\xda") : -2] * 300 + data[-2:])
    with pytest.raises(BadInput, match="more than 200 scans"):
        load_photo(path)


def test_an_icon_is_refused_with_its_size(tmp_path: Path):
    path = tmp_path / "icon.png"
    Image.new("RGB", (200, 15)).save(path)
    with pytest.raises(BadInput, match="200×15 px"):
        load_photo(path)


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
