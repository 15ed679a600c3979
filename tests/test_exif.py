"""What EXIF says: which way is up, and the lens."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from paco_core.photo import load_photo
from tests.photofiles import EXIF_IFD, FOCAL_35MM, ORIENTATION, exif_with, gradient

UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 3),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}
"""By the EXIF standard's words: 6 means that row 0 of the file is the right-hand side of the scene, and so on."""


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "avif", "heic"])
def test_all_eight_exif_orientations_are_applied_in_every_format(tmp_path: Path, orientation: int, suffix: str):
    if suffix == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    quarters = np.zeros((64, 96, 3), np.uint8)
    quarters[:32, :48], quarters[:32, 48:], quarters[32:, :48] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(quarters).save(path, exif=exif.tobytes())
    rgb, expected = load_photo(path).rgb, UPRIGHT[orientation](quarters)
    assert rgb.shape == expected.shape
    assert np.array_equal(rgb[4::8, 4::8] > 127, expected[4::8, 4::8] > 127)


@pytest.mark.parametrize(("stored", "read"), [(28, 28.0), (0, None)])
def test_the_35mm_focal_length_is_read_and_0_means_unknown(tmp_path: Path, stored: int, read: float | None):
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[FOCAL_35MM] = stored
    path = tmp_path / "p.jpg"
    Image.fromarray(gradient()).save(path, exif=exif)
    assert load_photo(path).focal_35mm == read


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # 36 × 24 mm with 60 px along 36 mm: 60 / 36 px per mm, 42.33 px per inch
        ({"FocalLength": 50.0, "FocalPlaneXResolution": 60 / 36 * 25.4, "FocalPlaneResolutionUnit": 2}, 50.0),
        ({"FocalLength": 50.0, "FocalPlaneXResolution": 60 / 36 * 10, "FocalPlaneResolutionUnit": 3}, 50.0),
        # half as large a sensor doubles the equivalent, and digital zoom doubles it again
        ({"FocalLength": 20.0, "FocalPlaneXResolution": 60 / 18 * 25.4, "FocalPlaneResolutionUnit": 2}, 40.0),
        ({"FocalLength": 20.0, "FocalPlaneXResolution": 60 / 18 * 25.4, "DigitalZoomRatio": 2.0}, 80.0),
        ({"FocalLength": 50.0, "FocalPlaneXResolution": 0.001}, None),  # a sensor of 1.5 km
        ({"FocalLength": 50.0}, None),
        ({"FocalLengthIn35mmFilm": 28, "FocalLength": 4.2}, 28.0),
    ],
)
def test_the_focal_length_follows_from_the_sensors_size(tmp_path: Path, fields: dict[str, object], expected: float | None):
    path = tmp_path / "p.jpg"
    Image.fromarray(gradient()).save(path, exif=exif_with(ExifImageWidth=60, ExifImageHeight=40, **fields))
    focal = load_photo(path).focal_35mm
    assert focal == (expected and pytest.approx(expected, rel=1e-3))


@pytest.mark.parametrize("stored", [IFDRational(0, 0), 60000, 2, IFDRational(1, 0)])
def test_a_focal_length_that_no_lens_has_is_left_out(tmp_path: Path, stored: object):
    path = tmp_path / "p.tiff"
    sensor = {"FocalPlaneXResolution": 60 / 36 * 25.4, "ExifImageWidth": 60, "ExifImageHeight": 40}
    Image.fromarray(gradient()).save(path, exif=exif_with(FocalLength=stored, **sensor))
    assert load_photo(path).focal_35mm is None


def test_a_cropped_photo_keeps_the_focal_length_in_pixels(tmp_path: Path):
    path = tmp_path / "p.jpg"
    exif = exif_with(FocalLengthIn35mmFilm=30, ExifImageWidth=80, ExifImageHeight=60)
    focal_px = [30 * math.hypot(80, 60)]
    for size in ((80, 60), (80, 45), (60, 60), (40, 20)):  # whole, 16:9, square, a half-size panorama
        Image.fromarray(gradient()).resize(size).save(path, exif=exif)
        photo = load_photo(path)
        assert photo.focal_35mm is not None
        focal_px.append(photo.focal_35mm * math.hypot(*photo.hw) * (80 / size[0] if size[0] != 60 else 1))
    assert focal_px == pytest.approx([focal_px[0]] * 5)


def test_broken_exif_costs_only_the_exif(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path = tmp_path / "p.jpg"
    Image.fromarray(gradient()).save(path, exif=exif)
    path.write_bytes(path.read_bytes().replace(b"MM\x00*", b"MM?*", 1))
    assert load_photo(path).hw == (40, 60)
    assert "EXIF data of p.jpg can't be read" in caplog.text
