"""One view of one known model as a lifter gets it, and the model in the frame in which every lifter answers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64

from paco_core.errors import BadInput
from paco_core.types import Camera, CompleteObject, DepthMap
from scene3d.evaluation.pose_metrics import about_y
from scene3d.lift import prepare_lift
from scene3d.relief.view import View
from scene3d.render import render_scene
from scene3d.synthetic.models import ModelEntry, find_models, load_model
from scene3d.synthetic.patterns import PAIRS
from scene3d.synthetic.shapes import FOR_FLOOR, FOR_TABLE
from scene3d.transforms import similarity
from scene3d.types import Ground, LiftInput, PlacedObject, Pose, Scene, TexturedMesh

YAW_DEG, HEIGHT_DEG, FOV_DEG = (-50.0, 50.0), (5.0, 25.0), (35.0, 60.0)
"""Of the random views: as people photograph things (the views of docs/method.md)."""
PHOTO_PX = 320
FILL = 0.8
"""Share of the photo that the object's bounding sphere takes."""
USUAL_M = 0.5
"""Longest side of a model whose size nobody knows."""
SWATCH_PX = 8
"""Of the texture of procedural shapes: a column per colour, wide enough that neighbours don't mix."""


@dataclass(frozen=True)
class LiftTruth:
    """One object."""

    name: str
    style: str
    """Of the model, where its index says it: ``scan``, ``lowpoly`` …"""
    item: LiftInput
    """Complete and unhidden, with true depth."""
    mesh: TexturedMesh
    """Lift frame."""
    crop_from_lift: Float64[np.ndarray, "4 4"]
    metres_per_unit: float


Maker = Callable[[], LiftTruth]
"""Loads and photographs one object when it is asked to; the same one every time. Raises ``BadInput``."""


def procedural_truths(count: int) -> tuple[Maker, ...]:
    """Shapes of the procedural rooms, all kinds in turn."""
    kinds = [*FOR_FLOOR.items(), *((f"small {name}", maker) for name, maker in FOR_TABLE.items())]

    def make(k: int) -> LiftTruth:
        rng = np.random.default_rng(k)
        name, shape = kinds[k % len(kinds)]
        pieces = shape(rng)
        starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
        colours = [PAIRS[rng.integers(len(PAIRS))][i % 2] for i in range(len(pieces))]
        swatches = 2 ** int(np.ceil(np.log2(len(pieces))))
        texture = np.zeros((SWATCH_PX, SWATCH_PX * swatches, 3), np.uint8)
        for i, colour in enumerate(colours):
            texture[:, SWATCH_PX * i : SWATCH_PX * (i + 1)] = colour
        u = np.concatenate([np.full(len(piece.vertices), (i + 0.5) / swatches) for i, piece in enumerate(pieces)])
        mesh = TexturedMesh(
            np.concatenate([piece.vertices for piece in pieces]),
            np.concatenate([piece.faces + start for piece, start in zip(pieces, starts[:-1], strict=True)]),
            np.column_stack([u, np.full(len(u), 0.5)]),
            texture,
        )
        return photograph(mesh, name.removeprefix("small "), "procedural", rng)

    return tuple(lambda k=k: make(k) for k in range(count))


def model_truths(folder: Path, count: int, split: str) -> tuple[Maker, ...]:
    """Models of a folder, of one split where its index tells splits; drawn once, the same ones every time.

    Raises ``BadInput`` when there are none.
    """
    library = find_models(folder)
    if any(entry.split for entry in library.entries):
        library = library.select(lambda entry: entry.split == split)
    order = np.random.default_rng(0).permutation(len(library.entries))[:count]

    def make(k: int, entry: ModelEntry) -> LiftTruth:
        mesh = load_model(entry.path)
        longest = USUAL_M if entry.size_m is None else max(entry.size_m)
        sized = mesh.vertices * (longest / np.ptp(mesh.vertices, axis=0).max())
        mesh = TexturedMesh(sized, mesh.faces, mesh.uv, mesh.texture)
        return photograph(mesh, entry.name, entry.style, np.random.default_rng(k))

    return tuple(lambda k=k: make(k, library.entries[k]) for k in map(int, order))


