"""Light in synthetic scenes: lamps with soft shadows and a sky that objects keep from each other, in linear light."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter

from paco_core.masks import box_slices
from scene3d.rays import Hits, RayMesh
from scene3d.shadow import FloorShadow
from scene3d.synthetic.items import Item, Solid
from scene3d.synthetic.looks import Seen

GAMMA = 2.2
"""sRGB to linear light, as a plain power: the difference to the true curve is invisible here."""

PENUMBRA_PX = 1.3
"""Blur of shadows inside one surface: a few rays a pixel become a smooth border."""

LIFT_M = 2e-3
"""Shadow rays start so far above the surface, so that it does not shadow itself."""

GOLDEN = np.pi * (3 - np.sqrt(5))
"""Golden angle: spirals with it cover a disc evenly for any number of points."""


@dataclass(frozen=True)
class Lamp:
    """A ball of light without fall-off."""

    position: Float[np.ndarray, "3"]
    colour: Float[np.ndarray, "3"]
    """What a white surface that faces it receives; 1 is white."""
    radius: float = 0.0
    """Metres; 0 is a point."""


@dataclass(frozen=True)
class Light:
    """All light of a scene."""

    lamps: tuple[Lamp, ...]
    ambient: Callable[[Float[np.ndarray, "n 3"]], Float[np.ndarray, "n 3"]]
    """Normals to what arrives from all around."""
    shadow_rays: int = 1
    """Per pixel and lamp, spread over the lamp."""
    sky_rays: int = 0
    """Per pixel, spread over the hemisphere: what is near takes ambient light away. 0: nothing does but ``contact``."""
    sky_reach: float = 0.5
    """Metres, how far off something still takes light away."""
    contact: FloorShadow | None = None
    """Takes ambient light from the first layer's floor."""


@dataclass(frozen=True)
class Layer:
    """One surface of the scene alone: what the camera would see of it without the others."""

    hits: Hits
    solid: Solid
    world_from_solid: Float[np.ndarray, "4 4"]
    """A similarity."""


@dataclass(frozen=True)
class _Lit:
    """Points of one layer that are seen, in the world."""

    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    """Towards the eye."""
    mask: Bool[np.ndarray, "h w"]
    phase: Float[np.ndarray, " n"]
    """0 … 1, differs between neighbouring pixels: where in a spiral of rays each begins."""


def blockers_of(items: list[Item]) -> RayMesh:
    """Everything that casts shadows, in the world."""
    starts = np.cumsum([0, *(len(item.solid.vertices) for item in items)])
    vertices = np.concatenate([item.world_vertices for item in items] or [np.zeros((0, 3))])
    faces = [item.solid.faces + start for item, start in zip(items, starts[:-1], strict=True)]
    return RayMesh(vertices, np.concatenate(faces or [np.zeros((0, 3), int)]))


def srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light, 1 is white, as sRGB 0-255."""
    return 255 * np.clip(linear, 0, 1) ** (1 / GAMMA)


def lit_layers(layers: list[Layer], blockers: RayMesh, light: Light, eye: np.ndarray, focal_px: float) -> list[np.ndarray]:
    """Linear light (h, w, 3) of every layer, 0 where it is not hit, with the shadows that all blockers cast on it."""
    return [_lit_layer(layer, blockers, light, eye, focal_px, index == 0) for index, layer in enumerate(layers)]


def surface(
    layer: Layer, mask: Bool[np.ndarray, "h w"], eye: np.ndarray
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """World points of pixels that the layer fills, and their smooth unit normals, on the side that the eye sees."""
    solid = layer.solid
    triangle, bary = layer.hits.triangle[mask], layer.hits.bary[mask]
    rotation = layer.world_from_solid[:3, :3] / np.cbrt(np.linalg.det(layer.world_from_solid[:3, :3]))
    local = np.einsum("nk,nkj->nj", bary, solid.vertices[solid.faces[triangle]])
    points = local @ layer.world_from_solid[:3, :3].T + layer.world_from_solid[:3, 3]
    normals = np.einsum("nk,nkj->nj", bary, solid.corner_normals[triangle]) @ rotation.T
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    outward = solid.face_normals[triangle] @ rotation.T
    return points, np.where(np.sum(outward * (eye - points), axis=1, keepdims=True) < 0, -normals, normals)


def _lit_layer(layer: Layer, blockers: RayMesh, light: Light, eye: np.ndarray, focal_px: float, first: bool) -> np.ndarray:
    mask = layer.hits.mask
    out = np.zeros((*mask.shape, 3))
    if not mask.any():
        return out
    points, normals = surface(layer, mask, eye)
    rows, cols = np.nonzero(mask)
    lit = _Lit(points, normals, mask, np.mod(0.75488 * cols + 0.56984 * rows, 1.0))  # R2 sequence: even over any window
    received = light.ambient(normals)
    if light.sky_rays:
        received = received * (1 - _sky_blocked(lit, blockers, light))[:, None]
    if first and light.contact is not None:
        on_floor = np.abs(points[:, 1]) < light.contact.tolerance
        received = received * (1 - np.where(on_floor, light.contact.at(points), 0.0))[:, None]
    for lamp in light.lamps:
        received = received + _from_lamp(lit, lamp, blockers, light.shadow_rays)[:, None] * lamp.colour
    albedo = (_colour(layer, lit, eye, focal_px) / 255) ** GAMMA
    out[mask] = albedo * received
    return out


def _colour(layer: Layer, lit: _Lit, eye: np.ndarray, focal_px: float) -> np.ndarray:
    """sRGB of the surface itself."""
    hits, solid = layer.hits, layer.solid
    triangle, bary = hits.triangle[hits.mask], hits.bary[hits.mask]
    away = np.linalg.norm(lit.points - eye, axis=-1)
    facing = np.abs(np.sum(lit.normals * (eye - lit.points), axis=-1)) / np.maximum(away, 1e-9)
    unit = np.cbrt(np.linalg.det(layer.world_from_solid[:3, :3]))
    # a pixel covers a strip on an oblique surface: the mean of its length and its width blurs as much as it aliases
    pixel = hits.z[hits.mask] / focal_px / np.sqrt(np.maximum(facing, 0.05)) / unit
    local = np.einsum("nk,nkj->nj", bary, solid.vertices[solid.faces[triangle]])
    return solid.look.colour(Seen(triangle, bary, local, pixel))


def _from_lamp(lit: _Lit, lamp: Lamp, blockers: RayMesh, rays: int) -> np.ndarray:
    """Cosine law times the share of the lamp that is seen."""
    towards = lamp.position - lit.points
    cosine = np.sum(lit.normals * towards, axis=1) / np.linalg.norm(towards, axis=1)
    facing = np.flatnonzero(cosine > 0)
    start = lit.points[facing] + LIFT_M * lit.normals[facing]
    seen = np.zeros(len(lit.points))
    across, up = _tangents(towards[facing])
    for ray in range(rays):
        turn = ray * GOLDEN + 2 * np.pi * lit.phase[facing, None]
        reach = lamp.radius * np.sqrt((ray + lit.phase[facing, None]) / rays)
        target = lamp.position + reach * (np.cos(turn) * across + np.sin(turn) * up)
        seen[facing] += ~blockers.occluded(start, target - start, tfar=1.0)
    return np.maximum(cosine, 0) * _blurred(seen / rays, lit.mask)


def _sky_blocked(lit: _Lit, blockers: RayMesh, light: Light) -> np.ndarray:
    """Share of the hemisphere that is blocked within reach, by cosine-weighted rays; near things block more."""
    start = lit.points + LIFT_M * lit.normals
    across, up = _tangents(lit.normals)
    blocked = np.zeros(len(start))
    for ray in range(light.sky_rays):
        turn = ray * GOLDEN + 2 * np.pi * lit.phase[:, None]
        sine2 = (ray + lit.phase[:, None]) / light.sky_rays
        sideways = np.sqrt(sine2) * (np.cos(turn) * across + np.sin(turn) * up)
        t = blockers.near(start, sideways + np.sqrt(1 - sine2) * lit.normals)
        blocked += np.clip(1 - t / light.sky_reach, 0, 1)
    return _blurred(blocked / light.sky_rays, lit.mask)


def _blurred(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values (n,) of a mask's pixels, smoothed over the mask alone."""
    box = box_slices(mask)
    inside = mask[box]
    image = np.zeros(inside.shape)
    image[inside] = values
    weight = gaussian_filter(inside.astype(float), PENUMBRA_PX, mode="constant")
    return gaussian_filter(image, PENUMBRA_PX, mode="constant")[inside] / weight[inside]


def _tangents(axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors at right angles to each axis (n, 3) and to each other."""
    unit = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-12)
    helper = np.where(np.abs(unit[:, 1:2]) < 0.9, [0.0, 1.0, 0.0], [1.0, 0.0, 0.0])
    across = np.cross(helper, unit)
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    return across, np.cross(unit, across)
