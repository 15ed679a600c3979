"""Files with one number per pixel, as programs write them, and as attackers do."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.depthraster import read_raster
from paco_core.errors import BadInput, MissingDependency

Z = np.linspace(0.5, 6.0, 30 * 40, dtype=np.float32).reshape(30, 40)


def pfm(values: np.ndarray, *, scale: str = "-1.0", kind: str = "Pf", newline: str = "\n") -> bytes:
    """By the description on netpbm.sourceforge.net/doc/pfm.html."""
    order = "<f4" if scale.startswith("-") else ">f4"
    header = newline.join([kind, f"{values.shape[1]} {values.shape[0]}", scale, ""])
    return header.encode() + values[::-1].astype(order).tobytes()


@pytest.mark.parametrize("scale", ["-1.0", "1.0", "-0.003922", "1"])
def test_pfm_rows_go_up_and_the_sign_of_the_scale_is_the_order_of_the_bytes(tmp_path: Path, scale: str):
    (tmp_path / "d.pfm").write_bytes(pfm(Z, scale=scale))
    assert np.array_equal(read_raster(tmp_path / "d.pfm").values, Z)


def test_pfm_is_known_by_its_content_and_its_header_may_be_on_one_line(tmp_path: Path):
    (tmp_path / "disparity.dat").write_bytes(pfm(Z, newline=" "))
    assert np.array_equal(read_raster(tmp_path / "disparity.dat").values, Z)


@given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_pfm_round_trip(tmp_path_factory, h: int, w: int, little: bool, seed: int):
    values = np.random.default_rng(seed).normal(size=(h, w)).astype(np.float32)
    path = tmp_path_factory.mktemp("pfm") / "d.pfm"
    path.write_bytes(pfm(values, scale="-1" if little else "1"))
    found = read_raster(path).values
    assert found.shape == (h, w)
    assert np.array_equal(found, values)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (pfm(Z, kind="PF"), "a PFM with colours"),
        (pfm(Z)[:-1], "cut short: 40×30 px"),
        (pfm(Z, scale="0"), "damaged or cut short"),
        (pfm(Z, scale="-nan"), "damaged or cut short"),
        (b"Pf\n0 30\n-1\n", "damaged or cut short"),
        (b"Pf\n999999999 999999999\n-1\n" + bytes(100), "damaged or cut short"),
        (b"Pf\n-4 3\n-1\n" + bytes(48), "does not begin as a PFM file"),
        (b"Pf\nforty thirty\n-1\n", "does not begin as a PFM file"),
        (b"hello", "does not begin as a PFM file"),
    ],
)
def test_a_damaged_pfm_is_refused(tmp_path: Path, data: bytes, sentence: str):
    (tmp_path / "d.pfm").write_bytes(data)
    with pytest.raises(BadInput, match=sentence):
        read_raster(tmp_path / "d.pfm")


def exr(path: Path, channels: dict[str, np.ndarray], header: dict[str, object] | None = None) -> Path:
    openexr = pytest.importorskip("OpenEXR")
    head = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage, **(header or {})}
    openexr.File(head, dict(channels)).write(str(path))
    return path


@pytest.mark.parametrize(
    "names", [("Z",), ("Y",), ("R", "G", "B", "Depth.Z"), ("ViewLayer.Depth.Z", "ViewLayer.Combined.R"), ("V",)]
)
def test_an_exr_is_read_from_the_channel_that_holds_depth(tmp_path: Path, names: tuple[str, ...]):
    depth = next(name for name in names if name[-1] in "ZYV")
    path = exr(tmp_path / "d.exr", {name: Z if name == depth else Z * 0 for name in names})
    assert np.array_equal(read_raster(path).values, Z)


def test_an_exr_with_three_equal_colours_is_read(tmp_path: Path):
    path = exr(tmp_path / "d.exr", {"R": Z, "G": Z, "B": Z, "A": Z * 0 + 1})
    assert np.array_equal(read_raster(path).values, Z)


def test_an_exr_of_a_picture_is_refused_with_its_channels(tmp_path: Path):
    path = exr(tmp_path / "d.exr", {"R": Z, "G": Z + 1, "B": Z})
    with pytest.raises(BadInput, match="these channels: B, G, R"):
        read_raster(path)


@pytest.mark.parametrize(
    ("dtype", "nothing"), [(np.float32, 1e10), (np.float32, 3e38), (np.float16, 65504.0), (np.float16, np.inf)]
)
def test_what_a_renderer_writes_where_there_is_nothing_is_unknown(tmp_path: Path, dtype: type, nothing: float):
    values = Z.astype(dtype)
    values[3, 4] = nothing
    found = read_raster(exr(tmp_path / "d.exr", {"Z": values})).values
    assert not np.isfinite(found[3, 4])
    assert np.isfinite(found).sum() == found.size - 1


def test_an_exr_of_a_rendered_window_is_laid_into_its_picture(tmp_path: Path):
    windows = {
        "dataWindow": (np.array([10, 5], np.int32), np.array([49, 34], np.int32)),
        "displayWindow": (np.array([0, 0], np.int32), np.array([63, 47], np.int32)),
    }
    found = read_raster(exr(tmp_path / "d.exr", {"Z": Z}, windows)).values
    assert found.shape == (48, 64)
    assert np.array_equal(found[5:35, 10:50], Z)
    assert np.isnan(found).sum() == 48 * 64 - Z.size


def test_a_damaged_exr_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    whole = exr(tmp_path / "d.exr", {"Z": np.linspace(1, 2, 12000, dtype=np.float32).reshape(300, 40)}).read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    for data in (whole[: len(whole) // 2], whole[:-5], whole[:100], bytes(flipped), b"hello"):
        (tmp_path / "d.exr").write_bytes(data)
        with pytest.raises(BadInput, match="not an OpenEXR file that can be read"):
            read_raster(tmp_path / "d.exr")


def test_an_exr_that_claims_more_than_it_can_hold_is_refused_unread(tmp_path: Path):
    data = exr(tmp_path / "d.exr", {"Z": Z}).read_bytes()
    corner = np.array([39, 29], "<i4").tobytes()
    assert data.count(corner) == 2
    (tmp_path / "d.exr").write_bytes(data.replace(corner, np.array([9_999_999, 9_999], "<i4").tobytes()))
    with pytest.raises(BadInput, match="more than it can hold"):
        read_raster(tmp_path / "d.exr")


def test_exr_without_its_reader_is_answered_by_the_line_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    (tmp_path / "d.exr").write_bytes(b"\x76\x2f\x31\x01" + bytes(100))
    with pytest.raises(MissingDependency, match=r"pip install 'paco-scene3d\[exr\]'"):
        read_raster(tmp_path / "d.exr")


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "u1", ">u2", "i4", "<i8"])
def test_every_number_type_of_numpy_is_read(tmp_path: Path, dtype: str):
    values = (Z * 20).astype(dtype)
    np.save(tmp_path / "d.npy", np.asfortranarray(values[..., None]))
    assert np.array_equal(read_raster(tmp_path / "d.npy").values, values)


def test_an_archive_that_unpacks_to_gigabytes_is_refused_packed(tmp_path: Path):
    np.savez_compressed(tmp_path / "d.npz", depth=np.zeros((100, 100)))
    data = bytearray((tmp_path / "d.npz").read_bytes())
    field = data.index(b"PK\x01\x02") + 24  # of the central directory: the size before packing
    data[field : field + 4] = (1_700_000_000).to_bytes(4, "little")
    (tmp_path / "d.npz").write_bytes(data)
    with pytest.raises(BadInput, match=r"unpacks to 1\.7 GB"):
        read_raster(tmp_path / "d.npz")


def test_an_array_of_more_than_100_megapixels_is_refused_unread(tmp_path: Path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (11_000, 10_000)})
    with (tmp_path / "d.npy").open("wb") as file:  # sparse: takes no room on most disks
        file.write(header.getvalue())
        file.truncate(len(header.getvalue()) + 110_000_000)
    with pytest.raises(BadInput, match="holds 110 megapixels, more than 100"):
        read_raster(tmp_path / "d.npy")


def test_a_header_that_claims_more_than_the_file_has_is_refused(tmp_path: Path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    (tmp_path / "d.npy").write_bytes(header.getvalue() + bytes(800))
    with pytest.raises(BadInput, match="not a NumPy file with numbers"):
        read_raster(tmp_path / "d.npy")


@pytest.mark.parametrize("content", [b"hello", b"II*\0" + bytes(60), b"GIF89a" + bytes(60)])
def test_a_picture_that_is_no_depth_is_refused_with_how_to_save_depth(tmp_path: Path, content: bytes):
    (tmp_path / "d.tif").write_bytes(content)
    with pytest.raises(BadInput, match="as TIFF with 32-bit floats, or as a 16-bit PNG"):
        read_raster(tmp_path / "d.tif")
