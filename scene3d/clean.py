"""Repairs that every lifted mesh goes through: pieces, smoothing, fewer faces, and the check that it is closed."""

from threading import Lock

import fast_simplification
import numpy as np
from jaxtyping import Float, Float64, Int
from scipy import sparse
from scipy.sparse.csgraph import connected_components

AGGRESSION = (7.0, 4.0, 2.0)
"""Speeds of the quadric decimation, fastest first: slower runs break the surface's closedness less often."""

_ONE_AT_A_TIME = Lock()
"""fast_simplification keeps its mesh in global variables: threads would get each other's."""

MEND_STEP = 0.02
"""How far a split edge's midpoints move apart, over the height of their faces: visible to the checker, not to the eye."""


def is_watertight(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> bool:
    """Whether the mesh, welded by position, is closed and consistently oriented: every edge has exactly one opposite."""
    if len(faces) < 4:
        return False
    _, weld = np.unique(np.ascontiguousarray(vertices), axis=0, return_inverse=True)
    tri = weld.reshape(-1)[faces]
    if ((tri[:, 0] == tri[:, 1]) | (tri[:, 1] == tri[:, 2]) | (tri[:, 2] == tri[:, 0])).any():
        return False
    edges = np.concatenate([tri[:, [0, 1]], tri[:, [1, 2]], tri[:, [2, 0]]]).astype(np.int64)
    span = int(tri.max()) + 1
    there, back = np.sort(edges[:, 0] * span + edges[:, 1]), np.sort(edges[:, 1] * span + edges[:, 0])
    return bool((np.diff(there) > 0).all() and (there == back).all())


def volume(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> float:
    """Enclosed volume; positive when faces are counter-clockwise from outside."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def large_pieces(
    vertices: Float64[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], share: float = 0.005
) -> tuple[Float64[np.ndarray, "w 3"], Int[np.ndarray, "g 3"]]:
    """Drop connected pieces with fewer than ``share`` of all vertices, and vertices without a face."""
    n = len(vertices)
    links = sparse.coo_matrix((np.ones(2 * len(faces)), (faces[:, :2].ravel(), faces[:, 1:].ravel())), (n, n))
    _, label = connected_components(links, directed=False)
    used = np.zeros(n, dtype=bool)
    used[faces] = True
    size = np.bincount(label, weights=used)
    keep = used & (size >= share * size.sum())[label]
    renumbered = np.cumsum(keep) - 1
    return vertices[keep], renumbered[faces[keep[faces[:, 0]]]]


def smooth(vertices: Float64[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], rounds: int = 4) -> Float64[np.ndarray, "v 3"]:
    """Taubin's λ|μ smoothing: removes the voxels' stairs without shrinking (Taubin 1995, λ .5, μ -.53)."""
    n = len(vertices)
    i, j = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    near = sparse.csr_matrix((np.ones(2 * len(i)), (np.r_[i, j], np.r_[j, i])), (n, n))
    near.data[:] = 1.0
    near = sparse.diags(1 / np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1)) @ near
    for _ in range(rounds):
        for step in (0.5, -0.53):
            vertices = vertices + step * (near @ vertices - vertices)
    return vertices


def decimate(
    vertices: Float64[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], max_faces: int
) -> tuple[Float64[np.ndarray, "w 3"], Int[np.ndarray, "g 3"]] | None:
    """At most ``max_faces`` triangles (quadric edge collapse), still closed if the input was; None when that can't be had."""
    if len(faces) <= max_faces:
        return vertices, faces
    for speed in AGGRESSION:
        with _ONE_AT_A_TIME:
            out = fast_simplification.simplify(vertices, faces, target_count=int(0.99 * max_faces), agg=speed)
        points, triangles = mend(out[0].astype(np.float64), out[1].astype(np.int64))
        points, triangles = large_pieces(points, triangles, share=0.002)
        if len(triangles) <= max_faces and is_watertight(points, triangles):
            return points, triangles
    return None


def mend(
    vertices: Float64[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> tuple[Float64[np.ndarray, "w 3"], Int[np.ndarray, "g 3"]]:
    """Undo what edge collapses break: pairs of opposite equal faces go, edges of four faces become two edges of two.

    Such an edge gets two midpoints, each drawn a little into the pair of faces that it serves.
    """
    _, same, count = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True, return_counts=True)
    triangles = [tuple(f) for f in faces[count[same.reshape(-1)] == 1].tolist()]
    points = [tuple(p) for p in vertices.tolist()]
    for a, b in _edges_of_four(triangles):
        pairs = _paired(points, [k for k, f in enumerate(triangles) if a in f and b in f], triangles, a, b)
        for first, second in pairs:
            apart = [next(v for v in triangles[k] if v not in (a, b)) for k in (first, second)]
            middle = (np.array(points[a]) + points[b]) / 2
            inward = (np.array(points[apart[0]]) + points[apart[1]]) / 2 - middle
            points.append(tuple((middle + MEND_STEP * inward).tolist()))
            for k in (first, second):
                old, new = triangles[k], len(points) - 1
                triangles[k] = tuple(new if v == b else v for v in old)
                triangles.append(tuple(new if v == a else v for v in old))
    return np.array(points), np.array(triangles, dtype=np.int64).reshape(-1, 3)


def _edges_of_four(triangles: list[tuple[int, ...]]) -> list[tuple[int, int]]:
    tri = np.array(triangles, dtype=np.int64).reshape(-1, 3)
    edges = np.sort(np.concatenate([tri[:, [0, 1]], tri[:, [1, 2]], tri[:, [2, 0]]]), axis=1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    return [(int(a), int(b)) for a, b in unique[count == 4]]


def _paired(
    points: list[tuple[float, ...]], around: list[int], triangles: list[tuple[int, ...]], a: int, b: int
) -> list[tuple[int, int]]:
    """The faces around an edge in twos of opposite direction, so that normals agree best; empty when they can't be paired."""

    def forward(k: int) -> bool:
        f = triangles[k]
        return f[(f.index(a) + 1) % 3] == b

    def normal(k: int) -> np.ndarray:
        p, q, r = (np.array(points[v]) for v in triangles[k])
        n = np.cross(q - p, r - p)
        return n / max(float(np.linalg.norm(n)), 1e-15)

    there, back = [k for k in around if forward(k)], [k for k in around if not forward(k)]
    if len(there) != 2 or len(back) != 2:
        return []
    straight, crossed = list(zip(there, back, strict=True)), list(zip(there, back[::-1], strict=True))
    return max((straight, crossed), key=lambda pairs: sum(float(normal(i) @ normal(j)) for i, j in pairs))
