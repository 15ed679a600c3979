"""Picture files for tests, written by hand where no library writes them."""

import struct
import zlib

import numpy as np
from PIL import ExifTags, Image

ORIENTATION, EXIF_IFD, FOCAL_35MM = 0x0112, 0x8769, 0xA405


def gradient(h: int = 40, w: int = 60) -> np.ndarray:
    v, u = np.mgrid[:h, :w]
    return np.stack([u * 255 // w, v * 255 // h, (u + v) % 256], axis=-1).astype(np.uint8)


def exif_with(**fields: object) -> Image.Exif:
    exif = Image.Exif()
    for name, value in fields.items():
        exif.get_ifd(EXIF_IFD)[ExifTags.Base[name]] = value
    return exif


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(values: np.ndarray, photometric: int, *, separate: bool = False, more: dict[int, int] | None = None) -> bytes:
    """An uncompressed TIFF (TIFF 6.0) of 16-bit values (h, w) or (h, w, 3)."""
    h, w = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    planes = [values[..., c] for c in range(channels)] if separate else [values]
    data = [plane.astype("<u2").tobytes() for plane in planes]
    tags: dict[int, tuple[int, list[int]]] = {
        256: (4, [w]), 257: (4, [h]), 258: (3, [16] * channels), 259: (3, [1]), 262: (3, [photometric]), 277: (3, [channels]),
        278: (4, [h]), 284: (3, [2 if separate else 1]), **{tag: (1, [value]) for tag, value in (more or {}).items()},
    }  # fmt: skip
    lengths = [len(d) for d in data]
    tags[273], tags[279] = (4, [0] * len(data)), (4, lengths)
    size, out, extra = {1: 1, 3: 2, 4: 4}, b"", b""
    where = 8 + 2 + 12 * len(tags) + 4
    after = where + sum(len(v) * size[k] for k, v in tags.values() if len(v) * size[k] > 4)
    tags[273] = (4, [after + sum(lengths[:i]) for i in range(len(data))])
    for tag, (kind, numbers) in sorted(tags.items()):
        packed = b"".join(n.to_bytes(size[kind], "little") for n in numbers)
        if len(packed) > 4:
            out, extra = out + struct.pack("<HHII", tag, kind, len(numbers), where + len(extra)), extra + packed
        else:
            out += struct.pack("<HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + out + bytes(4) + extra + b"".join(data)
