"""A camera that moves round the objects: the pictures of a short film, and the files that it is shown in."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage

from paco_core.errors import BadInput
from paco_core.progress import Progress, silent
from scene3d.film import film_writer
from scene3d.render import SceneRenderer, orbit_camera
from scene3d.types import Scene

FINER = 1.5
"""Rendered this much larger and made smaller: edges that do not crawl from picture to picture."""
LOOK_DOWN_DEG = 18.0
"""A full turn looks at least this much down: things that stand on a floor hide each other less."""
RISE_DEG = 7.0
"""How much a swing rises between its ends: the camera moves at every moment, and passes the photo's view once."""
PICTURES = (2, 1800)
"""A minute and a half of 20 pictures a second is more than anybody looks at."""
SIZE_PX = (64, 1920)


@dataclass(frozen=True)
class Turntable:
    """How the camera moves, and how the film is made."""

    swing_deg: float | None = 35.0
    """From the photo's view this far to both sides and back; None: once round the objects."""
    size_px: int = 640
    """Longer side."""
    fps: float = 20.0
    seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.swing_deg is not None and not 1 <= self.swing_deg <= 180:
            raise BadInput(f"A swing of {self.swing_deg:g}° can't be filmed: give 1 to 180 degrees.")
        if not SIZE_PX[0] <= self.size_px <= SIZE_PX[1]:
            raise BadInput(f"Pictures of {self.size_px} px can't be filmed: give {SIZE_PX[0]} to {SIZE_PX[1]} px.")
        if not 1 <= self.fps <= 60 or not math.isfinite(self.seconds) or self.seconds <= 0:
            raise BadInput(f"{self.fps:g} pictures a second for {self.seconds:g} s: give 1 to 60 a second, and a time above 0.")
        if not PICTURES[0] <= self.pictures <= PICTURES[1]:
            raise BadInput(f"{self.pictures} pictures can't be a film: choose {PICTURES[0]} to {PICTURES[1]} (seconds × fps).")

    @property
    def pictures(self) -> int:
        """How many there are; after the last one comes the first again."""
        return round(self.fps * self.seconds)


def write_turntable(scene: Scene, path: Path, plan: Turntable = Turntable(), *, progress: Progress = silent) -> None:
    """Film a scene into ``path``: ``.mp4``, ``.webp`` or ``.gif``, by its name.

    Raises ``BadInput`` for another ending or a place that can't be written, ``MissingDependency`` for MP4 without its library.
    """
    write = film_writer(path)  # says what is missing before the long work
    if not scene.objects:
        raise BadInput("This scene has no object to turn round.")

    def shown() -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        for k, picture in enumerate(film(scene, plan)):
            progress("turntable", k + 1, plan.pictures, path.name)
            yield picture

    write(shown(), plan.fps)


def film(scene: Scene, plan: Turntable) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """The pictures, one after the other; both sides are even, as video wants them."""
    camera = scene.camera
    scale = plan.size_px / max(camera.height, camera.width)
    h, w = (max(2, 2 * round(scale * side / 2)) for side in (camera.height, camera.width))
    renderer = SceneRenderer(scene)
    for pose in camera_path(scene, plan):
        fine = renderer.render(camera, pose, hw=(round(h * FINER), round(w * FINER))).rgb
        yield np.asarray(Image.fromarray(fine).resize((w, h), Image.Resampling.LANCZOS))


def camera_path(scene: Scene, plan: Turntable) -> Float[np.ndarray, "n 4 4"]:
    """``world_from_camera`` of every picture: a closed path without jumps. A swing begins with the photo's own view.

    The camera is as far away as the objects need to stay in the frame, evened out over time; what the photo's border cuts
    already stays cut in a swing.
    """
    along = np.arange(plan.pictures) / plan.pictures
    if plan.swing_deg is None:
        yaws, pitches = 360 * along, np.full(len(along), _raised(scene))
    else:
        yaws, pitches = plan.swing_deg * np.sin(2 * np.pi * along), RISE_DEG * (1 - np.cos(2 * np.pi * along)) / 2
    near = np.array([orbit_camera(scene, yaw, pitch, margin=None) for yaw, pitch in zip(yaws, pitches, strict=True)])
    fitting = np.array([orbit_camera(scene, yaw, pitch) for yaw, pitch in zip(yaws, pitches, strict=True)])
    back = np.linalg.norm(fitting[:, :3, 3] - near[:, :3, 3], axis=1)
    if plan.swing_deg is not None:
        just_beside = orbit_camera(scene, 1e-6), orbit_camera(scene, 1e-6, margin=None)
        back = np.maximum(back - np.linalg.norm(just_beside[0][:3, 3] - just_beside[1][:3, 3]), 0.0)
    back = _evened(back)
    if plan.swing_deg is not None:
        back *= np.sin(np.pi * along)  # none in the photo's own view
    near[:, :3, 3] -= back[:, None] * near[:, :3, 2]
    return near


def _raised(scene: Scene) -> float:
    """Degrees that a full turn is raised by: to ``LOOK_DOWN_DEG`` at least."""
    down_deg = math.degrees(math.asin(float(np.clip(-scene.world_from_camera[1, 2], -1, 1))))
    return max(LOOK_DOWN_DEG - down_deg, 0.0)


def _evened(back: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Never nearer than needed (a maximum over the neighbours), and without jerks (their mean); the path is a ring."""
    reach = max(len(back) // 10, 1)
    widest = ndimage.maximum_filter1d(back, 2 * reach + 1, mode="wrap")
    return ndimage.uniform_filter1d(widest, 2 * reach + 1, mode="wrap")
