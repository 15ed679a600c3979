"""Pictures of single objects as distances between sets of pictures see them: square, on white, all of one size."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from paco_core.masks import box_slices

SIDE_PX = 256
"""As the square crops of the published tables; twice what the hidden parts of our scenes have."""
MARGIN = 1.1
"""Of the amodal box's longer side: the outline does not touch the border."""
WHITE = 255


@dataclass(frozen=True)
class Square:
    """A square of the photo's frame, px; may leave the photo."""

    x0: int
    y0: int
    side: int


def square_of(amodal: Bool[np.ndarray, "h w"], margin: float = MARGIN) -> Square:
    """The square round a mask, which must not be empty, with its centre and ``margin`` times its longer side."""
    rows, columns = box_slices(amodal)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    side = int(np.ceil(max(height, width) * margin))
    return Square((columns.start + columns.stop - side) // 2, (rows.start + rows.stop - side) // 2, side)


def cut(picture: np.ndarray, square: Square, fill: int) -> np.ndarray:
    """The square's part of a picture (h, w, …), with ``fill`` where it leaves the frame."""
    h, w = picture.shape[:2]
    out = np.full((square.side, square.side, *picture.shape[2:]), fill, picture.dtype)
    y0, x0 = max(square.y0, 0), max(square.x0, 0)
    y1, x1 = min(square.y0 + square.side, h), min(square.x0 + square.side, w)
    if y1 > y0 and x1 > x0:
        out[y0 - square.y0 : y1 - square.y0, x0 - square.x0 : x1 - square.x0] = picture[y0:y1, x0:x1]
    return out


def on_white(
    rgb: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"], square: Square, side_px: int = SIDE_PX
) -> UInt8[np.ndarray, "s s 3"]:
    """One object's pixels on white, resampled with an antialiased bicubic filter (Parmar et al. 2022, "clean-fid")."""
    seen = cut(mask, square, 0)
    picture = np.where(seen[..., None], cut(rgb, square, WHITE), np.uint8(WHITE))
    return np.asarray(Image.fromarray(picture).resize((side_px, side_px), Image.Resampling.BICUBIC))


def shares(mask: Bool[np.ndarray, "h w"], square: Square, hw: tuple[int, int]) -> Float32[np.ndarray, "sh sw"]:
    """The share of every cell of a coarser (or finer) grid over the square that the mask covers, 0 … 1."""
    picture = Image.fromarray(cut(mask, square, 0).astype(np.float32))
    return np.clip(np.asarray(picture.resize((hw[1], hw[0]), Image.Resampling.BOX), np.float32), 0, 1)
