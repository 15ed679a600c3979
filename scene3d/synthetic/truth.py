"""A rendered scene and everything that is true about it."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, UInt8
from scipy.ndimage import gaussian_filter

from paco_core.masks import box_slices
from paco_core.occlusion import break_cycles, layers_of
from paco_core.types import Camera, DepthMap, OcclusionEdge, Photo, Segmentation
from scene3d.synthetic.items import Item
from scene3d.synthetic.lighting import Layer, srgb, surface
from scene3d.types import Pose, Support


@dataclass(frozen=True)
class TrueObject:
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
    source: str = "procedural"
    """Where its shape comes from: a file of the folder of models, or procedural."""


@dataclass(frozen=True)
class Film:
    """What the camera does to the light."""

    lens_px: float = 0.5
    """Blur of a sharp lens: outlines are not jagged, and mix colours as in a photo."""
    noise: float = 1.2
    """Grey levels: a good phone in daylight has about 1."""
    exposed: float | None = None
    """Linear light that the photo's mean becomes; None takes the light as it is."""


@dataclass(frozen=True)
class Shot:
    """Where a scene is seen from, and what is in it."""

    seed: int
    name: str
    camera: Camera
    world_from_camera: Float64[np.ndarray, "4 4"]
    items: list[Item]
    layers: list[Layer]
    """The surroundings, then one per item."""


@dataclass(frozen=True)
class TrueScene:
    """One rendered scene and everything that is true about it. World frame: CONVENTIONS.md."""

    seed: int
    photo: Photo
    camera: Camera
    world_from_camera: Float64[np.ndarray, "4 4"]
    depth: DepthMap
    """Metric; valid wherever a surface is seen (sky is none)."""
    normals: Float32[np.ndarray, "h w 3"]
    """Unit normals of what is seen, camera axes, towards the camera, as exact as float16; 0 where the sky is seen."""
    segmentation: Segmentation
    amodal: Bool[np.ndarray, "n h w"]
    """Each object's whole silhouette inside the frame, in the order of ``segmentation.ids``."""
    alone: UInt8[np.ndarray, "n h w 4"]
    """Each object without the others in front of it, in the scene's light; alpha is the amodal mask, 0 or 255."""
    empty: UInt8[np.ndarray, "h w 3"]
    """The scene without its objects; their shadows stay."""
    objects: tuple[TrueObject, ...]
    order: tuple[tuple[int, int], ...]
    """(front, behind): in at least one pixel, ``front`` lies before ``behind``. Both ways round is possible."""
    shot: Shot | None = field(default=None, repr=False, compare=False)
    """What it was rendered from, with looks and light; None where the scene was read from a file."""

    @property
    def visible_fractions(self) -> tuple[float, ...]:
        """Share of each amodal mask that the photo shows."""
        visible = self.segmentation.masks.sum(axis=(1, 2))
        return tuple(float(v) for v in visible / self.amodal.sum(axis=(1, 2)))

    @property
    def hides(self) -> tuple[tuple[int, int], ...]:
        """``order`` without contradictions: of two objects that hide parts of each other, the one that hides more is in front."""
        ids, masks = self.segmentation.ids, self.segmentation.masks
        pixels = {(a, b): int((masks[ids.index(a)] & self.amodal[ids.index(b)]).sum()) for a, b in self.order}
        return tuple((a, b) for (a, b), count in pixels.items() if count > pixels.get((b, a), 0))

    @property
    def layers(self) -> tuple[int, ...]:
        """Of each object: 0 where nothing hides it, else one more than the last of those that do; rings lose an edge."""
        edges = tuple(OcclusionEdge(front, behind, 1.0, 0, "truth") for front, behind in self.hides)
        return layers_of(self.segmentation.ids, break_cycles(edges)[0])


