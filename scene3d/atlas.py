"""Texture atlases: one chart that is the photo itself, box-projected charts for the rest, packed into a square."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from paco_core.errors import ObjectFailed

GUTTER = 3
"""Empty texels around a chart, filled by ``bleed``: bilinear sampling and two mip levels never see a neighbour."""
SIDE_DENSITY = 0.7
"""Texels per length of unseen charts over those of the photo's chart: what is invented is blurry anyway."""
MIN_DENSITY = 0.2
"""Before unseen charts get coarser than this, the atlas grows."""
FRONT_SHARE = 0.74
"""Longest side of the photo's chart over the atlas' side: leaves 45 % of the texels to the rest."""
BOX_DIRECTIONS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float64)
BOX_AXES = ((2, 1), (2, 1), (0, 2), (0, 2), (0, 1), (0, 1))
FRONT = 6
"""Label of the chart that is the photo; labels 0 … 5 are the box directions."""


@dataclass(frozen=True)
class Atlas:
    """A mesh cut along the seams of its charts. Texel coordinates: x right, y down, texel centres at +0.5."""

    source: Int[np.ndarray, "v"]
    """Vertex of the uncut mesh that each vertex is a copy of."""
    faces: Int[np.ndarray, "f 3"]
    texel: Float64[np.ndarray, "v 2"]
    front: Bool[np.ndarray, "f"]
    """Faces that the photo's chart textures."""
    size: int
    texels_per_px: float
    """Scale of the photo's chart."""
    front_origin_px: Float64[np.ndarray, "2"]
    """Crop pixel that lies at the atlas' top-left corner."""


