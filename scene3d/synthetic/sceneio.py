"""One rendered scene as the files of a shard, and back: pictures as PNG, exact arrays as npz, the rest as JSON, and a GLB."""

import io
import json
import zipfile
from typing import Any

import numpy as np
from PIL import Image

from paco_core.errors import BadInput
from paco_core.types import Camera, DepthMap, Photo, Segmentation
from scene3d.glb import scene_glb
from scene3d.synthetic.baking import scene_of
from scene3d.synthetic.truth import TrueObject, TrueScene
from scene3d.types import Pose

VERSION = 1
FAST = 1
"""Of zlib's levels: depth and normals hardly get smaller with more, but take several times as long."""
MOST_PX = 2048
MOST_OBJECTS = 250
"""Visible ids are bytes."""
ARRAYS = ("z", "normals", "ids", "amodal", "vertices", "faces", "vertex_ends", "face_ends")


def encode(truth: TrueScene, *, glb: bool = True) -> dict[str, bytes]:
    """Files by extension: ``photo.png``, ``empty.png``, ``alone.ID.png`` (cropped), ``truth.npz``, ``scene.json``, ``.glb``."""
    files = {"photo.png": _png(truth.photo.rgb), "empty.png": _png(truth.empty)}
    boxes = {}
    for obj, alone in zip(truth.objects, truth.alone, strict=True):
        rows, cols = (np.flatnonzero(alone[..., 3].any(axis=axis)) for axis in (1, 0))
        x0, y0, x1, y1 = boxes[obj.id] = int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1
        files[f"alone.{obj.id}.png"] = _png(alone[y0:y1, x0:x1])
    files["truth.npz"] = _npz(_arrays(truth))
    files["scene.json"] = json.dumps(_document(truth, boxes)).encode()
    if glb:
        files["scene.glb"] = scene_glb(scene_of(truth))
    return files


def decode(files: dict[str, bytes], name: str) -> TrueScene:
    """What ``encode`` took, but for the looks. Raises ``BadInput`` for files that are not whole or do not fit each other."""
    try:
        return _decode(files)
    except BadInput as flaw:
        raise BadInput(f"{name} is no rendered scene that can be used: {flaw}") from flaw
    except Exception as error:  # files from elsewhere can be wrong in any way
        raise BadInput(f"{name} can't be read as a rendered scene ({type(error).__name__}: {str(error)[:120]}).") from error


def _arrays(truth: TrueScene) -> dict[str, np.ndarray]:
    ids = np.zeros(truth.photo.hw, np.uint8)
    for number, mask in enumerate(truth.segmentation.masks, 1):
        ids[mask] = number
    return {
        "z": truth.depth.z,
        "normals": truth.normals.astype(np.float16),
        "ids": ids,
        "amodal": np.packbits(truth.amodal, axis=-1),
        "vertices": np.concatenate([obj.vertices for obj in truth.objects]),
        "faces": np.concatenate([obj.faces for obj in truth.objects]).astype(np.uint32),
        "vertex_ends": np.cumsum([len(obj.vertices) for obj in truth.objects]),
        "face_ends": np.cumsum([len(obj.faces) for obj in truth.objects]),
    }


def _document(truth: TrueScene, boxes: dict[int, tuple[int, int, int, int]]) -> dict[str, Any]:
    c = truth.camera
    visible = dict(zip(truth.segmentation.ids, truth.visible_fractions, strict=True))
    layers = dict(zip(truth.segmentation.ids, truth.layers, strict=True))
    return {
        "version": VERSION,
        "seed": truth.seed,
        "name": truth.photo.name,
        "sha256": truth.photo.sha256,
        "camera": {"fx": c.fx, "fy": c.fy, "cx": c.cx, "cy": c.cy, "width": c.width, "height": c.height},
        "world_from_camera": truth.world_from_camera.tolist(),
        "order": truth.order,
        "objects": [_object(obj, boxes[obj.id], layers[obj.id], visible[obj.id]) for obj in truth.objects],
    }


def _object(obj: TrueObject, box: tuple[int, int, int, int], layer: int, visible: float) -> dict[str, Any]:
    pose = {"translation": obj.world_from_object.translation.tolist(), "wxyz": obj.world_from_object.wxyz.tolist()}
    return {
        "id": obj.id,
        "name": obj.name,
        "source": obj.source,
        "world_from_object": pose,
        "size_m": obj.size_m,
        "support_id": obj.support_id,
        "support_height_m": obj.support_height_m,
        "layer": layer,
        "visible_fraction": round(visible, 6),
        "alone_xyxy": box,
    }


