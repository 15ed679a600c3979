"""Full-size layers for picture editors: stacked back to front they show the photo, and every one of them is complete."""

import io
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from paco_core.files import remove_files, write_atomic
from paco_core.names import object_slug
from paco_core.rescue import surviving
from paco_core.types import CompleteObject, Deocclusion

LAYERS = "layers"
"""The folder, inside a run folder."""
LIST = "layers.json"
_OURS = re.compile(r"[0-9]{3,}_[a-z0-9_]+\.png")


@dataclass(frozen=True)
class Canvas:
    """What all layers cover: the photo, and as much beyond its borders as objects were completed to."""

    width: int
    height: int
    photo_xy: tuple[int, int]
    """Where the photo's upper left corner lies."""

    def layer(self, rgba: UInt8[np.ndarray, "h w 4"], corner_xy: tuple[int, int]) -> UInt8[np.ndarray, "H W 4"]:
        """A picture whose corner lies at ``corner_xy`` of the photo, on the otherwise transparent canvas."""
        x, y = (corner + offset for corner, offset in zip(corner_xy, self.photo_xy, strict=True))
        out = np.zeros((self.height, self.width, 4), np.uint8)
        out[y : y + rgba.shape[0], x : x + rgba.shape[1]] = rgba
        return out


def canvas_of(deocclusion: Deocclusion) -> Canvas:
    """The smallest canvas that holds the photo and every complete object."""
    h, w = deocclusion.photo.hw
    boxes = np.array([(0, 0, w, h), *(item.box_xyxy for item in deocclusion.objects)])
    (x0, y0), (x1, y1) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    return Canvas(x1 - x0, y1 - y0, (-x0, -y0))


def back_to_front(deocclusion: Deocclusion) -> tuple[CompleteObject, ...]:
    """What hides nothing first. An object's invented part covers nothing but what is in front of it, so that any order that
    keeps to the layers shows every visible part.
    """
    return tuple(sorted(deocclusion.objects, key=lambda item: (-item.layer, item.id)))


def write_layers(deocclusion: Deocclusion, folder: Path) -> tuple[str, ...]:
    """``layers/000_background.png``, then one picture per object back to front, and ``layers.json`` about them (docs/cli.md).

    Returns a sentence per object whose layer failed; raises ``BadInput`` when the folder can't be written.
    """
    place, canvas = folder / LAYERS, canvas_of(deocclusion)
    earlier = _listed(place / LIST)
    h, w = deocclusion.photo.hw
    photo_box = _shifted((0, 0, w, h), canvas)
    alpha = np.full((h, w, 1), 255, np.uint8)
    write_atomic(place / "000_background.png", _png(canvas.layer(np.dstack([deocclusion.background.rgb, alpha]), (0, 0))))
    entries: list[dict[str, Any]] = [{"file": "000_background.png", "name": "background", "box_xyxy": photo_box}]
    failed: list[str] = []
    for item in back_to_front(deocclusion):
        with surviving(f"{item.id} {item.name}: its layer could not be written", failed):
            name = f"{len(entries):03d}_{object_slug(item.id, item.name)}.png"
            write_atomic(place / name, _png(canvas.layer(item.rgba, item.box_xyxy[:2])))
            entries.append({"file": name, **_entry(item, canvas)})
    about = {
        "format": "paco-layers",
        "version": 1,
        "photo": deocclusion.photo.name,
        "canvas_wh": [canvas.width, canvas.height],
        "photo_xyxy": photo_box,
        "layers": entries,
    }
    write_atomic(place / LIST, (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
    for name in earlier - {entry["file"] for entry in entries}:
        with suppress(OSError):
            (place / name).unlink()
    return tuple(failed)


def forget_layers(folder: Path) -> None:
    """Remove what ``write_layers`` wrote; what people put beside it stays."""
    place = folder / LAYERS
    remove_files(place, [*_listed(place / LIST), LIST])


def _entry(item: CompleteObject, canvas: Canvas) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "depth_layer": item.layer,
        "crop": f"objects/{object_slug(item.id, item.name)}/rgba.png",
        "box_xyxy": _shifted(item.box_xyxy, canvas),
        "visible_px": int(item.visible.sum()),
        "amodal_px": int(item.amodal.sum()),
    }


def _shifted(box_xyxy: tuple[int, int, int, int], canvas: Canvas) -> list[int]:
    """A box of the photo as a box of the canvas."""
    x, y = canvas.photo_xy
    return [side + offset for side, offset in zip(box_xyxy, (x, y, x, y), strict=True)]


def _listed(path: Path) -> set[str]:
    """Files that an earlier run wrote; none where its list is not there or was changed by hand."""
    try:
        names = [entry["file"] for entry in json.loads(path.read_bytes())["layers"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return set()
    return {name for name in names if isinstance(name, str) and _OURS.fullmatch(name)}


def _png(rgba: UInt8[np.ndarray, "h w 4"]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgba).save(out, "PNG", compress_level=3)  # half of the time of 6, for a third more bytes
    return out.getvalue()
