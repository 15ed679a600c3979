"""Light in procedural rooms: two lamps with shadows and an even sky, in linear light."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from scene3d.rays import Hits, RayMesh
from scene3d.render import corner_normals, face_normals
from scene3d.shadow import FloorShadow, floor_shadow
from scene3d.synthetic.layout import Item
from scene3d.synthetic.patterns import Pattern

GAMMA = 2.2
"""sRGB to linear light, as a plain power: the difference to the true curve is invisible here."""

AMBIENT = 0.42
"""Light from all around, a little less from below, as a share of white."""

PENUMBRA_PX = 1.3
"""Blur of shadow borders inside one surface: lamps are not points."""

LIFT_M = 2e-3
"""Shadow rays start so far above the surface, so that it does not shadow itself."""


CONTACT_M = 0.25
"""How far an object's contact shadow reaches over the floor."""


@dataclass(frozen=True)
class Lamp:
    """A point light without fall-off."""

    position: Float[np.ndarray, "3"]
    strength: float


@dataclass(frozen=True)
class Layer:
    """One surface of the room alone: what the camera would see of it without the others."""

    hits: Hits
    vertices: np.ndarray
    faces: np.ndarray
    piece_of_face: np.ndarray
    patterns: tuple[Pattern, ...]
    world_from_layer: np.ndarray


def random_lights(rng: np.random.Generator, distance: float) -> tuple[Lamp, ...]:
    """A main lamp above and beside the camera, a weaker one on the other side."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    main = np.array([side * rng.uniform(0.5, 1.3), rng.uniform(2.3, 3.0), rng.uniform(-0.5, 0.1) * distance])
    second = np.array([-side * rng.uniform(0.5, 1.3), rng.uniform(2.2, 2.8), rng.uniform(-0.9, -0.3) * distance])
    return Lamp(main, rng.uniform(0.5, 0.62)), Lamp(second, rng.uniform(0.15, 0.25))


def lit_colours(
    layers: list[Layer], items: list[Item], lamps: tuple[Lamp, ...], eye: np.ndarray
) -> list[Float[np.ndarray, "h w 3"]]:
    """sRGB 0-255 of every layer (0 where it is not hit), with the shadows that all items cast on it.

    The first layer is the room's shell: its floor also gets contact shadows.
    """
    starts = np.cumsum([0, *(len(item.vertices) for item in items)])
    vertices = np.concatenate([item.world_vertices for item in items])
    faces = np.concatenate([item.faces + start for item, start in zip(items, starts[:-1], strict=True)])
    blockers = RayMesh(vertices, faces)
    contact = floor_shadow(blockers, CONTACT_M)
    return [_lit(layer, blockers, lamps, eye, None if index else contact) for index, layer in enumerate(layers)]


def _lit(layer: Layer, blockers: RayMesh, lamps: tuple[Lamp, ...], eye: np.ndarray, contact: FloorShadow | None) -> np.ndarray:
    mask = layer.hits.mask
    triangle, bary = layer.hits.triangle[mask], layer.hits.bary[mask]
    local = np.einsum("nk,nkj->nj", bary, layer.vertices[layer.faces[triangle]])
    albedo = np.zeros((len(triangle), 3))
    for piece, pattern in enumerate(layer.patterns):
        of_piece = layer.piece_of_face[triangle] == piece
        albedo[of_piece] = (pattern.colour(local[of_piece]) / 255) ** GAMMA
    rotation = layer.world_from_layer[:3, :3]
    points = local @ rotation.T + layer.world_from_layer[:3, 3]
    normals = np.einsum("nk,nkj->nj", bary, corner_normals(layer.vertices, layer.faces)[triangle]) @ rotation.T
    outward = face_normals(layer.vertices, layer.faces)[triangle] @ rotation.T
    normals = np.where(np.sum(outward * (eye - points), axis=1, keepdims=True) < 0, -normals, normals)
    light = AMBIENT * (0.8 + 0.2 * normals[:, 1])
    if contact is not None:
        light *= 1 - np.where(np.abs(points[:, 1]) < contact.tolerance, contact.at(points), 0.0)
    for lamp in lamps:
        light += lamp.strength * _lambert(points, normals, lamp, blockers, mask)
    out = np.zeros((*mask.shape, 3))
    out[mask] = 255 * np.clip(albedo * light[:, None], 0, 1) ** (1 / GAMMA)
    return out


def _lambert(points: np.ndarray, normals: np.ndarray, lamp: Lamp, blockers: RayMesh, mask: np.ndarray) -> np.ndarray:
    """Cosine law times the share of the lamp that is seen."""
    towards = lamp.position - points
    cosine = np.sum(normals * towards, axis=1) / np.linalg.norm(towards, axis=1)
    facing = np.flatnonzero(cosine > 0)
    lit = np.zeros(len(points))
    start = points[facing] + LIFT_M * normals[facing]
    lit[facing] = ~blockers.occluded(start, lamp.position - start, tfar=1.0)
    image = np.zeros(mask.shape)
    image[mask] = lit
    blurred = gaussian_filter(image, PENUMBRA_PX)[mask] / gaussian_filter(mask.astype(float), PENUMBRA_PX)[mask]
    return np.maximum(cosine, 0) * blurred
