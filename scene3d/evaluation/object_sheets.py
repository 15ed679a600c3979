"""Contact sheets of completed objects, the best, median and worst of a method: what a figure can't say."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw

from paco_core.evaluation.amodal import OCCLUDED
from paco_core.evaluation.crops import Square, cut, shares, square_of
from paco_core.evaluation.deocclusion import Completed, Instance
from paco_core.evaluation.scenes import AmodalScene
from paco_core.masks import erode
from scene3d.report_pictures import INK, INVENTED, MUTED, PAPER, font, printable

TILE_PX = 176
GAP_PX = 6
CAPTION_PX = 22
AROUND = 1.5
"""Times the object's longer side is shown, so that what was invented beyond it is seen."""
ROWS = 6
"""On each of the three sheets."""
COLUMNS = ("photo, true outline", "visible", "completed", "truth", "error")
LEGEND = "error: red is missing, blue is too much, dark is a wrong colour, green fits where no colour is known"
GROUND, SEEN, FITS, MISSING, SURPLUS = (238, 240, 243), (205, 210, 216), (150, 200, 150), (214, 69, 65), (58, 110, 220)
WRONG_FULLY = 96.0
"""Grey levels of mean colour error that are drawn black: another colour altogether."""

Tile = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True)
class ObjectRow:
    """One object, drawn."""

    hidden_iou: float
    webp: bytes
    """Packed: there may be thousands, of which eighteen are shown."""


