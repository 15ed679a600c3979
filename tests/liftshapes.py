"""Solids with known truth, and photos of them: what the tests of lifting compare with."""

from collections.abc import Callable

import numpy as np
import trimesh

from scene3d.rays import RayMesh
from scene3d.types import LiftedMesh, LiftInput

SIZE = 224
FOCAL = 2.1 * SIZE
VASE = np.array([[0, -0.5], [0.16, -0.5], [0.24, -0.2], [0.22, 0.0], [0.1, 0.25], [0.15, 0.5], [0, 0.5]])
"""Radius and height of the vase's profile."""


def _y_up(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    return mesh


def _rod(start: list[float], end: list[float], radius: float) -> trimesh.Trimesh:
    a, b = np.array(start), np.array(end)
    capsule = trimesh.creation.capsule(height=float(np.linalg.norm(b - a)), radius=radius, count=(16, 16))
    capsule.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], (b - a) / np.linalg.norm(b - a)))
    return capsule.apply_translation(a)


def _boxes(*size_and_center: tuple[list[float], list[float]]) -> trimesh.Trimesh:
    parts = [trimesh.creation.box(size).apply_translation(center) for size, center in size_and_center]
    return trimesh.util.concatenate(parts)


def sphere() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(4, 0.5)


def box() -> trimesh.Trimesh:
    turn = trimesh.transformations.rotation_matrix(np.radians(30), [0, 1, 0])
    return trimesh.creation.box([0.8, 0.6, 0.5]).apply_transform(turn)


def vase() -> trimesh.Trimesh:
    return _y_up(trimesh.creation.revolve(VASE, sections=64))


def cup() -> trimesh.Trimesh:
    """Outer radius .35 … .4, wall .03, contents .15 below the rim at y = .4; a handle on the right."""
    profile = [[0, -0.4], [0.35, -0.4], [0.4, 0.4], [0.37, 0.4], [0.36, 0.25], [0, 0.25]]
    body = _y_up(trimesh.creation.revolve(np.array(profile), sections=64))
    handle = trimesh.creation.torus(0.18, 0.045, major_sections=32, minor_sections=16).apply_translation([0.5, 0.05, 0])
    return trimesh.util.concatenate([body, handle])


def man() -> trimesh.Trimesh:
    rods = [
        _rod([-0.09, -0.5, 0], [-0.07, 0, 0], 0.06),
        _rod([0.09, -0.5, 0], [0.07, 0, 0], 0.06),
        _rod([0, 0, 0], [0, 0.28, 0], 0.13),
        _rod([-0.14, 0.28, 0], [-0.26, -0.02, 0.03], 0.045),
        _rod([0.14, 0.28, 0], [0.26, -0.02, 0.03], 0.045),
        trimesh.creation.icosphere(3, 0.1).apply_translation([0, 0.48, 0]),
    ]
    return trimesh.util.concatenate(rods)


def table() -> trimesh.Trimesh:
    legs = [([0.06, 0.5, 0.06], [0.42 * i, -0.05, 0.25 * j]) for i in (-1, 1) for j in (-1, 1)]
    return _boxes(([1.0, 0.06, 0.64], [0, 0.23, 0]), *legs)


def chair() -> trimesh.Trimesh:
    """Its back is at -z, away from the camera."""
    legs = [([0.05, 0.45, 0.05], [0.2 * i, -0.275, 0.2 * j]) for i in (-1, 1) for j in (-1, 1)]
    return _boxes(([0.46, 0.05, 0.46], [0, -0.03, 0]), ([0.46, 0.5, 0.05], [0, 0.25, -0.2]), *legs)


def plate() -> trimesh.Trimesh:
    profile = [[0, 0], [0.28, 0], [0.5, 0.06], [0.5, 0.08], [0.27, 0.02], [0, 0.02]]
    return _y_up(trimesh.creation.revolve(np.array(profile), sections=96))


