"""What ``paco eval lift`` shows and keeps: a row per lifter, a line per object, sheets to look at."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from paco_core.evaluation.figures import Row
from paco_core.evaluation.table import bootstrap
from scene3d.evaluation.lift_truth import LiftTruth
from scene3d.evaluation.lifting import LiftMethod, LiftRun, LiftScore, at_true_distance, by_rank
from scene3d.evaluation.unseen_views import look
from scene3d.report_pictures import INK, PAPER, font, printable
from scene3d.transforms import apply
from scene3d.types import TexturedMesh

VIEW_COLUMNS = ("CD", "F@.05", "F@.02", "view IoU", "voxel IoU", "PSNR", "SSIM")
BOX_COLUMNS = ("box: CD", "box: F@.05", "box: F@.02", "box: view IoU")
COLUMNS: dict[str, Callable[[LiftScore], float]] = {
    "CD": lambda s: s.view.chamfer,
    "F@.05": lambda s: s.view.f05,
    "F@.02": lambda s: s.view.f02,
    "view IoU": lambda s: s.view.view_iou,
    "voxel IoU": lambda s: s.voxel_iou,
    "PSNR": lambda s: s.psnr,
    "SSIM": lambda s: s.ssim,
    "box: CD": lambda s: s.box.chamfer,
    "box: F@.05": lambda s: s.box.f05,
    "box: F@.02": lambda s: s.box.f02,
    "box: view IoU": lambda s: s.box.view_iou,
}
SHEET_ROWS = 4
"""Of the best, the median and the worst objects."""
SHEET_VIEWS = (60.0, 180.0)
"""Yaw of the two unseen views, degrees."""
TILE_PX = 160
CAPTION_PX = 18


def lift_rows(run: LiftRun) -> list[Row]:
    """Means over objects, with intervals when objects are drawn anew."""
    return [_row(method, scores) for method, scores in run.scores.items()]


def _row(method: str, scores: Sequence[LiftScore]) -> Row:
    def mean(of: Callable[[LiftScore], float]) -> Callable[[Sequence[LiftScore]], float]:
        return lambda items: float(np.mean([of(s) for s in items]))

    facts = {
        "objects": str(len(scores)),
        "failed": str(sum(bool(s.failure) for s in scores)),
        "watertight": f"{np.mean([s.watertight for s in scores]):.0%}",
        "faces": f"{np.mean([s.faces for s in scores]):.0f}",
        "s": f"{np.mean([s.seconds for s in scores]):.2f}",
    }
    return Row(method, {name: bootstrap([[s] for s in scores], mean(of)) for name, of in COLUMNS.items()}, facts)


def score_lines(run: LiftRun) -> list[dict[str, Any]]:
    """One flat line per method and object, for a CSV file."""
    return [_flat(score) for scores in run.scores.values() for score in scores]


def _flat(score: LiftScore) -> dict[str, Any]:
    shapes = {f"{align}_{name}": v for align in ("view", "box") for name, v in dataclasses.asdict(getattr(score, align)).items()}
    plain = {f.name: getattr(score, f.name) for f in dataclasses.fields(score) if f.name not in ("view", "box")}
    return {name: round(v, 5) if isinstance(v, float) else v for name, v in {**plain, **shapes}.items()}


def sheet(run: LiftRun, name: str, method: LiftMethod) -> UInt8[np.ndarray, "h w 3"]:
    """The best, median and worst objects of one method: input, then ours and the truth from the same view and two others."""
    rows = []
    for which, k in by_rank(run.scores[name], SHEET_ROWS):
        score = run.scores[name][k]
        caption = f"{which}: {score.name}, CD {score.view.chamfer:.3f}, F@.05 {score.view.f05:.2f}. Input | ours | truth"
        rows.append(_sheet_row(run.makers[k](), method, bool(score.failure), caption))
    return np.concatenate(rows)


def _sheet_row(truth: LiftTruth, method: LiftMethod, failed: bool, caption: str) -> UInt8[np.ndarray, "h w 3"]:
    angles = [(0.0, truth.item.elevation_deg), *((yaw, truth.item.elevation_deg) for yaw in SHEET_VIEWS)]
    ours = [] if failed else _looks(_aligned(truth, method), angles)
    theirs = _looks(truth.mesh, angles)
    row = Image.new("RGB", (TILE_PX * 7, TILE_PX + CAPTION_PX), PAPER)
    picture = Image.fromarray(truth.item.rgba)
    picture.thumbnail((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
    row.paste(picture, (0, CAPTION_PX), picture)
    for first, tiles in ((1, ours), (4, theirs)):
        for k, tile in enumerate(tiles, first):
            row.paste(Image.fromarray(tile), (k * TILE_PX, CAPTION_PX))
    ImageDraw.Draw(row).text((4, 1), printable(caption, 120), font=font(13), fill=INK)
    return np.asarray(row)


def _looks(mesh: TexturedMesh, angles: Sequence[tuple[float, float]]) -> list[UInt8[np.ndarray, "s s 3"]]:
    return [look(mesh, *angle, TILE_PX).rgb for angle in angles]


def _aligned(truth: LiftTruth, method: LiftMethod) -> TexturedMesh:
    lifted = method(truth.item)
    mesh = lifted.mesh
    return TexturedMesh(apply(at_true_distance(lifted, truth), mesh.vertices), mesh.faces, mesh.uv, mesh.texture)
