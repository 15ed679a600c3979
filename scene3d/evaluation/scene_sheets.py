"""Contact sheets of reconstructed scenes: the photo, then truth and reconstructions from one place beside it."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image, ImageDraw

from scene3d.evaluation.oracle import true_scene
from scene3d.evaluation.scene_inputs import InputLevel
from scene3d.evaluation.scenes3d import SceneResult
from scene3d.render import orbit_camera, render_scene
from scene3d.report_pictures import INK, PAPER, font, printable
from scene3d.synthetic.truth import TrueScene
from scene3d.types import Scene

YAW_DEG, PITCH_DEG = 35.0, 15.0
"""Of the view: far enough round that cardboard and wrong distances show."""
TILE_PX = 220
CAPTION_PX = 18
ROWS = 4
"""On each of the three sheets."""


class SceneRows:
    """A ``Watcher`` that draws every reconstruction."""

    def __init__(self) -> None:
        self.rows: dict[str, list[bytes]] = {}

    def __call__(self, truth: TrueScene, level: InputLevel, scene: Scene | None) -> None:
        """Draw one; the photo and the truth come first in its scene's row."""
        model = true_scene(truth)
        pose = orbit_camera(model, YAW_DEG, PITCH_DEG)
        name = truth.photo.name
        if name not in self.rows:
            self.rows[name] = [_tile(truth.photo.rgb, name), _tile(_seen(model, truth, pose), "truth")]
        empty = np.full((TILE_PX, TILE_PX, 3), 128, np.uint8)
        self.rows[name].append(_tile(empty if scene is None else _seen(scene, truth, pose), level.name))

    def sheets(self, results: Sequence[SceneResult]) -> dict[str, Image.Image]:
        """``best``, ``median`` and ``worst`` scenes by the mean F-S of all levels, unaligned. Empty without scenes."""
        f_scores: dict[str, list[float]] = {name: [] for name in self.rows}
        for result in results:
            f_scores[result.scene].append(next(fit.f10 for fit in result.fits if fit.alignment == "A0"))
        ranked = sorted(self.rows, key=lambda name: -float(np.mean(f_scores[name])))
        count = min(ROWS, max(len(ranked) // 3, 1))
        middle = max((len(ranked) - count) // 2, 0)
        chosen = {"best": ranked[:count]}
        if len(ranked) >= 3:
            chosen |= {"median": ranked[middle : middle + count], "worst": ranked[: -count - 1 : -1]}
        return {which: _sheet([self.rows[name] for name in names]) for which, names in chosen.items() if names}


def _seen(scene: Scene, truth: TrueScene, true_world_from_camera: Float64[np.ndarray, "4 4"]) -> UInt8[np.ndarray, "h w 3"]:
    """From one place in the true world; the reconstruction shares the photo's camera with it, and nothing else."""
    scene_from_true = scene.world_from_camera @ np.linalg.inv(truth.world_from_camera)
    h, w = truth.photo.hw
    scale = TILE_PX / max(h, w)
    return render_scene(
        scene, truth.camera, scene_from_true @ true_world_from_camera, hw=(round(h * scale), round(w * scale))
    ).rgb


def _tile(rgb: UInt8[np.ndarray, "h w 3"], caption: str) -> bytes:
    picture = Image.fromarray(rgb)
    picture.thumbnail((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (TILE_PX + 4, picture.height + CAPTION_PX), PAPER)
    tile.paste(picture, (0, CAPTION_PX))
    ImageDraw.Draw(tile).text((2, 1), printable(caption, 34), font=font(12), fill=INK)
    out = io.BytesIO()
    tile.save(out, "WEBP", quality=90)
    return out.getvalue()


def _sheet(rows: Sequence[Sequence[bytes]]) -> Image.Image:
    pictures = [[Image.open(io.BytesIO(tile)) for tile in row] for row in rows]
    heights = [max(tile.height for tile in row) for row in pictures]
    out = Image.new("RGB", (max(sum(tile.width for tile in row) for row in pictures), sum(heights)), PAPER)
    for row, top in zip(pictures, np.cumsum([0, *heights[:-1]]), strict=True):
        for k, tile in enumerate(row):
            out.paste(tile, (k * tile.width, int(top)))
    return out
