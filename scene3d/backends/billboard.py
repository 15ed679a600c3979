"""The fallback of every lifter: the silhouette as an upright plate. It works for every mask that has a pixel."""

import numpy as np
from jaxtyping import Bool, Float64, Int, UInt8
from PIL import Image

from paco_core.classes import traits_of
from paco_core.errors import ObjectFailed
from scene3d.relief.finish import depth_scale, to_lift_frame
from scene3d.relief.view import View, spine_height
from scene3d.texture import clean_photo
from scene3d.types import LiftedMesh, LiftInput, TexturedMesh

CELLS = 56
"""Cells along the silhouette's longest side: about 2 % steps in the outline of a fallback."""
THICKNESS = 0.16
"""Depth over width: just more than a sticker."""
FLAT_THICKNESS = 0.02
TEXTURE = 512


class BillboardLifter:
    """The silhouette, given a thickness."""

    name = "billboard"

    def lift(self, obj: LiftInput, *, seed: int = 0) -> LiftedMesh:
        """Lift one object. Raises ``ObjectFailed`` only when the mask is empty."""
        mask = obj.rgba[..., 3] > 127
        if not mask.any():
            raise ObjectFailed(f"The mask of {obj.name} is empty.")
        ys, xs = np.nonzero(mask)
        side = float(max(np.ptp(xs), np.ptp(ys)) + 1)
        view = View(obj.focal_px, mask.shape[0], obj.elevation_deg, obj.focal_px / side)
        flat = traits_of(obj.name).flat
        cells, origin, step = _cells(mask, side)
        corners, quads = _plate(cells)
        uv = np.array(origin) + corners * step
        half = (FLAT_THICKNESS if flat else THICKNESS) * (np.ptp(uv[:, 0]) if not flat else side) / side / 2
        middle = view.lift_pixels(uv, spine_height(uv, view))
        outwards = np.array([0, 0, half])
        vertices = np.concatenate([middle + outwards, middle - outwards])
        faces = _close(quads, len(corners))
        texture, texel = _texture(obj.rgba, mask, side, uv)
        mesh = TexturedMesh(vertices, faces, np.tile(texel, (2, 1)), texture)
        metres = None if obj.depth is None else depth_scale(obj.depth, mask & obj.visible)
        scale = None if metres is None else metres / view.distance
        return to_lift_frame(mesh, view, "billboard", metres_per_unit=scale, flat=flat)


def _cells(mask: np.ndarray, side: float) -> tuple[Bool[np.ndarray, "h w"], tuple[float, float], float]:
    """The mask on coarse cells without cells that touch only at a corner; pixel of the grid's corner; cell in px."""
    step = max(1, int(np.ceil(side / CELLS)))
    ys, xs = np.nonzero(mask)
    box = mask[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].astype(float)
    height, width = (-(-n // step) * step for n in box.shape)
    box = np.pad(box, ((0, height - box.shape[0]), (0, width - box.shape[1])))
    cells = box.reshape(height // step, step, width // step, step).mean(axis=(1, 3))
    full = cells >= 0.5
    full = full if full.any() else cells >= cells.max()
    while True:
        a, b, c, d = full[:-1, :-1], full[:-1, 1:], full[1:, :-1], full[1:, 1:]
        pinched = (a & d & ~b & ~c) | (~a & ~d & b & c)
        if not pinched.any():
            return np.pad(full, 1), (float(xs.min() - step), float(ys.min() - step)), float(step)
        full = full.copy()
        full[:-1, :-1] |= pinched
        full[:-1, 1:] |= pinched


def _plate(cells: Bool[np.ndarray, "h w"]) -> tuple[Float64[np.ndarray, "n 2"], Int[np.ndarray, "q 4"]]:
    """Used corners of the cells, (column, row), and the corners of every full cell, clockwise on the screen."""
    rows, columns = np.nonzero(cells)
    width = cells.shape[1] + 1
    first = rows * width + columns
    quads = np.stack([first, first + 1, first + width + 1, first + width], axis=1)
    used, index = np.unique(quads, return_inverse=True)
    return np.stack([used % width, used // width], axis=1).astype(np.float64), index.reshape(-1, 4)


def _close(quads: Int[np.ndarray, "q 4"], n: int) -> Int[np.ndarray, "f 3"]:
    """Front (vertices 0 … n-1), back (n … 2n-1) and the walls between them along the border."""
    edges = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    span = n + 1
    border = ~np.isin(edges[:, 0] * span + edges[:, 1], edges[:, 1] * span + edges[:, 0])
    a, b = edges[border].T
    front = np.concatenate([quads[:, [0, 2, 1]], quads[:, [0, 3, 2]]])
    walls = np.concatenate([np.stack([a, b, b + n], axis=1), np.stack([a, b + n, a + n], axis=1)])
    return np.concatenate([front, front[:, ::-1] + n, walls])


def _texture(
    rgba: np.ndarray, mask: np.ndarray, side: float, uv: np.ndarray
) -> tuple[UInt8[np.ndarray, "t t 3"], Float64[np.ndarray, "n 2"]]:
    """The photo inside the plate's box, stretched to a square, and the texture coordinates of pixels."""
    clean, _ = clean_photo(rgba, mask, side)
    low, high = uv.min(axis=0), uv.max(axis=0)
    size = min(TEXTURE, 1 << int(np.ceil(np.log2(max(side, 8)))))
    picture = Image.fromarray(np.clip(clean * 255 + 0.5, 0, 255).astype(np.uint8))
    box = (max(low[0], 0), max(low[1], 0), min(high[0], mask.shape[1]), min(high[1], mask.shape[0]))
    texture = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box=box))
    span = np.array([box[2] - box[0], box[3] - box[1]])
    return texture, np.clip((uv - np.array(box[:2])) / span, 0, 1)