class ObjectRows:
    """A ``Watcher`` that draws every occluded object of one method."""

    def __init__(self) -> None:
        self.rows: list[ObjectRow] = []

    def __call__(self, scene: AmodalScene, completed: Completed, instances: tuple[Instance, ...]) -> None:
        """Draw what is hidden by more than 5 %."""
        for k, instance in enumerate(instances):
            if instance.mask.hidden_share > OCCLUDED:
                self.rows.append(ObjectRow(instance.mask.hidden_iou, _packed(_row(scene, completed, k, instance))))

    def sheets(self, method: str) -> dict[str, Image.Image]:
        """``best``, ``median`` and ``worst`` by the hidden part's IoU; no object is on two of them. Empty without objects."""
        ranked = sorted(self.rows, key=lambda row: -row.hidden_iou)
        count = min(ROWS, max(len(ranked) // 3, 1))
        middle = max((len(ranked) - count) // 2, 0)
        chosen = {"best": ranked[:count]}
        if len(ranked) >= 3:
            chosen |= {"median": ranked[middle : middle + count], "worst": ranked[: -count - 1 : -1]}
        return {which: _sheet(f"{method}: {which} of {len(ranked)}", rows) for which, rows in chosen.items() if rows}


def _row(scene: AmodalScene, completed: Completed, k: int, instance: Instance) -> Image.Image:
    """Photo, visible part, completed object, truth, error; a line of words above."""
    seen, whole, made = scene.seen[k], scene.amodal[k], completed.masks[k]
    square = square_of(whole, AROUND)
    photo = _shown(scene.photo.rgb, square)
    small = [shares(mask, square, (TILE_PX, TILE_PX)) > 0.5 for mask in (seen, whole, made)]
    colours = scene.photo.rgb if completed.rgb is None else completed.rgb[k]
    truth = scene.photo.rgb if scene.alone is None else np.ascontiguousarray(scene.alone[k, ..., :3])
    known = scene.alone is not None and completed.rgb is not None
    tiles = [
        _outlined(photo, small[0], small[1]),
        _on_ground(scene.photo.rgb, seen, seen, square),
        _on_ground(colours, made, made if completed.rgb is not None else seen, square),
        _on_ground(truth, whole, whole if scene.alone is not None else seen, square),
        _error(small[0], small[1], small[2], (_shown(colours, square), _shown(truth, square)) if known else None),
    ]
    out = Image.new("RGB", (len(tiles) * (TILE_PX + GAP_PX) - GAP_PX, TILE_PX + CAPTION_PX), PAPER)
    ImageDraw.Draw(out).text((2, 2), _caption(instance), font=font(14), fill=INK)
    for position, tile in enumerate(tiles):
        out.paste(Image.fromarray(tile), (position * (TILE_PX + GAP_PX), CAPTION_PX))
    return out


def _caption(instance: Instance) -> str:
    names = (printable(name.strip(), 24) for name in (instance.scene, instance.name))
    parts = [" / ".join(names), f"{instance.mask.hidden_share:.0%} hidden"]
    parts.append("hidden IoU " + ("-" if math.isnan(instance.mask.hidden_iou) else f"{instance.mask.hidden_iou:.2f}"))
    if instance.colour is not None:
        parts.append(f"PSNR {instance.colour.psnr:.1f} dB")
    if instance.failure:
        parts.append(f"failed: {printable(instance.failure, 40)}")
    return ", ".join(parts)


def _shown(rgb: UInt8[np.ndarray, "h w 3"], square: Square, beyond: tuple[int, int, int] = PAPER) -> Tile:
    """At the tile's size; ``beyond`` is what lies outside of the frame."""
    outside = ~cut(np.ones(rgb.shape[:2], bool), square, 0)
    picture = Image.fromarray(np.where(outside[..., None], np.array(beyond, np.uint8), cut(rgb, square, 0)))
    return np.asarray(picture.resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC))


def _outlined(photo: Tile, seen: Bool[np.ndarray, "h w"], whole: Bool[np.ndarray, "h w"]) -> Tile:
    """The true outline: white round what is seen, in the colour of invented things round the whole."""
    out = photo.copy()
    out[seen & ~erode(seen, 1)] = PAPER
    out[whole & ~erode(whole, 2)] = INVENTED
    return out


def _on_ground(rgb: Tile, mask: Bool[np.ndarray, "h w"], coloured: Bool[np.ndarray, "h w"], square: Square) -> Tile:
    """What is in the mask, on a light ground; in flat grey where it has no colours of its own."""
    ground = np.where(mask[..., None], np.array(SEEN, np.uint8), np.array(GROUND, np.uint8))
    picture = np.where((mask & coloured)[..., None], rgb, ground)
    return _shown(picture, square, GROUND)


def _error(
    seen: Bool[np.ndarray, "h w"], whole: Bool[np.ndarray, "h w"], made: Bool[np.ndarray, "h w"], pair: tuple[Tile, Tile] | None
) -> Tile:
    out = np.full((*seen.shape, 3), GROUND, np.uint8)
    out[seen], out[whole & ~made & ~seen], out[made & ~whole & ~seen] = SEEN, MISSING, SURPLUS
    both = whole & made & ~seen
    out[both] = FITS
    if pair is not None:
        wrong = np.abs(pair[0].astype(np.float64) - pair[1]).mean(axis=-1)[both]
        out[both] = (255 * (1 - np.clip(wrong / WRONG_FULLY, 0, 1)))[:, None].astype(np.uint8)
    return out


def _sheet(title: str, rows: Sequence[ObjectRow]) -> Image.Image:
    pictures = [Image.open(io.BytesIO(row.webp)) for row in rows]
    head = 2 * CAPTION_PX + GAP_PX
    out = Image.new("RGB", (pictures[0].width + 2 * GAP_PX, head + sum(p.height + GAP_PX for p in pictures)), PAPER)
    draw = ImageDraw.Draw(out)
    draw.text((GAP_PX, 2), f"{printable(title, 60)}   ({LEGEND})", font=font(13), fill=INK)
    for k, name in enumerate(COLUMNS):
        draw.text((GAP_PX + k * (TILE_PX + GAP_PX), CAPTION_PX + 2), name, font=font(14), fill=MUTED)
    y = head
    for picture in pictures:
        out.paste(picture, (GAP_PX, y))
        y += picture.height + GAP_PX
    return out


def _packed(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=90)
    return out.getvalue()
