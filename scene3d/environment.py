"""What stands around the objects: the floor as a textured rectangle and everything else as a backdrop.

Both come from the completed background picture, so that from the photo's camera they reproduce it, and both go on beyond
the photo's frame, so that a camera that walks 30° around the objects does not look over an edge.
"""

import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8
from scipy import ndimage

from paco_core.types import Deocclusion
from scene3d.backdrop import BACKDROP_REACH, build_backdrop, cell_corners, split_cells
from scene3d.extend import extend, power_of_two
from scene3d.surroundings import DEFAULT, EnvironmentConfig, Surroundings, find_surroundings
from scene3d.types import Ground, TexturedMesh

log = logging.getLogger(__name__)

MARGIN_TEXELS = 0.5
"""The floor beyond what the photo shows is smooth: half of its share of the texels is enough."""
FADE = 7
"""The colours of the floor in view have given way to its mean by half after this part of the texture's width."""


def build_environment(
    deocclusion: Deocclusion,
    ground: Ground,
    world_from_camera: Float64[np.ndarray, "4 4"],
    metric_scale: float,
    objects_box_world: Float[np.ndarray, "2 3"],
    config: EnvironmentConfig = DEFAULT,
) -> tuple[TexturedMesh | None, TexturedMesh | None]:
    """Floor and backdrop in world coordinates; either is None when the photo shows none.

    ``metric_scale`` is metres per unit of the depth map; ``objects_box_world`` the lowest and highest corner (2, 3) of all
    placed objects. Metric depth gives the backdrop its relief; without it the backdrop stands upright where the floor ends.
    """
    around = find_surroundings(deocclusion, world_from_camera, metric_scale, objects_box_world, config)
    share = float(around.is_floor.mean())
    floor = build_floor(around, objects_box_world, config) if share >= config.min_share else None
    backdrop = None
    if 1 - share >= config.min_share:
        backdrop = build_backdrop(around)
    log.info("floor fills %.0f %% of the background (%s), ends at %.1f m", 100 * share, ground.source, around.far_m)
    return floor, backdrop


@dataclass(frozen=True)
class FloorGrid:
    """Knots of the floor's rectangle along one axis: the core, which the photo shows, gets most of the texels."""

    metres: Float64[np.ndarray, " k"]
    texture: Float64[np.ndarray, " k"]
    """0 … 1."""

    def places(self, count: int) -> Float64[np.ndarray, "{count}"]:
        """Where the centres of ``count`` texels lie, metres."""
        return np.interp((np.arange(count) + 0.5) / count, self.texture, self.metres)


def build_floor(
    around: Surroundings, objects_box_world: Float[np.ndarray, "2 3"], config: EnvironmentConfig = DEFAULT
) -> TexturedMesh:
    """A rectangle at y = 0, textured by the background's floor pixels and continued where the photo shows none."""
    across, along = _floor_grids(around, objects_box_world, config)
    texture = _floor_texture(around, across, along, _texture_hw(around, across, along, objects_box_world, config))
    x, z = np.meshgrid(across.metres, along.metres)
    u, v = np.meshgrid(across.texture, along.texture)  # the picture's top is the far edge
    vertices = np.stack([x, np.zeros_like(x), z], axis=-1).reshape(-1, 3)
    faces = split_cells(cell_corners(*x.shape))
    return TexturedMesh(vertices, faces, np.stack([u, v], axis=-1).reshape(-1, 2), texture)


def _floor_grids(around: Surroundings, box: Float[np.ndarray, "2 3"], config: EnvironmentConfig) -> tuple[FloorGrid, FloorGrid]:
    """Over x and over z: the floor in view, and round it what cameras on the orbit see, with a margin."""
    edge = np.concatenate([around.rays[0], around.rays[-1], around.rays[:, 0], around.rays[:, -1]])
    level = np.maximum(np.linalg.norm(edge[:, [0, 2]], axis=1), 1e-9)
    down = np.where(edge[:, 1] < 0, around.eye[1] / np.maximum(-edge[:, 1], 1e-9), np.inf)
    reach = np.minimum(down, 1.2 * around.far_m / level)  # 1.2: the orbiting camera steps back
    eye, objects = around.eye[[0, 2]], box[:, [0, 2]]
    core = np.vstack([eye + edge[:, [0, 2]] * reach[:, None], objects])
    pivot = objects.mean(axis=0)
    orbit = [(core - pivot) @ _turn(angle) + pivot for angle in np.radians([-config.orbit_deg, config.orbit_deg])]
    outer = np.vstack([core, *orbit])
    limits = [[*_span(core[:, k]), *_span(outer[:, k], 0.2)] for k in (0, 1)]
    if not around.is_floor.all():  # it ends under the backdrop, whose sides come round
        limits[0][2:] = -BACKDROP_REACH * around.far_m, BACKDROP_REACH * around.far_m
        limits[1][0] = limits[1][2] = -1.05 * around.far_m
    return _grid(limits[0]), _grid(limits[1])