def develop(shot: Shot, light: list[np.ndarray], sky: np.ndarray | None, film: Film, rng: np.random.Generator) -> TrueScene:
    """The nearest layer wins every pixel; ``sky`` (h, w, 3) shows where there is none. Both in linear light.

    Lens and noise are those of the photo in every picture of an object alone: well inside of what is visible, both are equal.
    """
    eye = shot.world_from_camera[:3, 3]
    z = np.stack([layer.hits.z for layer in shot.layers])
    nearest = z.argmin(axis=0)
    hit = np.isfinite(z.min(axis=0))
    backdrop = light[0] if sky is None else np.where(shot.layers[0].hits.mask[..., None], light[0], sky)
    together = np.take_along_axis(np.stack([backdrop, *light[1:]]), nearest[None, ..., None], axis=0)[0]
    gain = 1.0 if film.exposed is None else film.exposed / max(float(np.clip(together, 0, 1).mean()), 1e-6)
    rgb, backdrop, *colours = (srgb(gain * linear) for linear in (together, backdrop, *light[1:]))
    noise = rng.normal(0, film.noise, rgb.shape)
    everywhere = np.ones(rgb.shape[:2], bool)
    photo = _grey_levels(_through_lens(rgb, everywhere, film) + noise)
    amodal = z[1:] < np.inf
    alone = np.stack([_alone(c, m, noise, film) for c, m in zip(colours, amodal, strict=True)])
    normals = np.zeros(rgb.shape)
    for index, layer in enumerate(shot.layers):
        seen = (nearest == index) & hit
        normals[seen] = surface(layer, seen, eye)[1]
    return TrueScene(
        seed=shot.seed,
        photo=Photo(rgb=photo, name=shot.name, sha256=hashlib.sha256(photo.tobytes()).hexdigest()),
        camera=shot.camera,
        world_from_camera=shot.world_from_camera,
        depth=DepthMap(np.where(hit, z.min(axis=0), 0).astype(np.float32), hit, "metric", "synthetic"),
        normals=(normals @ shot.world_from_camera[:3, :3]).astype(np.float16).astype(np.float32),
        segmentation=Segmentation(
            ids=tuple(item.id for item in shot.items),
            names=tuple(item.name for item in shot.items),
            masks=np.stack([nearest == index + 1 for index in range(len(shot.items))]),
        ),
        amodal=amodal,
        alone=alone,
        empty=_grey_levels(_through_lens(backdrop, everywhere, film)),
        objects=tuple(_truth(item, shot.items) for item in shot.items),
        order=_order(shot.items, z[1:]),
        shot=shot,
    )


def _grey_levels(rgb: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def _alone(colour: np.ndarray, mask: np.ndarray, noise: np.ndarray, film: Film) -> UInt8[np.ndarray, "h w 4"]:
    """One object as the camera would take it; 0 outside of it."""
    out = np.zeros((*mask.shape, 4), np.uint8)
    box = box_slices(mask)
    inside = mask[box]
    out[box][inside, :3] = _grey_levels(_through_lens(colour[box], inside, film) + noise[box])[inside]
    out[mask, 3] = 255
    return out


def _through_lens(rgb: np.ndarray, mask: np.ndarray, film: Film) -> np.ndarray:
    """The colours (h, w, 3) of a mask as the lens blurs them, nothing from outside mixed in."""
    weight = gaussian_filter(mask.astype(float), film.lens_px, mode="constant")[..., None]
    return gaussian_filter(rgb * mask[..., None], (film.lens_px, film.lens_px, 0), mode="constant") / np.maximum(weight, 1e-6)


def _truth(item: Item, items: list[Item]) -> TrueObject:
    support = next((other for other in items if other.id == item.support_id), None)
    return TrueObject(
        id=item.id,
        name=item.name,
        vertices=item.world_vertices,
        faces=item.solid.faces,
        world_from_object=item.world_from_object,
        size_m=item.size_m,
        support="floor" if support is None else "object",
        support_id=item.support_id,
        support_height_m=float(item.world_from_object.translation[1]),
        source=item.source,
    )


def _order(items: list[Item], z: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Pairs (front, behind) from every object's own depth: both are hit in a pixel, and front is nearer."""
    pairs = [(i, j) for i in range(len(items)) for j in range(len(items)) if i != j]
    return tuple((items[i].id, items[j].id) for i, j in pairs if bool(((z[i] < z[j]) & (z[j] < np.inf)).any()))
