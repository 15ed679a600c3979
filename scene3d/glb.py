"""The scene as a core glTF 2.0 binary file (GLB), with nothing that a program may refuse.

Tree: ``scene_root`` → ``camera_photo``, ``environment`` → (``floor``, ``background``), ``objects`` → ``obj_003_armchair``.
Every object's mesh is in its own frame with the pivot at the bottom-centre, its node carries translation and rotation;
``extras`` say what is known about it. World frame = glTF frame (CONVENTIONS.md), so nothing is turned on the way out.
"""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int
from scipy.spatial.transform import Rotation

from paco_core.errors import PacoError
from paco_core.files import write_atomic
from paco_core.names import object_slug
from scene3d.glbcheck import check_glb
from scene3d.glbpack import GlbBuilder, MeshArrays, encode_jpeg, encode_png
from scene3d.types import PlacedObject, Pose, Scene, TexturedMesh

log = logging.getLogger(__name__)

GENERATOR = "paco-scene3d"


@dataclass(frozen=True)
class GlbConfig:
    """How the file is written."""

    texture: Literal["jpeg", "png"] = "jpeg"
    jpeg_quality: int = 90
    """A quarter of PNG's bytes; from 90 on the difference is not seen on photos."""
    roughness: float = 0.85
    """Photos carry their own light: a matt surface adds no second highlight."""
    copyright: str | None = None
    """Goes to ``asset.copyright``: rights in the photo are the user's."""


DEFAULT = GlbConfig()


def write_scene_glb(scene: Scene, path: Path, config: GlbConfig = DEFAULT) -> None:
    """Write the whole scene to ``path``.

    Raises ``BadInput`` when the path can't be written and ``PacoError`` when the result breaks a rule of glTF.
    """
    _write(path, scene_glb(scene, config))


def scene_glb(scene: Scene, config: GlbConfig = DEFAULT) -> bytes:
    """The whole scene as a file's content. Raises ``PacoError`` when it breaks a rule of glTF."""
    builder = _start(config, {"photo_sha256": scene.photo_sha256, "metric": scene.metric})
    top = [_add_camera(builder, scene)]
    surroundings = {"floor": scene.floor, "background": scene.backdrop}
    parts = [
        _add_mesh_node(builder, name, mesh, config, double_sided=False, extras={"role": name})
        for name, mesh in surroundings.items()
        if mesh is not None
    ]
    top += _add_group(builder, "environment", parts)
    top += _add_group(builder, "objects", [_add_object(builder, item, scene, config) for item in scene.objects])
    root = builder.add("nodes", {"name": "scene_root", "children": top, "extras": _scene_extras(scene)})
    return _finish(builder, scene.name, root)


def write_object_glb(item: PlacedObject, path: Path, config: GlbConfig = DEFAULT) -> None:
    """Write one object alone, standing at the origin; errors as in ``write_scene_glb``."""
    builder = _start(config, {})
    name = f"obj_{object_slug(item.id, item.name)}"
    root = _add_mesh_node(builder, name, item.mesh, config, double_sided=not item.watertight, extras=_object_extras(item))
    _write(path, _finish(builder, item.name, root))


def _start(config: GlbConfig, extras: dict[str, Any]) -> GlbBuilder:
    asset: dict[str, Any] = {"version": "2.0", "generator": GENERATOR}
    if config.copyright:
        asset["copyright"] = config.copyright
    if extras:
        asset["extras"] = extras
    return GlbBuilder({"asset": asset, "scene": 0, "scenes": []})


def _finish(builder: GlbBuilder, name: str, root: int) -> bytes:
    builder.document["scenes"] = [{"name": name or "scene", "nodes": [root]}]
    data = builder.to_bytes()
    problems = check_glb(data)
    if problems:
        raise PacoError(f"The GLB of {name or 'the scene'} would break glTF's rules: {'; '.join(problems[:5])}.")
    return data


def _write(path: Path, data: bytes) -> None:
    write_atomic(path, data)
    log.info("wrote %s, %.2f MB", path.name, len(data) / 1e6)


def _add_group(builder: GlbBuilder, name: str, children: list[int]) -> list[int]:
    return [builder.add("nodes", {"name": name, "children": children})] if children else []


def _add_camera(builder: GlbBuilder, scene: Scene) -> int:
    """glTF cameras look along -z with +y up and have no principal point: the full K stands in the root's extras."""
    camera = scene.camera
    yfov = 2 * math.atan(camera.height / (2 * camera.fy))
    aspect = (camera.width / camera.fx) / (camera.height / camera.fy)
    perspective = {"yfov": yfov, "aspectRatio": aspect, "znear": 0.01}  # 1 cm: nothing in a photo is nearer
    index = builder.add("cameras", {"name": "photo", "type": "perspective", "perspective": perspective})
    world_from_gltf_camera = scene.world_from_camera @ np.diag([1.0, -1.0, -1.0, 1.0])
    rotation_xyzw = Rotation.from_matrix(world_from_gltf_camera[:3, :3]).as_quat()
    pose = {"translation": world_from_gltf_camera[:3, 3].tolist(), "rotation": rotation_xyzw.tolist()}
    return builder.add("nodes", {"name": "camera_photo", "camera": index, **pose})