def photograph(
    mesh: trimesh.Trimesh, name: str, elevation_deg: float, *, with_depth: bool = False, metres: float = 1.0
) -> LiftInput:
    """What the crop camera sees of a mesh around the origin, from 3.2 units away; colours tell normals apart."""
    c, s = np.cos(np.radians(elevation_deg)), np.sin(np.radians(elevation_deg))
    crop_from_mesh = np.eye(4)
    crop_from_mesh[:3, :3] = [[1, 0, 0], [0, -c, s], [0, -s, -c]]
    crop_from_mesh[2, 3] = 3.2
    K = np.array([[FOCAL, 0, SIZE / 2], [0, FOCAL, SIZE / 2], [0, 0, 1]])
    hits = RayMesh(np.array(mesh.vertices), np.array(mesh.faces)).render(K, crop_from_mesh, (SIZE, SIZE))
    rgba = np.zeros((SIZE, SIZE, 4), np.uint8)
    rgba[hits.mask, :3] = (128 + 100 * mesh.face_normals[hits.triangle[hits.mask]]).astype(np.uint8)
    rgba[hits.mask, 3] = 255
    depth = np.where(hits.mask, hits.z * metres, np.nan).astype(np.float32) if with_depth else None
    return LiftInput(1, name, rgba, hits.mask, depth, FOCAL, float(elevation_deg), np.eye(3))


def in_crop(lifted: LiftedMesh) -> np.ndarray:
    """The lifted mesh's vertices in the crop camera, lift units."""
    return lifted.mesh.vertices @ lifted.crop_from_lift[:3, :3].T + lifted.crop_from_lift[:3, 3]


def reprojected(lifted: LiftedMesh, item: LiftInput) -> tuple[np.ndarray, np.ndarray]:
    """Mask and z-depth (lift units) of the lifted mesh in the crop, by ray casting."""
    side = item.rgba.shape[0]
    K = np.array([[item.focal_px, 0, side / 2], [0, item.focal_px, side / 2], [0, 0, 1]])
    hits = RayMesh(lifted.mesh.vertices, lifted.mesh.faces).render(K, lifted.crop_from_lift, (side, side))
    return hits.mask, hits.z


def silhouette_iou(lifted: LiftedMesh, item: LiftInput) -> float:
    seen, wanted = reprojected(lifted, item)[0], item.rgba[..., 3] > 127
    return float((seen & wanted).sum() / (seen | wanted).sum())


def chamfer(lifted: LiftedMesh, item: LiftInput, mesh: trimesh.Trimesh) -> float:
    """Mean of both directed distances between surfaces, mesh units, after matching the visible distance."""
    from scipy.spatial import cKDTree

    scale = 3.2 / np.linalg.norm(lifted.crop_from_lift[:3, 3])
    c, s = np.cos(np.radians(item.elevation_deg)), np.sin(np.radians(item.elevation_deg))
    turn = np.array([[1, 0, 0], [0, -c, s], [0, -s, -c]])
    truth = trimesh.sample.sample_surface(mesh, 4000, seed=1)[0] @ turn.T + [0, 0, 3.2]
    ours = trimesh.Trimesh(in_crop(lifted) * scale, lifted.mesh.faces, process=False)
    points = np.asarray(trimesh.sample.sample_surface(ours, 4000, seed=2)[0])
    front = [np.quantile(p[:, 2], 0.05) for p in (truth, points)]
    points = points * (front[0] / front[1])
    return float((cKDTree(truth).query(points)[0].mean() + cKDTree(points).query(truth)[0].mean()) / 2)


MAKERS: dict[str, Callable[[], trimesh.Trimesh]] = {
    "ball": sphere,
    "box": box,
    "vase": vase,
    "cup": cup,
    "man": man,
    "table": table,
    "chair": chair,
    "plate": plate,
}
"""Maker by the name that the lifter is told."""
