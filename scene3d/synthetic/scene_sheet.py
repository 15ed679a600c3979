"""A sheet of rendered scenes to look at: a row per scene with its photo and its truth."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from paco_core.files import write_atomic
from scene3d.report_pictures import INK, PAPER, checkerboard, draw_depth, draw_masks, font, printable
from scene3d.synthetic.shards import read_scenes
from scene3d.synthetic.truth import TrueScene

ROWS = 12
TILE_PX = 256
"""Width and greatest height of a picture."""
CAPTION_PX = 20


def write_scene_sheet(shards: Sequence[Path], path: Path) -> Path:
    """The first scenes of some shards: photo, masks, depth, normals, without objects, and the most hidden object complete."""
    scenes = itertools.islice((scene for shard in shards for scene in read_scenes(shard)), ROWS)
    rows = [_row(scene) for scene in scenes]
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), PAPER)
    y = 0
    for row in rows:
        sheet.paste(row, (0, y))
        y += row.height
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=88)
    write_atomic(path, out.getvalue())
    return path


def _row(scene: TrueScene) -> Image.Image:
    normals = np.where(scene.depth.valid[..., None], 127.5 + 127.5 * scene.normals * [1, -1, -1], 128).astype(np.uint8)
    pictures = [
        Image.fromarray(scene.photo.rgb),
        draw_masks(scene.photo, scene.segmentation),
        draw_depth(scene.depth),
        Image.fromarray(normals),
        Image.fromarray(scene.empty),
        _complete(scene),
    ]
    row = Image.new("RGB", (TILE_PX * len(pictures), TILE_PX * scene.camera.height // scene.camera.width + CAPTION_PX), PAPER)
    for k, picture in enumerate(pictures):
        picture.thumbnail((TILE_PX - 2, row.height - CAPTION_PX), Image.Resampling.LANCZOS)
        row.paste(picture, (k * TILE_PX, CAPTION_PX))
    text = f"{scene.photo.name}: {len(scene.objects)} objects, layers {max(scene.layers) + 1}"
    ImageDraw.Draw(row).text((4, 2), printable(text, 120), font=font(14), fill=INK)
    return row


def _complete(scene: TrueScene) -> Image.Image:
    """The object of which the photo shows least, as it is."""
    alone = scene.alone[int(np.argmin(scene.visible_fractions))]
    picture = Image.fromarray(checkerboard(scene.photo.hw))
    picture.paste(Image.fromarray(alone), (0, 0), Image.fromarray(alone[..., 3]))
    return picture