def _decode(files: dict[str, bytes]) -> TrueScene:
    content = json.loads(files["scene.json"])
    if content.get("version") != VERSION:
        raise BadInput(f"it has version {content.get('version')}, and this program reads {VERSION}. Make the scenes anew.")
    camera = Camera(**{key: content["camera"][key] for key in ("fx", "fy", "cx", "cy", "width", "height")}, source="synthetic")
    h, w = camera.height, camera.width
    listed = content["objects"]
    if not (min(h, w) > 0 and max(h, w) <= MOST_PX and 0 < len(listed) <= MOST_OBJECTS):
        raise BadInput(f"it has {len(listed)} objects on {h} x {w} px; scenes have 1 to {MOST_OBJECTS}, up to {MOST_PX} px.")
    arrays = _read_npz(files["truth.npz"], h * w)
    rgb = _pixels(files["photo.png"], (h, w), "RGB")
    alone = np.zeros((len(listed), h, w, 4), np.uint8)
    for k, obj in enumerate(listed):
        x0, y0, x1, y1 = obj["alone_xyxy"]
        alone[k, y0:y1, x0:x1] = _pixels(files[f"alone.{obj['id']}.png"], (y1 - y0, x1 - x0), "RGBA")
    numbers = np.arange(1, len(listed) + 1)[:, None, None]
    return TrueScene(
        seed=content["seed"],
        photo=Photo(rgb=rgb, name=str(content["name"]), sha256=str(content["sha256"])),
        camera=camera,
        world_from_camera=np.array(content["world_from_camera"], float),
        depth=DepthMap(arrays["z"].reshape(h, w), arrays["z"].reshape(h, w) > 0, "metric", "synthetic"),
        normals=arrays["normals"].reshape(h, w, 3).astype(np.float32),
        segmentation=Segmentation(
            tuple(obj["id"] for obj in listed), tuple(str(obj["name"]) for obj in listed), arrays["ids"].reshape(h, w) == numbers
        ),
        amodal=np.unpackbits(arrays["amodal"], axis=-1, count=w).astype(bool).reshape(len(listed), h, w),
        alone=alone,
        empty=_pixels(files["empty.png"], (h, w), "RGB"),
        objects=tuple(_read_object(obj, k, arrays) for k, obj in enumerate(listed)),
        order=tuple((int(a), int(b)) for a, b in content["order"]),
    )


def _read_object(obj: dict[str, Any], k: int, arrays: dict[str, np.ndarray]) -> TrueObject:
    def part(key: str, ends: str) -> np.ndarray:
        return arrays[key][arrays[ends][k - 1] if k else 0 : arrays[ends][k]]

    pose = obj["world_from_object"]
    w, h, d = obj["size_m"]
    vertices, faces = part("vertices", "vertex_ends"), part("faces", "face_ends").astype(np.int64)
    if not len(faces) or faces.max() >= len(vertices):
        raise BadInput(f"object {obj['id']} has no faces, or faces without vertices.")
    return TrueObject(
        id=obj["id"],
        name=str(obj["name"]),
        vertices=vertices,
        faces=faces,
        world_from_object=Pose(np.array(pose["translation"], float), np.array(pose["wxyz"], float)),
        size_m=(float(w), float(h), float(d)),
        support="floor" if obj["support_id"] is None else "object",
        support_id=obj["support_id"],
        support_height_m=obj["support_height_m"],
        source=str(obj["source"]),
    )


def _png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=FAST)
    return out.getvalue()


def _pixels(data: bytes, hw: tuple[int, int], mode: str) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        if (image.height, image.width) != hw or image.mode != mode:
            raise BadInput(
                f"a picture is {image.mode} of {image.height} x {image.width} px instead of {mode} of {hw[0]} x {hw[1]}."
            )
        return np.asarray(image)


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    """As ``np.savez_compressed``, but fast."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=FAST) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
    return out.getvalue()


def _read_npz(data: bytes, pixels: int) -> dict[str, np.ndarray]:
    """Every array, none larger than a scene of so many pixels can have."""
    limit = 1_000_000 + pixels * MOST_OBJECTS + 10_000_000 * MOST_OBJECTS
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > limit:
            raise BadInput("its arrays are larger than any scene's.")
    with np.load(io.BytesIO(data), allow_pickle=False) as content:
        return {key: content[key] for key in ARRAYS}
