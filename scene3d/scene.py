"""``scene.json``: the placed scene as files that people and programs can read, and back without loss.

Layout of a folder: ``scene.json`` and, for every object, ``meshes/<id>_<name>-<digest>/mesh.npz`` with ``texture.png``
beside it (``meshes/floor-<digest>`` and ``meshes/backdrop-<digest>`` for the surroundings). The arrays keep their type, the
textures are lossless, numbers in JSON read back as the same float: loading what was saved gives the same scene.

The digest is that of the content, so that saving never touches a file that another scene needs: whenever the program stops,
``scene.json`` and the meshes that it names are those of one and the same scene.
"""

import io
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from paco_core.errors import BadInput
from paco_core.files import remove_files, remove_if_empty, write_atomic
from paco_core.names import object_slug
from paco_core.store import fingerprint
from paco_core.types import Camera
from scene3d.scene_reader import Fields, parse_json, read_mesh
from scene3d.types import PlacedObject, PlacementStep, Pose, Scene, TexturedMesh

FORMAT, VERSION = "paco-scene", 1
SCENE_FILE = "scene.json"
MESHES = "meshes"
MESH_FILES = ("mesh.npz", "texture.png")
LARGEST_SIDE_PX = 100_000
"""No photo that is read has more."""
DIGEST_LENGTH = 12
"""Hexadecimal digits of SHA-256: two meshes of one name never share 48 bits."""


def object_folder(object_id: int, name: str) -> str:
    """The folder under ``objects/`` where everything about one object lives: ``003_armchair``."""
    return object_slug(object_id, name)


def save_scene(scene: Scene, folder: Path) -> Path:
    """Write the scene under ``folder`` and return the path of its ``scene.json``; until that is written the old scene stays.

    Raises ``BadInput`` when the folder can't be written, and ``ValueError`` when a number of the scene is not finite.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "name": scene.name,
        "photo_sha256": scene.photo_sha256,
        "camera": asdict(scene.camera),
        "world_from_camera": scene.world_from_camera.tolist(),
        "metric": scene.metric,
        "scale_source": scene.scale_source,
        "depth_source": scene.depth_source,
        "gravity_source": scene.gravity_source,
        "occlusion_edges": [list(edge) for edge in scene.occlusion_edges],
        "notes": list(scene.notes),
        "floor": _save_optional(scene.floor, folder, "floor"),
        "backdrop": _save_optional(scene.backdrop, folder, "backdrop"),
        "objects": [_save_object(item, folder) for item in scene.objects],
    }
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    write_atomic(folder / SCENE_FILE, text.encode())
    used = [document["floor"], document["backdrop"], *(item["mesh"] for item in document["objects"])]
    forget_meshes(folder, kept=frozenset(used))
    return folder / SCENE_FILE


def forget_meshes(folder: Path, kept: frozenset[str | None] = frozenset()) -> None:
    """Remove the meshes of earlier scenes; what people put beside them stays."""
    for place in sorted((folder / MESHES).glob("*-*")):
        if place.relative_to(folder).as_posix() not in kept:
            remove_files(place, MESH_FILES)
    remove_if_empty(folder / MESHES)


def load_scene(folder: Path) -> Scene:
    """Read what ``save_scene`` wrote. Raises ``BadInput`` when a file is missing, damaged or of another version.

    When another scene is saved at the same time, it is the old or the new one.
    """
    before = _identity(folder / SCENE_FILE)
    try:
        return _load_scene(folder)
    except BadInput:
        if _identity(folder / SCENE_FILE) == before:
            raise
        return load_scene(folder)


def _identity(path: Path) -> tuple[int, int] | None:
    """Differs for every file that was ever put in this place."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _load_scene(folder: Path) -> Scene:
    path = folder / SCENE_FILE
    fields = Fields(parse_json(path), path, "")
    _check_version(fields, path)
    objects = tuple(_load_object(item, folder) for item in fields.items("objects"))
    ids = [item.id for item in objects]
    if len(set(ids)) < len(ids):
        raise BadInput(f"{path}: two objects have the same id ({sorted(ids)}). Ids must be unique; {_ADVICE}")
    return Scene(
        name=fields.text("name"),
        photo_sha256=fields.text("photo_sha256"),
        camera=_load_camera(fields.child("camera")),
        world_from_camera=fields.array("world_from_camera", (4, 4)),
        objects=objects,
        floor=_load_optional(fields, "floor", folder),
        backdrop=_load_optional(fields, "backdrop", folder),
        metric=fields.flag("metric"),
        scale_source=fields.text("scale_source"),
        depth_source=fields.text("depth_source"),
        gravity_source=fields.text("gravity_source"),
        occlusion_edges=tuple((int(a), int(b)) for a, b in fields.pairs("occlusion_edges")),
        notes=tuple(fields.texts("notes")),
    )


