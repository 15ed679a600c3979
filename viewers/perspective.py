"""What a move in the scene means in the picture, and the other way round.

The two are kept together through the object's foot, the pivot of its mesh: where that is seen, and how far away.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from paco_core.types import Camera
from viewers.state import Thing

NEAREST_M = 0.02
"""Nothing nearer to the camera has a place in its picture."""
DEPTHS = (1 / 3, 3.0)
"""One drag in the picture changes the distance by no more: near the horizon a pixel would be a kilometre. What is dragged on
beyond goes up in the air instead."""


@dataclass(frozen=True)
class View:
    """The photo's camera in the world."""

    camera: Camera
    world_from_camera: Float[np.ndarray, "4 4"]

    def seen_at(self, point_m: tuple[float, float, float]) -> tuple[Float[np.ndarray, "2"], float] | None:
        """Pixel and depth (m) of a world point; None at or behind the camera."""
        x = np.linalg.inv(self.world_from_camera) @ [*point_m, 1.0]
        if x[2] < NEAREST_M:
            return None
        return (self.camera.K @ (x[:3] / x[2]))[:2], float(x[2])

    def ray(self, pixel: Float[np.ndarray, "2"]) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """Origin and direction in the world; the direction is as long as one metre of depth needs."""
        direction = np.linalg.inv(self.camera.K) @ [*pixel, 1.0]
        return self.world_from_camera[:3, 3], self.world_from_camera[:3, :3] @ direction


def follow_in_picture(before: Thing, after: Thing, view: View | None, middle_xy: tuple[float, float]) -> Thing:
    """``after`` with its picture moved and scaled as its foot moved and came nearer; ``middle_xy`` is its box's in the photo."""
    if view is None or (before.position_m == after.position_m and before.scale == after.scale):
        return after
    old, new = view.seen_at(before.position_m), view.seen_at(after.position_m)
    if old is None or new is None:
        return after
    factor = old[1] / new[1] * after.scale / before.scale
    middle = np.asarray(middle_xy) + before.shift_px
    moved = new[0] + factor * (middle - old[0]) - middle_xy
    return replace(after, shift_px=(float(moved[0]), float(moved[1])), size=before.size * factor)


def follow_in_world(before: Thing, after: Thing, view: View | None, middle_xy: tuple[float, float]) -> Thing:
    """``after`` with its mesh where its picture's foot is seen: on its support plane, or beside the wall that it hangs on.

    Metres follow what the picture does to the size.
    """
    place = None if view is None else view.seen_at(before.position_m)
    if view is None or place is None:
        return after
    foot, depth = place
    factor = after.size / before.size
    arm = foot - (np.asarray(middle_xy) + before.shift_px)
    turned = _turn(after.turn_deg - before.turn_deg) @ arm * factor
    origin, direction = view.ray(np.asarray(middle_xy) + after.shift_px + turned)
    at = depth if before.support == "background" else _depth_of_plane(origin, direction, before.position_m[1], depth)
    x, y, z = (float(c) for c in origin + at * direction)
    if before.support != "background" and abs(y - before.position_m[1]) < 1e-9 * max(1.0, abs(y)):
        y = before.position_m[1]  # not a rounding error below its support
    return replace(after, position_m=(x, y, z), scale=before.scale * factor)


def nearer_is_larger(before: Thing, after: Thing, view: View | None) -> Thing:
    """``after`` with its picture as large as the new distance of its foot makes it; metres stay those of ``before``."""
    old, new = (None, None) if view is None else (view.seen_at(before.position_m), view.seen_at(after.position_m))
    if old is None or new is None:
        return after
    return replace(after, size=before.size * old[1] / new[1], scale=before.scale)


def _depth_of_plane(origin: np.ndarray, direction: np.ndarray, height_m: float, depth: float) -> float:
    """Of the plane ``y = height_m`` along a ray, kept near ``depth``."""
    fall, below = -float(direction[1]), float(origin[1] - height_m)
    at = below / fall if fall * below > 0 else np.inf
    return float(np.clip(at, DEPTHS[0] * depth, DEPTHS[1] * depth))


def _turn(deg: float) -> Float[np.ndarray, "2 2"]:
    """Clockwise as seen, for y down."""
    a = np.radians(deg)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
