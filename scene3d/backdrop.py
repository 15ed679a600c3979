"""The backdrop: a relief of what stands around the floor, and a smooth shell behind it that closes every gap.

The relief is a grid over the photo's pixels, cut where the floor is and torn where depth jumps, with the photo itself as
texture. The shell lies behind the relief, reaches beyond the photo's frame, and carries a soft copy of the photo: it is
what one sees from the side between things that stand apart.
"""

import numpy as np
from jaxtyping import Bool, Float64, Int, UInt8
from PIL import Image
from scipy import ndimage

from scene3d.extend import extend, power_of_two
from scene3d.surroundings import Surroundings
from scene3d.types import TexturedMesh

COLUMNS = 160
"""Cells of the relief along the photo's longer side: 17k triangles at most."""
SHELL_COLUMNS, SHELL_ROWS, SIDE_COLUMNS = 32, 32, 12
"""Cells of the shell, which is smooth: inside the photo's frame, and on each side of it."""
JUMP = 1.08
"""Ratio of depths inside one cell above which two things stand apart (slanted walls stay below it)."""
ROUND_DEG = 60.0
"""The shell's sides come round the camera by this much beyond the photo's frame, so that a 30° walk meets no gap."""
BEYOND = (0.6, 0.6)
"""How far the shell goes beyond the photo's frame on each side, in widths and heights of the photo: what a 30° walk sees."""
BACKDROP_REACH = 1.5
"""How far the shell's sides are from the camera at most, in depths of the wall: seen under 55° to a side."""
BEHIND = 1.02
"""The shell's depth over the farthest relief around it."""
UNDER_M = 0.05
"""Parts of the backdrop deeper than this under the floor are never seen."""
TEXTURE_PX = 2048


def build_backdrop(around: Surroundings) -> TexturedMesh:
    """Relief and shell as one mesh in world coordinates, triangles facing the photo's camera, one texture for both."""
    h, w = around.is_floor.shape
    photo_hw, shell_hw = _texture_sizes(h, w)
    vertices, faces, pixels = _relief(around)
    uv = _texture_coordinates(pixels, (0.0, 0.0, w, h), photo_hw)
    shell_vertices, shell_faces, shell_pixels = _shell(around)
    left, top = BEYOND[0] * w, BEYOND[1] * h
    shell_uv = _texture_coordinates(shell_pixels, (-left, -top, w + left, h + top), shell_hw)
    photo = np.asarray(Image.fromarray(around.rgb).resize((photo_hw[1], photo_hw[0]), Image.Resampling.LANCZOS))
    across = int(h > w)  # a tall photo's halves stand side by side
    uv[:, 1 - across] *= 0.5
    shell_uv[:, 1 - across] = 0.5 + 0.5 * shell_uv[:, 1 - across]
    return TexturedMesh(
        np.concatenate([vertices, shell_vertices]),
        np.concatenate([faces, shell_faces + len(vertices)]),
        np.concatenate([uv, shell_uv]),
        np.concatenate([photo, _shell_texture(around, shell_hw)], axis=across),
    )