def _add_object(builder: GlbBuilder, item: PlacedObject, scene: Scene, config: GlbConfig) -> int:
    name = f"obj_{object_slug(item.id, item.name)}"
    extras = {**_object_extras(item), **_extras_from_scene(item, scene)}
    extras["source"] = {"photo_sha256": scene.photo_sha256, **extras["source"]}
    node = _add_mesh_node(builder, name, item.mesh, config, double_sided=not item.watertight, extras=extras)
    builder.document["nodes"][node].update(_trs(item.world_from_object))
    return node


def _add_mesh_node(
    builder: GlbBuilder,
    name: str,
    mesh: TexturedMesh,
    config: GlbConfig,
    *,
    double_sided: bool,
    extras: dict[str, Any],
) -> int:
    jpeg = config.texture == "jpeg"
    picture = encode_jpeg(mesh.texture, config.jpeg_quality) if jpeg else encode_png(mesh.texture)
    texture = builder.add_texture(name, picture, "image/jpeg" if jpeg else "image/png")
    surface = {
        "baseColorTexture": {"index": texture},
        "metallicFactor": 0.0,  # the default, 1.0, looks black
        "roughnessFactor": config.roughness,
    }
    material = builder.add("materials", {"name": name, "pbrMetallicRoughness": surface, "doubleSided": double_sided})
    index = builder.add_mesh(name, mesh_arrays(mesh), material)
    return builder.add("nodes", {"name": name, "mesh": index, "extras": extras})


def _trs(pose: Pose) -> dict[str, list[float]]:
    w, x, y, z = (pose.wxyz / np.linalg.norm(pose.wxyz)).tolist()
    return {"translation": pose.translation.tolist(), "rotation": [x, y, z, w]}


def _object_extras(item: PlacedObject) -> dict[str, Any]:
    return {
        "id": item.id,
        "label": item.name,
        "layer": item.layer,
        "support": item.support_id if item.support == "object" else item.support,
        "bbox_m": [round(side, 5) for side in item.size_m],
        "pose_confidence": item.pose_confidence,
        "visible_fraction": item.visible_fraction,
        "source": {"backend": item.lift_method, "fallback": item.fallback},
    }


def _extras_from_scene(item: PlacedObject, scene: Scene) -> dict[str, Any]:
    return {
        "occlusion": {
            "in_front_of": sorted(behind for front, behind in scene.occlusion_edges if front == item.id),
            "behind": sorted(front for front, behind in scene.occlusion_edges if behind == item.id),
        },
        "metric": scene.metric,
        "scale_confidence": 1.0 if scene.metric else 0.0,  # measured, or a guess: nothing between is known yet
    }


def _scene_extras(scene: Scene) -> dict[str, Any]:
    return {
        "K": scene.camera.K.tolist(),
        "image_size": [scene.camera.width, scene.camera.height],
        "camera_source": scene.camera.source,
        "depth_model": scene.depth_source,
        "gravity_source": scene.gravity_source,
        "scale_source": scene.scale_source,
        "units_note": "metres" if scene.metric else "metres by guess: the scale of this scene was not measured",
        "notes": list(scene.notes),
    }


def mesh_arrays(mesh: TexturedMesh) -> MeshArrays:
    """Single precision, without degenerate triangles and unused vertices, with smooth unit normals.

    Raises ``PacoError`` when no triangle is left.
    """
    positions = mesh.vertices.astype(np.float32)
    corners = positions.astype(np.float64)[mesh.faces]
    doubled_area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    extent = float(np.linalg.norm(np.ptp(positions, axis=0))) if len(positions) else 0.0
    kept = mesh.faces[doubled_area > 1e-12 * extent**2]  # float32 noise of coordinates is about 1e-7 of the extent
    if len(kept) == 0:
        raise PacoError("A mesh has no triangle with an area; it can't be exported.")
    used, faces = np.unique(kept, return_inverse=True)
    faces = faces.reshape(-1, 3)
    normals = smooth_normals(positions[used].astype(np.float64), faces).astype(np.float32)
    indices = faces.ravel().astype(np.uint32)
    return MeshArrays(positions[used], normals, mesh.uv[used].astype(np.float32), indices)


def smooth_normals(vertices: Float64[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float64[np.ndarray, "v 3"]:
    """Area-weighted unit normals, shared by vertices at the same place so that texture seams don't show in the shading."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    _, place = np.unique(vertices, axis=0, return_inverse=True)
    shared = _sum_by(place.ravel()[faces], face_normals, len(vertices))[place.ravel()]
    own = _sum_by(faces, face_normals, len(vertices))
    scale = np.linalg.norm(own, axis=1, keepdims=True)
    # the two sides of a sheet without thickness cancel: there each vertex keeps the normal of its own triangles
    normals = np.where(np.linalg.norm(shared, axis=1, keepdims=True) > 1e-3 * scale, shared, own)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(lengths > 0, normals / np.where(lengths > 0, lengths, 1), [0.0, 1.0, 0.0])


def _sum_by(index: Int[np.ndarray, "f 3"], values: Float64[np.ndarray, "f 3"], size: int) -> Float64[np.ndarray, "{size} 3"]:
    repeated = np.repeat(values, 3, axis=0)
    return np.stack([np.bincount(index.ravel(), repeated[:, k], size) for k in range(3)], axis=1)
