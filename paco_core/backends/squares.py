"""Pictures of any shape for networks that want squares of one size, and back."""

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image


def squared(rgb: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], side_px: int) -> tuple[Image.Image, Image.Image]:
    """Picture and hole at ``side_px``; below or right of a longer picture its edge goes on. What a hole touches is in it."""
    h, w = hole.shape
    more = ((0, max(w - h, 0)), (0, max(h - w, 0)))
    picture = Image.fromarray(np.pad(rgb, (*more, (0, 0)), mode="edge"))
    mask = Image.fromarray(np.pad(np.where(hole, np.uint8(255), np.uint8(0)), more))
    small = mask.resize((side_px, side_px), Image.Resampling.BILINEAR)
    return picture.resize((side_px, side_px), Image.Resampling.BICUBIC), small.point(lambda value: 255 if value else 0)


def from_square(picture: UInt8[np.ndarray, "s s 3"], hw: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """The part that ``squared`` was given, at its size."""
    side = max(hw)
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))[: hw[0], : hw[1]]
