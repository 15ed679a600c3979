"""The edited picture: complete objects over the completed background, back to front, as large as the photo."""

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from paco_core.errors import BadInput
from viewers.original import Layer, Original
from viewers.state import EditState, Thing

BACKGROUND = "background.png"
LARGEST_PX = 400_000_000
"""Of a picture in a run folder: a photo of 20,000 × 20,000."""
FARTHEST_SIDE_PX = 30_000
"""An object that is enlarged beyond is drawn no finer: Pillow's own limit of coordinates is not far."""


@dataclass
class Pictures:
    """The pictures of a run, each read when it is first needed."""

    original: Original
    _read: dict[Path, Image.Image] = field(default_factory=dict)

    def layer(self, source: int) -> Image.Image:
        """RGBA of a complete object. Raises ``BadInput`` when it is missing or is not the one that the list tells of."""
        layer = self.original.layers[source]
        x0, y0, x1, y1 = layer.box_xyxy
        return self._load(layer.picture, "RGBA", (x1 - x0, y1 - y0), layer)

    def background(self) -> Image.Image:
        """RGB, as large as the photo. Raises ``BadInput`` when it is missing."""
        return self._load(self.original.folder / BACKGROUND, "RGB", self.original.photo_wh, None)

    def _load(self, path: Path, mode: str, wh: tuple[int, int], layer: Layer | None) -> Image.Image:
        if path not in self._read:
            what = "The background" if layer is None else f"The picture of {layer.id} {layer.name}"
            anew = f"`paco export {self.original.folder}` writes it anew."
            try:
                with Image.open(path, formats=("PNG",)) as picture:
                    if picture.size != wh or wh[0] * wh[1] > LARGEST_PX:
                        raise BadInput(f"{path} has {picture.size} px, not {wh}. {anew}")
                    self._read[path] = picture.convert(mode)
            except FileNotFoundError as error:
                raise BadInput(f"{what} is missing ({path}). {anew}") from error
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                raise BadInput(f"{what} is damaged ({path}: {str(error)[:80]}). {anew}") from error
        return self._read[path]


def compose_picture(state: EditState, pictures: Pictures) -> UInt8[np.ndarray, "h w 3"]:
    """The picture that the edits describe. Raises ``BadInput`` for a run without pictures."""
    original = pictures.original
    if not original.layers:
        raise BadInput(f"{original.folder} has no pictures of its objects: `paco export {original.folder}` writes them.")
    canvas = np.asarray(pictures.background(), np.float32).copy()
    for thing in state.things:
        if not thing.hidden and thing.opacity > 0 and thing.source in original.layers:
            _lay(
                canvas,
                drawn(thing, original.layers[thing.source], pictures.layer(thing.source), original.photo_wh),
                thing.opacity,
            )
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def drawn(thing: Thing, layer: Layer, picture: Image.Image, wh: tuple[int, int]) -> Float32[np.ndarray, "h w 4"]:
    """One object alone as it lies over the photo: colours times alpha, 0…255, and alpha, 0…1."""
    middle = np.array(layer.middle_xy) + thing.shift_px
    scaled = picture.convert("RGBa")  # premultiplied: no colour of what is transparent bleeds in
    size = thing.size * min(1.0, FARTHEST_SIDE_PX / (max(picture.size) * thing.size))
    if size < 1:  # made smaller first, all pixels counting; the rest is a turn and a shift
        scaled = scaled.resize((max(1, round(picture.width * size)), max(1, round(picture.height * size))), Image.Resampling.BOX)
    factor = np.array(scaled.size) / np.array(picture.size) / thing.size
    a = np.radians(thing.turn_deg)
    back = np.diag(factor * [-1 if thing.flipped else 1, 1]) @ [[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]
    offset = np.array(scaled.size) / 2 - back @ middle
    whole = not thing.turn_deg and thing.size == 1 and np.array_equal(np.rint(offset), offset)
    how = Image.Resampling.NEAREST if whole else Image.Resampling.BICUBIC
    matrix = (*back[0], offset[0], *back[1], offset[1])
    placed = np.asarray(scaled.transform(wh, Image.Transform.AFFINE, matrix, how), np.float32)
    return np.concatenate([placed[..., :3], placed[..., 3:] / 255], axis=-1)


def picture_png(rgb: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """As a file's content."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "PNG", compress_level=4)
    return out.getvalue()


def _lay(canvas: Float32[np.ndarray, "h w 3"], layer: Float32[np.ndarray, "h w 4"], opacity: float) -> None:
    rows, columns = (np.flatnonzero(layer[..., 3].any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        return
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    canvas[box] = canvas[box] * (1 - opacity * layer[box][..., 3:]) + opacity * layer[box][..., :3]
