"""Filling a scene: objects are proposed one by one, and stay when they touch nothing and everything can still be seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from paco_core.types import Camera
from scene3d.rays import Hits
from scene3d.synthetic.items import Item

GAP_M = 0.015
"""Clear space between two footprints: masks touch, meshes never do."""

COARSE_PX = 128
"""Layouts are judged on pictures of about this width: a quarter of a room's photo, enough to count visible pixels."""

Propose = Callable[[list[Item]], Item | None]
"""The next candidate for a scene that already has these items; None where none was found this time."""


@dataclass(frozen=True)
class Limits:
    """What every object of a scene must keep to."""

    min_visible: float = 0.35
    """Share of its silhouette that an object must show; with less than a third, even people can't complete it."""
    min_area: float = 0.002
    """Smallest visible share of the photo: 400 px at 384 x 512, the least that a segmenter returns reliably."""
    min_inside: float = 0.95
    """Share of an object's vertices inside the frame: most are whole, some are cut by the border a little."""
    gap_m: float = GAP_M
    nearest_m: float = 0.4
    """Nothing comes nearer to the camera's plane."""
    lonely: float = 1.0
    """Of the candidates that overlap nothing in the picture, the share that may stay: less makes scenes denser."""
    tries: int = 250
    """Proposals per scene; a room usually needs 10-60."""


DEFAULT = Limits()


def fill(
    rng: np.random.Generator,
    propose: Propose,
    camera: Camera,
    world_from_camera: np.ndarray,
    n_objects: int,
    limits: Limits = DEFAULT,
) -> list[Item]:
    """Up to ``n_objects`` objects, added one by one; each must leave all others visible enough."""
    step = max(camera.width // COARSE_PX, 1)
    coarse = replace(
        camera, fx=camera.fx / step, fy=camera.fy / step, cx=camera.cx / step, cy=camera.cy / step,
        width=camera.width // step, height=camera.height // step,
    )  # fmt: skip
    items: list[Item] = []
    views: list[Hits] = []
    for _ in range(limits.tries):
        if len(items) == n_objects:
            break
        item = propose(items)
        if item is None or not is_clear(item, items, limits.gap_m):
            continue
        if _inside_share(item, coarse, world_from_camera, limits.nearest_m) < limits.min_inside:
            continue
        view = item.seen_by(coarse, world_from_camera)
        alone = not any((view.mask & other.mask).any() for other in views)
        if items and alone and limits.lonely < 1 and rng.random() > limits.lonely:
            continue
        if _all_visible([*views, view], limits):
            items.append(item)
            views.append(view)
    return items


def is_clear(item: Item, items: list[Item], gap_m: float = GAP_M) -> bool:
    """No footprint of an object on the same support comes nearer than the gap."""
    siblings = [other for other in items if other.support_id == item.support_id]
    return not any(overlap(item.footprint(gap_m), other.footprint()) for other in siblings)


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two rectangles (4, 2) overlap: no side of either separates them (separating-axis theorem)."""
    for axis in (a[1] - a[0], a[2] - a[1], b[1] - b[0], b[2] - b[1]):
        along_a, along_b = a @ axis, b @ axis
        if along_a.max() <= along_b.min() or along_b.max() <= along_a.min():
            return False
    return True


def _inside_share(item: Item, camera: Camera, world_from_camera: np.ndarray, nearest_m: float) -> float:
    """Share of the object's vertices that the frame shows; 0 when it comes too near to the camera's plane."""
    points = (item.world_vertices - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
    if points[:, 2].min() < nearest_m:
        return 0.0
    uv = (points @ camera.K.T)[:, :2] / points[:, 2:]
    return float(np.mean(((uv >= 0) & (uv <= [camera.width, camera.height])).all(axis=1)))


def _all_visible(views: list[Hits], limits: Limits) -> bool:
    """Every object shows enough of itself with all of them in place."""
    depth = np.stack([view.z for view in views])
    nearest = depth.argmin(axis=0)
    for index, view in enumerate(views):
        visible = int((view.mask & (nearest == index)).sum())
        if visible < max(limits.min_visible * view.mask.sum(), limits.min_area * view.mask.size):
            return False
    return True


def looking_down(elevation: float, roll: float, height: float) -> Float64[np.ndarray, "4 4"]:
    """``world_from_camera`` of a camera above the origin that looks along -z and down; angles in radians, height in metres."""
    s, c = np.sin(elevation), np.cos(elevation)
    level = np.array([[1, 0, 0], [0, -c, -s], [0, s, -c]])  # columns: the camera's right, down and forward
    rolled = level @ np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3], world_from_camera[:3, 3] = rolled, [0, height, 0]
    return world_from_camera