def _span(values: Float64[np.ndarray, " n"], margin: float = 0.0) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return low - margin * (high - low), high + margin * (high - low)


def _grid(limits: list[float]) -> FloorGrid:
    """``limits``: low and high end of the core, low and high end of everything."""
    core_low, core_high, low, high = limits
    metres = np.array([min(low, core_low), core_low, core_high, max(high, core_high)])
    whole = float(np.ptp(metres))
    margins = np.array([0, *(np.diff(metres)[[0, 2]] / whole * MARGIN_TEXELS), 0])
    texture = np.array([0.0, margins[1], 1 - margins[2], 1.0])
    kept = np.append(True, np.diff(metres) > 1e-6 * whole)
    kept[-1], kept[-2] = True, kept[-2] and kept[-1]
    return FloorGrid(metres[kept], texture[kept])


def _turn(angle: float) -> Float64[np.ndarray, "2 2"]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def _texture_hw(
    around: Surroundings,
    across: FloorGrid,
    along: FloorGrid,
    box: Float[np.ndarray, "2 3"],
    config: EnvironmentConfig,
) -> tuple[int, int]:
    """As many texels as the photo has pixels on the floor at the near end of the objects, in powers of two."""
    level = max(float(around.eye[2] - box[1, 2]), 0.3 * float(around.eye[1]))
    distance = float(np.hypot(level, around.eye[1]))
    pixel = distance / around.camera.fx
    foreshortened = pixel * distance / max(float(around.eye[1]), 1e-3)
    length, width = (float(np.min(np.diff(g.metres) / np.diff(g.texture))) for g in (along, across))
    return power_of_two(length / foreshortened, config.texture_px), power_of_two(width / pixel, config.texture_px)


def _floor_texture(
    around: Surroundings, across: FloorGrid, along: FloorGrid, hw: tuple[int, int]
) -> UInt8[np.ndarray, "th tw 3"]:
    """Each texel is looked up where the photo's camera sees it."""
    x, z = np.meshgrid(across.places(hw[1]), along.places(hw[0]))
    camera, rotation = around.camera, around.world_from_camera[:3, :3]
    right, down, forward = np.moveaxis((np.stack([x, np.zeros_like(x), z], -1) - around.eye) @ rotation, -1, 0)
    ahead = forward > 1e-3
    forward = np.where(ahead, forward, 1.0)
    at = np.stack([camera.fy * down / forward + camera.cy - 0.5, camera.fx * right / forward + camera.cx - 0.5])
    # texels that mix floor and wall pixels would paint the wall's foot on the floor: only whole floor counts
    whole = ndimage.binary_erosion(around.is_floor, np.ones((3, 3)), border_value=1)
    known = ahead & _looked_up(whole, at)
    rgb = np.zeros((*hw, 3), np.float32)
    for k in range(3):
        rgb[known, k] = ndimage.map_coordinates(around.rgb[..., k], at[:, known], np.float32, order=1, mode="nearest")
    seen = known & _looked_up(whole & ~around.generated, at)
    aspect = float(np.ptp(along.metres) / hw[0] / (np.ptp(across.metres) / hw[1]))
    filled = extend(rgb, known, seen, fade_px=hw[1] / FADE, aspect=aspect)
    return np.clip(np.rint(filled), 0, 255).astype(np.uint8)


def _looked_up(mask: Bool[np.ndarray, "h w"], at: Float64[np.ndarray, "2 th tw"]) -> Bool[np.ndarray, "th tw"]:
    """Whether the mask holds at (row, column) positions; False outside of it."""
    row, column = np.rint(at).astype(int)
    h, w = mask.shape
    inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
    return inside & mask[np.where(inside, row, 0), np.where(inside, column, 0)]
