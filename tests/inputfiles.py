"""Photo, depth and camera files as programs write them, and hostile ones: strategies for tests of readers."""

import io
import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image, ImageCms

from tests.maskfiles import any_json, odd_numbers
from tests.photofiles import exif_with, gradient, png, tiff

HW = (24, 32)
"""Size of the photo that these files are for, px."""
DEPTH = np.linspace(0.5, 6.0, HW[0] * HW[1], dtype=np.float32).reshape(HW)

_ODD_INTS = (0, 1, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 100_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@st.composite
def broken(draw: st.DrawFn, files: st.SearchStrategy[bytes]) -> bytes:
    """A file with some bytes changed or whole numbers of its header replaced, perhaps cut short."""
    data = bytearray(draw(files))
    reach = draw(st.sampled_from([64, 400, len(data)]))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(min(reach, len(data)) - 1, 0)))
        match draw(st.sampled_from(["byte", "bit", "big", "little"])):
            case "byte":
                data[at] = draw(st.integers(0, 255))
            case "bit":
                data[at] ^= 1 << draw(st.integers(0, 7))
            case order:
                number = draw(st.sampled_from(_ODD_INTS))
                data[at : at + 4] = number.to_bytes(4, "big" if order == "big" else "little")
    if draw(st.integers(0, 9)) == 0:
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


@cache
def whole_photos() -> dict[str, bytes]:
    """Photos in all formats and kinds of pixels, with EXIF and colour profile where they have them, by file name."""
    rgb = Image.fromarray(gradient(*HW))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"\0s\0R\0G\0B", b"\0s\0w\0a\0p")
    exif = exif_with(FocalLengthIn35mmFilm=28, ExifImageWidth=HW[1], ExifImageHeight=HW[0])
    exif[274] = 6
    more = {"exif": exif.tobytes(), "icc_profile": profile}
    kinds = {
        "a.jpg": ("RGB", "JPEG", more),
        "grey.jpg": ("L", "JPEG", more),
        "cmyk.jpg": ("CMYK", "JPEG", {"progressive": True}),
        "a.png": ("RGB", "PNG", more),
        "palette.png": ("P", "PNG", {"transparency": 3}),
        "alpha.png": ("LA", "PNG", {}),
        "a.webp": ("RGBA", "WEBP", more),
        "moving.webp": ("RGB", "WEBP", {"save_all": True, "append_images": [rgb]}),
        "a.tiff": ("RGB", "TIFF", more),
        "lzw.tiff": ("RGBA", "TIFF", {"compression": "tiff_lzw"}),
        "pages.tiff": ("L", "TIFF", {"save_all": True, "append_images": [rgb]}),
        "a.avif": ("RGB", "AVIF", more),
    }
    files = {name: _saved(rgb.convert(mode), kind, options) for name, (mode, kind, options) in kinds.items()}
    files["sixteen.png"] = png(*HW[::-1], 16, 2, b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in gradient(*HW)))
    files["sixteen.tiff"] = tiff(gradient(*HW).astype(np.uint16) * 257, 2)
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return files
    register_heif_opener()
    return {**files, "a.heic": _saved(rgb, "HEIF", more)}


def _saved(image: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@cache
def whole_depths() -> dict[str, bytes]:
    """The same depth in all formats, by file name."""
    files = {"d.pfm": b"Pf\n%d %d\n-1.0\n" % HW[::-1] + DEPTH[::-1].astype("<f4").tobytes()}
    for name, save in (("d.npy", np.save), ("d.npz", np.savez_compressed)):
        out = io.BytesIO()
        save(out, DEPTH)
        files[name] = out.getvalue()
    files["d.png"] = _saved(Image.fromarray((DEPTH * 1000).astype(np.uint16)), "PNG", {})
    files["d.tiff"] = _saved(Image.fromarray(DEPTH), "TIFF", {})
    files["grey.png"] = _saved(Image.fromarray((DEPTH * 40).astype(np.uint8)), "PNG", {})
    try:
        import OpenEXR
    except ImportError:
        return files
    kinds = {"zip": OpenEXR.ZIP_COMPRESSION, "piz": OpenEXR.PIZ_COMPRESSION, "none": OpenEXR.NO_COMPRESSION}
    with tempfile.TemporaryDirectory() as folder:
        for name, compression in kinds.items():
            path = Path(folder) / "d.exr"
            values = DEPTH.astype(np.float16) if name == "piz" else DEPTH
            OpenEXR.File({"compression": compression, "type": OpenEXR.scanlineimage}, {"Z": values}).write(str(path))
            files[f"{name}.exr"] = path.read_bytes()
    return files


def broken_photos() -> st.SearchStrategy[tuple[str, bytes]]:
    """(file name, content) of photos in all formats, damaged."""
    return _named(whole_photos())


def broken_depths() -> st.SearchStrategy[tuple[str, bytes]]:
    """(file name, content) of depth files in all formats, damaged."""
    return _named(whole_depths())


def _named(files: dict[str, bytes]) -> st.SearchStrategy[tuple[str, bytes]]:
    return st.sampled_from(sorted(files)).flatmap(lambda name: st.tuples(st.just(name), broken(st.just(files[name]))))


_TOKENS = "PINHOLE SIMPLE_RADIAL FISHEYE cam0= doffs=1 # x [ ;".split()
_words = st.one_of(odd_numbers.map(str), st.sampled_from(_TOKENS))
_values = st.one_of(odd_numbers, st.floats(1, 3000), st.sampled_from([24, 32, 30.0, 16, 12]), any_json)
_camera_keys = "fx fy cx cy f fl_x fl_y width height w h K camera camera_matrix intrinsics data k1 p1".split()


def camera_files() -> st.SearchStrategy[tuple[str, bytes]]:
    """(file name, content) of files that look like intrinsics, most of them wrong."""
    fields = st.dictionaries(st.sampled_from(_camera_keys), _values, max_size=8)
    matrix = st.lists(st.lists(_values, min_size=3, max_size=3), min_size=3, max_size=3)
    as_json = st.one_of(
        fields, matrix, any_json, st.builds(lambda f, k: {**f, "K": k}, fields, matrix), fields.map(lambda f: {"camera": f})
    )
    text = st.lists(st.lists(_words, max_size=9).map(" ".join), max_size=5).map("\n".join)
    return st.one_of(
        as_json.map(lambda value: ("camera.json", json.dumps(value).encode())),
        text.map(lambda value: ("cameras.txt", value.encode())),
        st.tuples(st.sampled_from(["c.json", "c.txt", "K.npy", "cameras.bin"]), st.binary(max_size=60)),
    )


def orders(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    """Words of ``--order`` about objects with these names, right and wrong."""
    word = st.one_of(st.sampled_from([*names, *map(str, range(len(names) + 2))]), st.text(max_size=4))
    chain = st.lists(word, max_size=4).map(">".join)
    return st.lists(chain | st.text(max_size=8), max_size=4).map(tuple)
