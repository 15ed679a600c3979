"""Pictures of whole objects drawn on a canvas, or on a window of it, at any size."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from paco_core.data.packfile import MARGIN_PX

SOLID = 0.5
"""Alpha above which a pixel counts as the object's."""
SHARP = 0.7
"""Drawn smaller than this, a picture is halved first: bilinear samples would skip pixels."""


@dataclass(frozen=True)
class Placed:
    """One picture of a stock on a canvas of side 1, x right, y down."""

    picture: int
    x: float
    y: float
    """Its centre."""
    longest: float
    """Longest side of the object."""
    tilt_rad: float
    mirrored: bool


@dataclass(frozen=True)
class Window:
    """A square of a canvas, which it may leave."""

    x0: float
    y0: float
    side: float


WHOLE = Window(0.0, 0.0, 1.0)
"""All of a canvas."""


def drawn(rgba: UInt8[np.ndarray, "s s 4"], placed: Placed, window: Window, side_px: int) -> Float32[np.ndarray, "p p 4"]:
    """A picture with straight alpha as ``placed``, seen through ``window``: colours times alpha, and alpha, 0 … 1."""
    import cv2

    layer = rgba.astype(np.float32) / 255
    layer[..., :3] *= layer[..., 3:]
    side = placed.longest * len(rgba) / (len(rgba) - 2 * MARGIN_PX)  # of the picture with its margin
    while SHARP * len(layer) * window.side > side * side_px and len(layer) > 1:
        layer = cv2.resize(layer, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    picture_from_window = _transform(placed, window, len(layer) / side, window.side / side_px)
    centred = picture_from_window + [[0, 0, len(layer) / 2 - 0.5], [0, 0, len(layer) / 2 - 0.5]]
    return cv2.warpAffine(layer, centred, (side_px, side_px), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _transform(placed: Placed, window: Window, picture_px: float, window_px: float) -> Float64[np.ndarray, "2 3"]:
    """From indices of the window's pixels to px right of and below the picture's centre.

    ``picture_px`` are the picture's pixels in a unit of the canvas, ``window_px`` is the side of a window's pixel there.
    """
    cos, sin = math.cos(placed.tilt_rad), math.sin(placed.tilt_rad)
    turn = picture_px * np.array([[cos, sin], [-sin, cos]])
    turn[0] *= -1 if placed.mirrored else 1
    first = np.array([window.x0 + window_px / 2 - placed.x, window.y0 + window_px / 2 - placed.y])
    return np.column_stack([window_px * turn, turn @ first])


def over(front: Float32[np.ndarray, "h w 4"], behind: Float32[np.ndarray, "h w 4"]) -> Float32[np.ndarray, "h w 4"]:
    """One layer before another, colours times alpha (Porter and Duff 1984)."""
    return front + (1 - front[..., 3:]) * behind