def face_normals(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Float64[np.ndarray, "f 3"]:
    """Unit normals (zero for degenerate faces)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15)


def face_neighbors(faces: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, "f 3"]:
    """The face across each edge of a closed mesh."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    face = np.tile(np.arange(len(faces)), 3)
    other = np.empty(len(edges), dtype=np.int64)
    other[order[0::2]], other[order[1::2]] = face[order[1::2]], face[order[0::2]]
    return other.reshape(3, -1).T


def label_faces(
    normals: Float[np.ndarray, "f 3"],
    neighbors: Int[np.ndarray, "f 3"],
    front: Bool[np.ndarray, "f"],
    maybe_front: Bool[np.ndarray, "f"],
    rounds: int = 4,
) -> Int[np.ndarray, "f"]:
    """Chart label per face: the photo where it shows the face, else the closest box direction; ragged borders voted smooth."""
    label = np.where(front, FRONT, (normals @ BOX_DIRECTIONS.T).argmax(axis=1))
    allowed = np.concatenate([normals @ BOX_DIRECTIONS.T > 0.3, maybe_front[:, None]], axis=1)
    rows = np.arange(len(label))
    for _ in range(rounds):
        votes = np.zeros((len(label), FRONT + 1), dtype=int)
        for k in range(3):
            votes[rows, label[neighbors[:, k]]] += 1
        winner = votes.argmax(axis=1)
        label = np.where((votes[rows, winner] >= 2) & allowed[rows, winner], winner, label)
    return label


def components(label: Int[np.ndarray, "f"], neighbors: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, "f"]:
    """Number of the connected patch of equal label that each face belongs to; all of the photo's faces are one patch."""
    n = len(label)
    i = np.repeat(np.arange(n), 3)
    j = neighbors.ravel()
    same = label[i] == label[j]
    _, patch = connected_components(sparse.coo_matrix((np.ones(same.sum()), (i[same], j[same])), (n, n)), directed=False)
    patch = np.where(label == FRONT, -1, patch)
    return np.unique(patch, return_inverse=True)[1].reshape(-1)


def unwrap(
    vertices: Float64[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    photo_uv: Float64[np.ndarray, "v 2"],
    front: Bool[np.ndarray, "f"],
    maybe_front: Bool[np.ndarray, "f"],
    px_per_unit: float,
    max_size: int,
) -> Atlas:
    """Cut a closed mesh into charts and pack them. ``photo_uv``: where the photo shows each vertex, crop px."""
    neighbors = face_neighbors(faces)
    label = label_faces(face_normals(vertices, faces), neighbors, front, maybe_front)
    patch = components(label, neighbors)
    corner = np.stack([np.repeat(patch, 3), faces.ravel()], axis=1)
    cut, new_faces = np.unique(corner, axis=0, return_inverse=True)
    chart_of, source = cut[:, 0], cut[:, 1]
    label_of = np.zeros(patch.max() + 1, dtype=int)
    label_of[patch] = label
    flat = _flatten(vertices[source], photo_uv[source], label_of[chart_of], px_per_unit)
    low, high = _boxes(flat, chart_of)
    is_front = label_of == FRONT
    extent = high - low
    size, zoom = _atlas_size(extent[is_front], max_size)
    scales, corners, size = _pack(extent, is_front, size, zoom, max_size)
    texel = (flat - low[chart_of]) * scales[chart_of][:, None] + corners[chart_of] + GUTTER
    origin = np.zeros(2)
    if is_front.any():
        zoom = float(scales[is_front][0])
        origin = low[is_front][0] - (corners[is_front][0] + GUTTER) / zoom
    return Atlas(source, new_faces.reshape(-1, 3), texel, label == FRONT, size, zoom, origin)


def _flatten(points: np.ndarray, photo_uv: np.ndarray, label: np.ndarray, px_per_unit: float) -> np.ndarray:
    """Chart coordinates in crop pixels: the photo's own, or a box projection (not mirrored, so that text reads right)."""
    out = photo_uv.astype(np.float64).copy()
    for k, (a, b) in enumerate(BOX_AXES):
        chosen = label == k
        out[chosen] = points[chosen][:, [a, b]] * px_per_unit * [1, -1]
    return out


def _boxes(flat: np.ndarray, chart_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = int(chart_of.max()) + 1
    low, high = np.full((n, 2), np.inf), np.full((n, 2), -np.inf)
    np.minimum.at(low, chart_of, flat)
    np.maximum.at(high, chart_of, flat)
    return low, high


def _atlas_size(front_extent: np.ndarray, max_size: int) -> tuple[int, float]:
    """Smallest power of two that holds the photo's chart at full resolution, or ``max_size`` and the zoom it needs."""
    longest = float(front_extent.max()) if front_extent.size else max_size / 4
    size = 64
    while size < max_size and longest + 2 * GUTTER > FRONT_SHARE * size:
        size *= 2
    return size, min(1.0, (FRONT_SHARE * size - 2 * GUTTER) / longest)


def _pack(extent: np.ndarray, is_front: np.ndarray, size: int, zoom: float, max_size: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Scale and top-left texel of every chart, and the atlas' side: unseen charts shrink, the atlas grows, all shrink."""
    density = SIDE_DENSITY
    while True:
        scales = zoom * np.where(is_front, 1.0, density)
        boxes = np.ceil(extent * scales[:, None]).astype(int) + 2 * GUTTER
        corners = _guillotine(boxes, is_front, size)
        if corners is not None:
            return scales, corners, size
        if density > MIN_DENSITY:
            density *= 0.85
        elif size < max_size:
            size, density = 2 * size, SIDE_DENSITY
        elif zoom > 0.05:
            zoom *= 0.85
        else:
            raise ObjectFailed(f"{len(boxes)} charts do not fit into a texture of {size} px.")


def _guillotine(boxes: np.ndarray, is_front: np.ndarray, size: int) -> np.ndarray | None:
    """Best-short-side-fit guillotine packing, front first, then by falling longest side; None when it does not fit."""
    corners = np.zeros(boxes.shape, dtype=int)
    free = [(0, 0, size, size)]
    for k in np.lexsort((np.arange(len(boxes)), -boxes.max(axis=1), ~is_front)):
        w, h = int(boxes[k, 0]), int(boxes[k, 1])
        fitting = [(min(f[2] - w, f[3] - h), i) for i, f in enumerate(free) if f[2] >= w and f[3] >= h]
        if not fitting:
            return None
        x, y, fw, fh = free.pop(min(fitting)[1])
        corners[k] = x, y
        if fw - w < fh - h:  # split so that the larger rest stays whole
            free += [(x + w, y, fw - w, h), (x, y + h, fw, fh - h)]
        else:
            free += [(x + w, y, fw - w, fh), (x, y + h, w, fh - h)]
    return corners


def bleed(picture: Float[np.ndarray, "n n 3"], known: Bool[np.ndarray, "n n"]) -> Float64[np.ndarray, "n n 3"]:
    """Fill unknown texels from a pyramid of averages of the known ones: mip-maps of the result never mix in a foreign colour.

    Push-pull of Gortler et al., The Lumigraph, 1996, section 3.4. The side is a power of two.
    """
    color, weight = picture * known[..., None], known.astype(np.float64)
    levels = [(color, weight)]
    while color.shape[0] > 1:
        n = color.shape[0] // 2
        color = color.reshape(n, 2, n, 2, 3).sum(axis=(1, 3))
        weight = weight.reshape(n, 2, n, 2).sum(axis=(1, 3))
        some = np.maximum(weight, 1.0)
        color, weight = color / some[..., None], weight / some
        levels.append((color, weight))
    full = levels[-1][0] / max(float(levels[-1][1][0, 0]), 1e-9)
    for color, weight in levels[-2::-1]:
        n = color.shape[0]
        full = np.broadcast_to(full[:, None, :, None], (n // 2, 2, n // 2, 2, 3)).reshape(n, n, 3)
        full = color + (1 - weight[..., None]) * full
    return full