def _texture_sizes(h: int, w: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(height, width) of the photo's half of the texture and of the shell's: equal, and together a power of two."""
    half = TEXTURE_PX // 2
    size = power_of_two(h, TEXTURE_PX if h > w else half), power_of_two(w, half if h > w else TEXTURE_PX)
    return size, size


def _texture_coordinates(
    pixels: Float64[np.ndarray, "v 2"], box: tuple[float, float, float, float], hw: tuple[int, int]
) -> Float64[np.ndarray, "v 2"]:
    """Photo pixels (u, v) as coordinates of a texture that shows ``box`` (left, top, right, bottom), kept off its rim."""
    left, top, right, bottom = box
    uv = (pixels - [left, top]) / [right - left, bottom - top]
    rim = 0.5 / np.array([hw[1], hw[0]])
    return np.clip(uv, rim, 1 - rim)


def _relief(
    around: Surroundings,
) -> tuple[Float64[np.ndarray, "v 3"], Int[np.ndarray, "f 3"], Float64[np.ndarray, "v 2"]]:
    """Vertices, triangles and photo pixels of the vertices: smooth cells share theirs, torn cells have their own."""
    h, w = around.is_floor.shape
    step = max(h, w) / COLUMNS
    u, v = np.meshgrid(np.linspace(0, w, round(w / step) + 1), np.linspace(0, h, round(h / step) + 1))
    rows, columns = np.minimum(v, h - 1).astype(int), np.minimum(u, w - 1).astype(int)
    z = around.wall_z[rows, columns]
    points = _points(around, u, v, z)
    corners = cell_corners(*u.shape)
    wanted = _wanted_cells(around, u, v, points).ravel()
    corner_z = z.ravel()[corners]
    torn = corner_z.max(axis=1) > JUMP * corner_z.min(axis=1)
    pixels = np.stack([u.ravel(), v.ravel()], axis=1)
    smooth = split_cells(corners[wanted & ~torn])
    far_points, far_pixels = _torn_cells(around, pixels[corners[wanted & torn]], corner_z[wanted & torn])
    start = u.size
    far = split_cells(start + np.arange(len(far_points)).reshape(-1, 4))
    vertices = np.concatenate([points.reshape(-1, 3), far_points])
    return _used(vertices, np.concatenate([smooth, far]), np.concatenate([pixels, far_pixels]))


def _wanted_cells(
    around: Surroundings,
    u: Float64[np.ndarray, "r c"],
    v: Float64[np.ndarray, "r c"],
    points: Float64[np.ndarray, "r c 3"],
) -> Bool[np.ndarray, "r1 c1"]:
    """Cells with any pixel that is not floor, and the cells under them that go on below the floor: no seam is open."""
    standing = np.pad(np.cumsum(np.cumsum(~around.is_floor, axis=0), axis=1), ((1, 0), (1, 0)))
    total = standing[np.rint(v).astype(int), np.rint(u).astype(int)]
    wanted = total[1:, 1:] - total[1:, :-1] - total[:-1, 1:] + total[:-1, :-1] > 0
    y = points[..., 1]
    highest = np.maximum.reduce([y[1:, 1:], y[1:, :-1], y[:-1, 1:], y[:-1, :-1]])
    below = np.zeros_like(wanted)
    below[1:] = wanted[:-1]
    return (wanted | (below & (highest < UNDER_M))) & (highest > -UNDER_M)


def _torn_cells(
    around: Surroundings, pixels: Float64[np.ndarray, "n 4 2"], z: Float64[np.ndarray, "n 4"]
) -> tuple[Float64[np.ndarray, "v 3"], Float64[np.ndarray, "v 2"]]:
    """Cells across a jump of depth belong to the far side: their near corners go back to it, nothing is stretched."""
    farthest = z.max(axis=1, keepdims=True)
    pushed = np.where(z * JUMP > farthest, z, farthest)
    u, v = pixels[..., 0], pixels[..., 1]
    return _points(around, u, v, pushed).reshape(-1, 3), pixels.reshape(-1, 2)


def _shell(
    around: Surroundings,
) -> tuple[Float64[np.ndarray, "v 3"], Int[np.ndarray, "f 3"], Float64[np.ndarray, "v 2"]]:
    """A smooth grid behind the relief, larger than the photo's frame."""
    h, w = around.is_floor.shape
    window = max(w // 12, 3)
    standing = np.where(around.is_floor, 0.0, around.wall_z)
    farthest = ndimage.maximum_filter(standing, size=2 * window + 1)
    farthest = np.where(farthest > 0, farthest, around.wall_z)
    inverse = ndimage.gaussian_filter(1 / farthest, window / 3, mode="nearest")
    z_of_pixel = BEHIND / np.minimum(inverse, 1 / np.where(standing > 0, standing, farthest))
    sides = np.linspace(1 / SIDE_COLUMNS, 1, SIDE_COLUMNS)
    columns = np.concatenate([-BEYOND[0] * w * sides[::-1], np.linspace(0, w, SHELL_COLUMNS + 1), w + BEYOND[0] * w * sides])
    u, v = np.meshgrid(columns, np.linspace(-BEYOND[1] * h, (1 + BEYOND[1]) * h, SHELL_ROWS + 1))
    u_edge, v_edge = np.clip(u, 0, w), np.clip(v, 0, h)
    z = z_of_pixel[np.minimum(v_edge, h - 1).astype(int), np.minimum(u_edge, w - 1).astype(int)]
    edge = _points(around, u_edge, v_edge, z)
    edge[..., 1] += (v_edge - v) / around.camera.fy * z  # walls go on straight up
    points = _turned_round(around, edge, np.radians(ROUND_DEG) * (u - u_edge) / (BEYOND[0] * w)).reshape(-1, 3)
    corners = cell_corners(*u.shape)
    seen = points[corners][..., 1].max(axis=1) > -UNDER_M
    return _used(points, split_cells(corners[seen]), np.stack([u.ravel(), v.ravel()], axis=1))


def _turned_round(
    around: Surroundings, points: Float64[np.ndarray, "r c 3"], angle: Float64[np.ndarray, "r c"]
) -> Float64[np.ndarray, "r c 3"]:
    """Points turned about the vertical through the camera, clockwise from above: heights stay, the foot stays on the floor."""
    x, y, z = np.moveaxis(points - around.eye, -1, 0)
    c, s = np.cos(angle), np.sin(angle)
    return around.eye + np.stack([x * c - z * s, y, x * s + z * c], axis=-1)


def _shell_texture(around: Surroundings, hw: tuple[int, int]) -> UInt8[np.ndarray, "th tw 3"]:
    """The photo, soft; beyond its frame and where it shows floor the wall goes on."""
    h, w = around.is_floor.shape
    rows = ((np.arange(hw[0]) + 0.5) / hw[0] * (1 + 2 * BEYOND[1]) - BEYOND[1]) * h
    columns = ((np.arange(hw[1]) + 0.5) / hw[1] * (1 + 2 * BEYOND[0]) - BEYOND[0]) * w
    inside = ((rows >= 0) & (rows < h))[:, None] & ((columns >= 0) & (columns < w))[None]
    row, column = np.clip(rows, 0, h - 1).astype(int)[:, None], np.clip(columns, 0, w - 1).astype(int)[None]
    known = inside & ~around.is_floor[row, column]
    filled = extend(around.rgb[row, column].astype(np.float32), known, known, fade_px=hw[1] / 8)
    soft = np.stack([ndimage.gaussian_filter(c, hw[1] / 100, mode="nearest") for c in np.moveaxis(filled, -1, 0)], -1)
    return np.clip(np.rint(np.where(inside[..., None], soft, filled)), 0, 255).astype(np.uint8)


def _points(
    around: Surroundings, u: Float64[np.ndarray, "*g"], v: Float64[np.ndarray, "*g"], z: Float64[np.ndarray, "*g"]
) -> Float64[np.ndarray, "*g 3"]:
    """World points of photo pixels (u, v) at z-depth z."""
    camera = around.camera
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)], axis=-1)
    return around.eye + (rays * z[..., None]) @ around.world_from_camera[:3, :3].T


def cell_corners(rows: int, columns: int) -> Int[np.ndarray, "n 4"]:
    """Vertex indices of every cell of a grid: top left, bottom left, bottom right, top right."""
    index = np.arange(rows * columns).reshape(rows, columns)
    return np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)


def split_cells(corners: Int[np.ndarray, "n 4"]) -> Int[np.ndarray, "f 3"]:
    """Two triangles per cell, counter-clockwise for the photo's camera."""
    return np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])


def _used(
    vertices: Float64[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], pixels: Float64[np.ndarray, "v 2"]
) -> tuple[Float64[np.ndarray, "w 3"], Int[np.ndarray, "f 3"], Float64[np.ndarray, "w 2"]]:
    """Without the vertices that no triangle uses."""
    used, faces = np.unique(faces, return_inverse=True)
    return vertices[used], faces.reshape(-1, 3), pixels[used]
