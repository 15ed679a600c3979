"""Looking around a scene: a camera that turns about a target, keeps its horizon and stays above the floor."""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

DEG_PER_WINDOW = 180.0
"""A drag across the whole window turns this far: to the back of a thing in one stroke."""
STEEPEST_DEG = 88.0
"""Straight down has no horizon."""
LOWEST_M = 0.02
"""Height of the camera's centre over the floor, at least; the floor's picture is on its upper side only."""


@dataclass(frozen=True)
class Orbit:
    """One place of the camera. Drags are shares of the window's size: 1 is all of it."""

    world_from_camera: Float[np.ndarray, "4 4"]
    """OpenCV axes (x right, y down, z forward); rigid."""
    target: Float[np.ndarray, "3"]
    """What is turned about, world."""

    @property
    def distance(self) -> float:
        """From the camera to the target."""
        return float(np.linalg.norm(self.world_from_camera[:3, 3] - self.target))

    def turned(self, right: float, down: float) -> "Orbit":
        """Dragged: the scene follows the pointer, so that the camera goes the other way."""
        about_up = Rotation.from_euler("y", -right * DEG_PER_WINDOW, degrees=True)
        level = self._rotated(about_up)
        # the camera's own x axis: up and down about it leaves the horizon as it is
        sideways = level.world_from_camera[:3, 0]
        tilt = math.radians(level._allowed_tilt_deg(down * DEG_PER_WINDOW))
        return level._rotated(Rotation.from_rotvec(-tilt * sideways))._above_floor(level)

    def moved(self, right: float, down: float) -> "Orbit":
        """Dragged sideways: camera and target together."""
        shift = -self.distance * (self.world_from_camera[:3, 0] * right + self.world_from_camera[:3, 1] * down)
        pose = self.world_from_camera.copy()
        pose[:3, 3] += shift
        return Orbit(pose, self.target + shift)._above_floor(self)

    def zoomed(self, factor: float) -> "Orbit":
        """Nearer (below 1) or farther (above 1), along the line to the target."""
        pose = self.world_from_camera.copy()
        pose[:3, 3] = self.target + factor * (pose[:3, 3] - self.target)
        return replace(self, world_from_camera=pose)._above_floor(self)

    def _rotated(self, rotation: Rotation) -> "Orbit":
        pose = self.world_from_camera.copy()
        pose[:3, :3] = rotation.as_matrix() @ pose[:3, :3]
        pose[:3, 3] = self.target + rotation.apply(pose[:3, 3] - self.target)
        return replace(self, world_from_camera=pose)

    def _allowed_tilt_deg(self, more_down_deg: float) -> float:
        """As much of the wish as keeps the view's direction off the vertical."""
        down_deg = math.degrees(math.asin(np.clip(-self.world_from_camera[1, 2], -1.0, 1.0)))
        return float(np.clip(down_deg + more_down_deg, -STEEPEST_DEG, STEEPEST_DEG) - down_deg)

    def _above_floor(self, before: "Orbit") -> "Orbit":
        """This place, or the one before when this one is under the floor."""
        return self if self.world_from_camera[1, 3] >= min(LOWEST_M, before.world_from_camera[1, 3]) else before
