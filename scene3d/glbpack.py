"""The binary container of glTF 2.0: arrays and pictures become buffer views of one blob, the blob and its JSON one file.

Source: glTF 2.0 specification, sections 3.6 (binary data) and 4 (GLB). The writer is our own, and not trimesh's, because
the JPEG quality, the node tree and every accessor's bounds are ours to decide; trimesh reads the files back in tests.
"""

import io
import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8, UInt32
from PIL import Image

FLOAT, UNSIGNED_INT = 5126, 5125
VERTEX_DATA, INDEX_DATA = 34962, 34963
LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP_TO_EDGE = 9729, 9987, 33071
MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942


@dataclass(frozen=True)
class MeshArrays:
    """What the graphics card gets of one mesh: no degenerate triangle, no unused vertex, unit normals."""

    positions: Float32[np.ndarray, "v 3"]
    normals: Float32[np.ndarray, "v 3"]
    uv: Float32[np.ndarray, "v 2"]
    indices: UInt32[np.ndarray, "i"]


@dataclass
class GlbBuilder:
    """Grows a glTF document and its binary blob side by side; every ``add_`` returns the new entry's index."""

    document: dict[str, Any] = field(default_factory=dict)
    blob: bytearray = field(default_factory=bytearray)

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        """Append an entry to one of the document's lists (``nodes``, ``meshes`` …)."""
        entries = self.document.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1

    def add_view(self, data: bytes, target: int | None = None) -> int:
        """Append bytes at a multiple of four (specification 3.6.2.4)."""
        self.blob.extend(b"\0" * (-len(self.blob) % 4))
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self.blob.extend(data)
        return self.add("bufferViews", view)

    def add_mesh(self, name: str, arrays: MeshArrays, material: int) -> int:
        """One primitive of triangles."""
        bounds = {"min": arrays.positions.min(0).tolist(), "max": arrays.positions.max(0).tolist()}
        attributes = {
            "POSITION": self._add_floats(arrays.positions, "VEC3", bounds),
            "NORMAL": self._add_floats(arrays.normals, "VEC3", {}),
            "TEXCOORD_0": self._add_floats(arrays.uv, "VEC2", {}),
        }
        view = self.add_view(arrays.indices.astype("<u4").tobytes(), INDEX_DATA)
        count = len(arrays.indices)
        indices = self.add("accessors", {"bufferView": view, "componentType": UNSIGNED_INT, "count": count, "type": "SCALAR"})
        primitive = {"attributes": attributes, "indices": indices, "material": material, "mode": 4}
        return self.add("meshes", {"name": name, "primitives": [primitive]})

    def add_texture(self, name: str, picture: bytes, mime: str) -> int:
        """An encoded picture, sampled with mip-maps and without repetition."""
        if "samplers" not in self.document:
            self.add(
                "samplers",
                {
                    "magFilter": LINEAR,
                    "minFilter": LINEAR_MIPMAP_LINEAR,
                    "wrapS": CLAMP_TO_EDGE,
                    "wrapT": CLAMP_TO_EDGE,
                },
            )
        image = self.add("images", {"name": name, "bufferView": self.add_view(picture), "mimeType": mime})
        return self.add("textures", {"sampler": 0, "source": image})

    def to_bytes(self) -> bytes:
        """The finished file. The JSON chunk is padded with spaces, the binary one with zeros (specification 4.4)."""
        self.blob.extend(b"\0" * (-len(self.blob) % 4))
        document = {**self.document, "buffers": [{"byteLength": len(self.blob)}]}
        text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(self.blob)
        return b"".join(
            (
                struct.pack("<III", MAGIC, 2, total),
                struct.pack("<II", len(text), JSON_CHUNK),
                text,
                struct.pack("<II", len(self.blob), BINARY_CHUNK),
                bytes(self.blob),
            )
        )

    def _add_floats(self, values: Float32[np.ndarray, "v k"], kind: str, bounds: dict[str, list[float]]) -> int:
        view = self.add_view(values.astype("<f4").tobytes(), VERTEX_DATA)
        entry = {"bufferView": view, "componentType": FLOAT, "count": len(values), "type": kind, **bounds}
        return self.add("accessors", entry)


def encode_jpeg(rgb: UInt8[np.ndarray, "h w 3"], quality: int) -> bytes:
    """JPEG without colour subsampling: textures have hard colour edges where charts meet."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality, subsampling=0, optimize=True)
    return out.getvalue()


def encode_png(rgb: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """PNG, lossless."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "PNG", compress_level=6)
    return out.getvalue()


def split_glb(data: bytes) -> tuple[dict[str, Any], bytes]:
    """JSON document and binary blob of a GLB file; ``ValueError`` says what is wrong with the container."""
    if len(data) < 20:
        raise ValueError("the file is shorter than a GLB header")
    magic, version, total = struct.unpack("<III", data[:12])
    if magic != MAGIC or version != 2 or total != len(data):
        raise ValueError(f"GLB header is wrong: magic {magic:#x}, version {version}, length {total} of {len(data)}")
    size, kind = struct.unpack("<II", data[12:20])
    if kind != JSON_CHUNK or size % 4 or 20 + size > total:
        raise ValueError("the first chunk is no JSON chunk of a length that four divides")
    document = json.loads(data[20 : 20 + size])
    rest = data[20 + size :]
    if not rest:
        return document, b""
    size, kind = struct.unpack("<II", rest[:8])
    if kind != BINARY_CHUNK or size % 4 or size != len(rest) - 8:
        raise ValueError("the second chunk is no binary chunk of a length that four divides")
    return document, rest[8:]
