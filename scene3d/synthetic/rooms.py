"""Procedural rooms with exact truth: what tests, evaluation and (later) training render. Deterministic per seed."""

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int, UInt8
from scipy.ndimage import gaussian_filter

from paco_core.errors import BadInput
from paco_core.types import Camera, DepthMap, Photo, Segmentation
from scene3d.synthetic.layout import Item, furnish, random_camera
from scene3d.synthetic.lighting import Layer, lit_colours, random_lights
from scene3d.synthetic.shell import make_shell
from scene3d.types import Pose, Support

LENS_PX = 0.5
"""Blur of a sharp lens: outlines are not jagged, and mix colours as in a photo."""


@dataclass(frozen=True)
class RoomObject:
    """The truth about one object."""

    id: int
    name: str
    vertices: Float64[np.ndarray, "v 3"]
    """World coordinates, metres."""
    faces: Int[np.ndarray, "f 3"]
    world_from_object: Pose
    """Object frame: y up, front +z, origin at the bottom-centre of the box."""
    size_m: tuple[float, float, float]
    """Width, height, depth of the box in the object frame."""
    support: Support
    """``floor`` or ``object``."""
    support_id: int | None
    support_height_m: float
    """World y of what it stands on: 0 for the floor."""


@dataclass(frozen=True)
class Room:
    """One rendered room and everything that is true about it. World frame: CONVENTIONS.md."""

    seed: int
    photo: Photo
    camera: Camera
    world_from_camera: Float64[np.ndarray, "4 4"]
    depth: DepthMap
    """Metric and valid everywhere."""
    segmentation: Segmentation
    amodal: Bool[np.ndarray, "n h w"]
    """Each object's whole silhouette inside the frame, in the order of ``segmentation.ids``."""
    alone: UInt8[np.ndarray, "n h w 4"]
    """Each object without the others in front of it, in the room's light; alpha is the amodal mask, 0 or 255."""
    empty: UInt8[np.ndarray, "h w 3"]
    """The room without its objects; their shadows stay."""
    objects: tuple[RoomObject, ...]
    order: tuple[tuple[int, int], ...]
    """(front, behind): in at least one pixel, ``front`` lies before ``behind``. Both ways round is possible."""

    @property
    def visible_fractions(self) -> tuple[float, ...]:
        """Share of each amodal mask that the photo shows."""
        visible = self.segmentation.masks.sum(axis=(1, 2))
        return tuple(float(v) for v in visible / self.amodal.sum(axis=(1, 2)))


def make_room(seed: int, *, hw: tuple[int, int] = (384, 512), n_objects: int | None = None) -> Room:
    """Make one room: same seed, same room, to the last bit on one machine.

    ``n_objects`` of them where so many fit (a few less where not); None draws 4 to 7.
    """
    if min(hw) < 64:
        raise BadInput(f"A room of {hw[0]} x {hw[1]} px is too small to show objects; ask for at least 64 x 64.")
    rng = np.random.default_rng(seed)
    wanted = int(rng.integers(4, 8)) if n_objects is None else n_objects
    if wanted < 1:
        raise BadInput(f"A room of {wanted} objects has nothing to show; ask for at least 1.")
    camera, world_from_camera, distance = random_camera(rng, hw)
    items = furnish(rng, camera, world_from_camera, distance, wanted)
    shell = make_shell(rng, items, distance)
    lights = random_lights(rng, distance)
    layers = [shell.seen_by(camera, world_from_camera), *(_layer(item, camera, world_from_camera) for item in items)]
    colours = lit_colours(layers, items, lights, world_from_camera[:3, 3])
    return _compose(seed, rng, camera, world_from_camera, items, layers, colours)


def _layer(item: Item, camera: Camera, world_from_camera: np.ndarray) -> Layer:
    hits = item.seen_by(camera, world_from_camera)
    return Layer(hits, item.vertices, item.faces, item.piece_of_face, item.patterns, item.world_from_object.matrix)


def _compose(
    seed: int,
    rng: np.random.Generator,
    camera: Camera,
    world_from_camera: np.ndarray,
    items: list[Item],
    layers: list[Layer],
    colours: list[np.ndarray],
) -> Room:
    """The nearest layer wins every pixel."""
    z = np.stack([layer.hits.z for layer in layers])
    nearest = z.argmin(axis=0)
    rgb = np.take_along_axis(np.stack(colours), nearest[None, ..., None], axis=0)[0]
    rgb = _through_lens(rgb, np.ones(rgb.shape[:2], bool))
    rgb = rgb + rng.normal(0, 1.2, rgb.shape)  # a good phone's noise in daylight: about 1 grey level
    rgb = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    amodal = z[1:] < np.inf
    seen = [np.where(m[..., None], _through_lens(c, m), 0) for c, m in zip(colours[1:], amodal, strict=True)]
    alone = np.stack([np.dstack([c, np.where(m, 255, 0)]) for c, m in zip(seen, amodal, strict=True)])
    return Room(
        seed=seed,
        photo=Photo(rgb=rgb, name=f"room_{seed:04d}", sha256=hashlib.sha256(rgb.tobytes()).hexdigest()),
        camera=camera,
        world_from_camera=world_from_camera,
        depth=DepthMap(z.min(axis=0).astype(np.float32), np.isfinite(z.min(axis=0)), "metric", "synthetic"),
        segmentation=Segmentation(
            ids=tuple(item.id for item in items),
            names=tuple(item.name for item in items),
            masks=np.stack([nearest == index + 1 for index in range(len(items))]),
        ),
        amodal=amodal,
        alone=np.clip(np.rint(alone), 0, 255).astype(np.uint8),
        empty=np.clip(np.rint(_through_lens(colours[0], np.isfinite(z[0]))), 0, 255).astype(np.uint8),
        objects=tuple(_truth(item, items) for item in items),
        order=_order(items, z[1:]),
    )


def _through_lens(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The colours (h, w, 3) of a mask as the lens blurs them, nothing from outside mixed in."""
    weight = gaussian_filter(mask.astype(float), LENS_PX)[..., None]
    return gaussian_filter(rgb * mask[..., None], (LENS_PX, LENS_PX, 0)) / np.maximum(weight, 1e-6)


def _truth(item: Item, items: list[Item]) -> RoomObject:
    support = next((other for other in items if other.id == item.support_id), None)
    return RoomObject(
        id=item.id,
        name=item.name,
        vertices=item.world_vertices,
        faces=item.faces,
        world_from_object=item.world_from_object,
        size_m=item.size_m,
        support="floor" if support is None else "object",
        support_id=item.support_id,
        support_height_m=0.0 if support is None else float(support.world_vertices[:, 1].max()),
    )


def _order(items: list[Item], z: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Pairs (front, behind) from every object's own depth: both are hit in a pixel, and front is nearer."""
    pairs = [(i, j) for i in range(len(items)) for j in range(len(items)) if i != j]
    return tuple((items[i].id, items[j].id) for i, j in pairs if bool(((z[i] < z[j]) & (z[j] < np.inf)).any()))