def photograph(mesh: TexturedMesh, name: str, style: str, rng: np.random.Generator) -> LiftTruth:
    """A random view of a mesh (y up, metres), cropped as the main job crops. Raises ``BadInput`` when nothing is seen of it."""
    yaw, height, fov = (rng.uniform(*limits) for limits in (YAW_DEG, HEIGHT_DEG, FOV_DEG))
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    vertices = (mesh.vertices - (low + high) / 2) @ about_y(yaw).T
    radius = float(np.linalg.norm(vertices, axis=1).max())
    camera, world_from_camera = _camera(fov, height, radius)
    view = render_scene(
        _alone(TexturedMesh(vertices, mesh.faces, mesh.uv, mesh.texture), camera, world_from_camera),
        camera, world_from_camera, supersample=3,
    )  # fmt: skip
    seen = view.ids == 1
    if seen.sum() < 64:
        raise BadInput(f"{name} covers {int(seen.sum())} pixels of its picture.")
    up = world_from_camera[1, :3]
    whole = CompleteObject(
        id=1,
        name=name,
        rgba=np.dstack([view.rgb, np.where(seen, 255, 0).astype(np.uint8)]),
        visible=seen,
        box_xyxy=(0, 0, PHOTO_PX, PHOTO_PX),
        layer=0,
        truncated=(),
        mask_method="truth",
        fill_method="truth",
    )
    depth = DepthMap(np.where(seen, view.z, 1.0).astype(np.float32), seen, "metric", "truth")
    item = prepare_lift(whole, camera, depth, Ground(up, float(world_from_camera[1, 3]), "truth", 1.0))
    in_camera = (vertices - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
    return LiftTruth(name, style, item, *in_lift_frame(TexturedMesh(in_camera, mesh.faces, mesh.uv, mesh.texture), item))


def in_lift_frame(in_camera: TexturedMesh, item: LiftInput) -> tuple[TexturedMesh, Float64[np.ndarray, "4 4"], float]:
    """A mesh in the photo's camera (metres) as a perfect lifter returns it: lift frame, ``crop_from_lift``, metres per unit."""
    turn = View(item.focal_px, item.rgba.shape[0], item.elevation_deg, 1.0).crop_from_work[:3, :3]
    points = in_camera.vertices @ item.camera_from_crop @ turn
    low, high = points.min(axis=0), points.max(axis=0)
    metres, centre = float((high - low).max()), (low + high) / 2
    mesh = TexturedMesh((points - centre) / metres, in_camera.faces, in_camera.uv, in_camera.texture)
    return mesh, similarity(turn, turn @ centre / metres), metres


def _camera(fov_deg: float, height_deg: float, radius: float) -> tuple[Camera, Float64[np.ndarray, "4 4"]]:
    """Looks at the origin so that a sphere around it fills ``FILL`` of the picture; and ``world_from_camera``."""
    half = np.deg2rad(fov_deg) / 2
    focal = PHOTO_PX / 2 / np.tan(half)
    distance = radius / np.sin(np.arctan(FILL * np.tan(half)))
    e = np.deg2rad(height_deg)
    axes = np.array([[1, 0, 0], [0, -np.cos(e), -np.sin(e)], [0, np.sin(e), -np.cos(e)]])
    place = distance * np.array([0, np.sin(e), np.cos(e)])
    return Camera(focal, focal, PHOTO_PX / 2, PHOTO_PX / 2, PHOTO_PX, PHOTO_PX, "synthetic"), similarity(axes, place)


def _alone(mesh: TexturedMesh, camera: Camera, world_from_camera: Float[np.ndarray, "4 4"]) -> Scene:
    nowhere = Pose(np.zeros(3), np.array([1.0, 0, 0, 0]))
    thing = PlacedObject(1, "", mesh, nowhere, "background", None, 1.0, 1.0, (), "truth", False, False, 0, 1.0)
    return Scene("", "", camera, world_from_camera, (thing,), None, None, True, "truth", "truth", "truth")
