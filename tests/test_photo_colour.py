"""Colour profiles of photos."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from paco_core.photo import load_photo
from tests.photofiles import EXIF_IFD, gradient


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


def icc_profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A minimal ICC version 2 input profile (ICC.1:2001, 6.1: header of 128 bytes, table of tags, tags)."""
    description = b"a scanner"
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(description) + 1) + description + bytes(80), **tags}
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    pcs = b"XYZ " if space == b"GRAY" else b"Lab "
    head = struct.pack(">I4sI4s4s4s", 128 + len(table) + len(body), b"lcms", 0x02100000, b"scnr", space, pcs) + bytes(12)
    head += b"acsp" + bytes(28) + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)  # illuminant D50
    return head.ljust(128, b"\0") + table + body


def grey_profile(gamma: float) -> bytes:
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    return icc_profile(b"GRAY", {b"wtpt": white, b"kTRC": curve})


def cmyk_profile() -> bytes:
    """Lab by a table of two points along each ink: no ink is white, one ink is the colour listed here, all else is black."""
    lab = {0b0000: (100, 0, 0), 0b1000: (60, -40, -50), 0b0100: (50, 75, 0), 0b0010: (90, 0, 95)}
    points = [lab.get(i, (0, 0, 0)) for i in range(16)]
    table = b"".join(bytes([round(lightness * 2.55), a + 128, b + 128]) for lightness, a, b in points)
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    identity = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + identity * 4 + table + identity * 3
    return icc_profile(b"CMYK", {b"A2B0": lut})


def test_a_grey_profile_is_converted(tmp_path: Path):
    path = tmp_path / "p.jpg"
    Image.new("L", (20, 20), 128).save(path, icc_profile=grey_profile(1.0), quality=100)
    assert abs(int(load_photo(path).rgb[10, 10, 0]) - 188) <= 1  # half of the light is level 188 of sRGB


def test_a_cmyk_jpeg_with_its_profile_is_converted(tmp_path: Path):
    path = tmp_path / "p.jpg"
    for inks, rgb in (((0, 0, 0, 0), (255, 255, 255)), ((0, 0, 255, 0), (255, 225, 0)), ((0, 255, 0, 0), (228, 0, 122))):
        Image.new("CMYK", (20, 20), inks).save(path, icc_profile=cmyk_profile(), quality=100)
        assert np.abs(load_photo(path).rgb[10, 10].astype(int) - rgb).max() <= 20, inks


def test_a_colour_profile_in_a_grey_picture_counts(tmp_path: Path):
    path = tmp_path / "p.png"
    Image.new("L", (20, 20), 100).save(path, icc_profile=wide_gamut_profile())
    assert np.abs(load_photo(path).rgb.astype(int) - 100).max() <= 1


def test_a_profile_for_other_pixels_is_said_and_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "p.png"
    Image.fromarray(gradient()).save(path, icc_profile=grey_profile(2.2))
    assert np.array_equal(load_photo(path).rgb, gradient())
    assert "can't be used (it is for GRAY, the pixels are RGB)" in caplog.text


def test_a_camera_that_says_adobe_rgb_without_a_profile_is_believed(tmp_path: Path):
    exif = Image.Exif()
    exif[EXIF_IFD] = {ExifTags.IFD.Interop: {ExifTags.Interop.InteropIndex: "R03"}}
    path = tmp_path / "p.png"
    Image.new("RGB", (20, 20), (150, 100, 100)).save(path, exif=exif)
    r, g, b = load_photo(path).rgb[5, 5].astype(int)
    assert r > 160
    assert abs(g - 100) <= 2
    assert abs(b - 100) <= 3
    Image.new("RGB", (20, 20), (128, 128, 128)).save(path, exif=exif)
    assert np.abs(load_photo(path).rgb.astype(int) - 128).max() <= 2


def test_a_broken_profile_is_said_and_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "p.png"
    Image.fromarray(gradient()).save(path, icc_profile=b"no profile at all")
    assert np.array_equal(load_photo(path).rgb, gradient())
    assert "can't be used" in caplog.text