_ADVICE = "run `paco reconstruct` again to write it anew."


def _check_version(fields: Fields, path: Path) -> None:
    if fields.raw("format") != FORMAT:
        raise BadInput(f'{path} is no scene of this project (its "format" is not "{FORMAT}"); {_ADVICE}')
    if fields.raw("version") != VERSION:
        raise BadInput(
            f"{path} has version {fields.raw('version')!r}, this program reads version {VERSION}. "
            f"Use the program that wrote it, or {_ADVICE}"
        )


def _save_optional(mesh: TexturedMesh | None, folder: Path, name: str) -> str | None:
    return None if mesh is None else save_mesh(mesh, folder, name)


def save_mesh(mesh: TexturedMesh, folder: Path, name: str) -> str:
    """Write ``mesh.npz`` and ``texture.png`` into ``meshes/<name>-<digest>`` under ``folder``; returns that place."""
    if not (np.isfinite(mesh.vertices).all() and np.isfinite(mesh.uv).all()):
        raise ValueError(f"the mesh of {name} has vertices or texture coordinates that are not finite")
    where = f"{MESHES}/{name}-{fingerprint(mesh)[:DIGEST_LENGTH]}"
    arrays, picture = io.BytesIO(), io.BytesIO()
    np.savez_compressed(arrays, vertices=mesh.vertices, faces=mesh.faces, uv=mesh.uv)
    Image.fromarray(mesh.texture).save(picture, "PNG", compress_level=4)  # 4: half the time of 6 for 3 % more bytes
    write_atomic(folder / where / "mesh.npz", arrays.getvalue())
    write_atomic(folder / where / "texture.png", picture.getvalue())
    return where


def _load_optional(fields: Fields, key: str, folder: Path) -> TexturedMesh | None:
    return None if fields.raw(key) is None else read_mesh(folder, fields.text(key), fields.path)


def _save_object(item: PlacedObject, folder: Path) -> dict[str, Any]:
    plain = (
        "id",
        "name",
        "support",
        "support_id",
        "iou_visible",
        "pose_confidence",
        "lift_method",
        "flat",
        "watertight",
    )
    return {
        **{key: getattr(item, key) for key in plain},
        "layer": item.layer,
        "visible_fraction": item.visible_fraction,
        "fallback": item.fallback,
        "translation": item.world_from_object.translation.tolist(),
        "wxyz": item.world_from_object.wxyz.tolist(),
        "steps": [asdict(step) for step in item.steps],
        "mesh": save_mesh(item.mesh, folder, object_folder(item.id, item.name)),
    }


def _load_object(fields: Fields, folder: Path) -> PlacedObject:
    wxyz = fields.array("wxyz", (4,))
    if not math.isclose(float(np.linalg.norm(wxyz)), 1.0, abs_tol=1e-3):
        raise BadInput(f'{fields.path}: "wxyz" of {fields.where} is no unit quaternion; {_ADVICE}')
    return PlacedObject(
        id=fields.integer("id"),
        name=fields.text("name"),
        mesh=read_mesh(folder, fields.text("mesh"), fields.path),
        world_from_object=Pose(fields.array("translation", (3,)), wxyz),
        support=fields.choice("support", ("floor", "object", "background")),
        support_id=None if fields.raw("support_id") is None else fields.integer("support_id"),
        iou_visible=fields.number("iou_visible"),
        pose_confidence=fields.number("pose_confidence"),
        steps=tuple(_load_step(step) for step in fields.items("steps")),
        lift_method=fields.text("lift_method"),
        flat=fields.flag("flat"),
        watertight=fields.flag("watertight"),
        layer=fields.integer("layer"),
        visible_fraction=fields.number("visible_fraction"),
        fallback=None if fields.raw("fallback") is None else fields.text("fallback"),
    )


def _load_step(fields: Fields) -> PlacementStep:
    before, after = fields.number("energy_before"), fields.number("energy_after")
    return PlacementStep(fields.text("name"), fields.flag("kept"), before, after)


def _load_camera(fields: Fields) -> Camera:
    fx, fy, cx, cy = (fields.number(key) for key in ("fx", "fy", "cx", "cy"))
    if min(fx, fy) <= 0:
        raise BadInput(f"{fields.path}: the camera's focal lengths must be positive, they are {fx} and {fy}; {_ADVICE}")
    width, height = fields.integer("width"), fields.integer("height")
    if not 1 <= min(width, height) <= max(width, height) <= LARGEST_SIDE_PX:
        sides = f"1…{LARGEST_SIDE_PX} px a side, not {width}×{height}"
        raise BadInput(f"{fields.path}: the camera's picture must have {sides}; {_ADVICE}")
    return Camera(fx, fy, cx, cy, width, height, fields.text("source"))
