"""Contact sheets of many photos: a row per photo, to look at them all and find the ugliest."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from paco_core.files import write_atomic
from paco_core.types import Deocclusion
from scene3d.pipeline import Reconstruction
from scene3d.render import SceneRenderer, orbit_camera
from scene3d.report_pictures import INK, MUTED, PAPER, draw_masks, font, printable

VIEWS_DEG = (0.0, -30.0, 30.0, 60.0, 180.0)
"""As in the photo, where a person first looks, where stickers show, and from behind."""
TILE_PX = 300
"""Width and greatest height of a picture."""
CAPTION_PX = 20
ROWS_PER_SHEET = 6


def photo_row(result: Reconstruction, caption: str) -> UInt8[np.ndarray, "h w 3"]:
    """One photo: masks, the background without objects, the complete objects, and the scene from several sides."""
    flat = result.deocclusion
    renderer, camera = SceneRenderer(result.scene), result.scene.camera
    scale = TILE_PX / max(camera.width, camera.height)
    hw = (round(camera.height * scale), round(camera.width * scale))
    views = [renderer.render(camera, orbit_camera(result.scene, yaw), hw=hw).rgb for yaw in VIEWS_DEG]
    tiles = [draw_masks(flat.photo, flat.segmentation), Image.fromarray(flat.background.rgb), _objects(flat)]
    tiles += [Image.fromarray(view) for view in views]
    row = Image.new("RGB", (TILE_PX * len(tiles), hw[0] + CAPTION_PX), PAPER)
    for k, tile in enumerate(tiles):
        tile.thumbnail((TILE_PX - 4, hw[0]), Image.Resampling.LANCZOS)
        row.paste(tile, (k * TILE_PX, CAPTION_PX))
    draw, letters = ImageDraw.Draw(row), font(15)
    draw.text((4, 1), printable(caption, 100), font=letters, fill=INK)
    for k, yaw in enumerate(VIEWS_DEG, len(tiles) - len(VIEWS_DEG)):
        draw.text((k * TILE_PX + 4, 1), f"{yaw:+.0f}°" if yaw else "0°", font=letters, fill=MUTED)
    return np.asarray(row)


def _objects(flat: Deocclusion) -> Image.Image:
    """All complete objects side by side on light grey, the most hidden ones first."""
    items = sorted(flat.objects, key=lambda o: -o.hidden_fraction)[:12]
    columns = max(int(np.ceil(np.sqrt(len(items) * 1.2))), 1)
    side = TILE_PX // columns
    out = Image.new("RGB", (TILE_PX, side * max(-(-len(items) // columns), 1)), (225, 228, 232))
    for k, item in enumerate(items):
        picture = Image.fromarray(item.rgba)
        picture.thumbnail((side - 4, side - 4), Image.Resampling.LANCZOS)
        out.paste(picture, ((k % columns) * side + 2, (k // columns) * side + 2), picture)
    return out


def write_sheet(rows: Sequence[UInt8[np.ndarray, "h w 3"]], path: Path) -> None:
    """Rows, one below the other, as a JPEG."""
    out = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(out, "JPEG", quality=88)
    write_atomic(path, out.getvalue())
