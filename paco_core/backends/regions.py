"""Pieces of a photo that look alike, joined step by step into larger ones: a tree whose nodes are candidates for objects."""

import heapq
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64, UInt8
from scipy.sparse import coo_array
from skimage.segmentation import slic

SUPERPIXELS = 600
"""Each is about a 25th of a side: what is smaller gets its edge from the cut that follows, not from here."""
BINS = 16
"""Per channel of a colour histogram."""
SIZE_POWER = 0.8
"""How strongly small regions are joined first: 0 leaves crumbs to the end, 1 (Ward) cuts large even regions in two."""
EDGE_WEIGHT = 0.5
"""Of the edge between two regions against the difference of their histograms."""
_EDGE_SCALE = 10.0
"""Lab units per pixel at which an edge counts as a full one."""
_SHADING = 3.0
"""Lab units between neighbours that are shading within one thing, and would add up over a long way."""
_FULL_CONTRAST = 40.0
"""Lab units between two sides that count as a full contrast: red against orange."""


@dataclass(frozen=True)
class RegionTree:
    """Nodes 0 … n-1 are superpixels; node n + i joins the two of ``joined[i]``; the last one is the whole picture."""

    labels: Int32[np.ndarray, "h w"]
    """Superpixel of every pixel."""
    lab: Float32[np.ndarray, "h w 3"]
    means: Float64[np.ndarray, "n 3"]
    """Lab colour of every superpixel."""
    areas: Float64[np.ndarray, " n"]
    """Px."""
    borders: dict[tuple[int, int], tuple[float, float]]
    """For neighbouring superpixels (a < b): length of the common border, px, and the sum of edge strength along it (0…1 a px)."""
    joined: tuple[tuple[int, int], ...]

    @property
    def count(self) -> int:
        """Superpixels."""
        return len(self.areas)

    def members(self) -> Bool[np.ndarray, "m n"]:
        """Which superpixels every node consists of."""
        inside = np.zeros((self.count + len(self.joined), self.count), bool)
        inside[np.arange(self.count), np.arange(self.count)] = True
        for k, (a, b) in enumerate(self.joined):
            inside[self.count + k] = inside[a] | inside[b]
        return inside

    def frame(self) -> Int64[np.ndarray, "4 n"]:
        """How many pixels of the picture's top, bottom, left and right side every superpixel has."""
        sides = (self.labels[0], self.labels[-1], self.labels[:, 0], self.labels[:, -1])
        return np.stack([np.bincount(side, minlength=self.count) for side in sides])

    def steps(self) -> coo_array:
        """Differences of colour between neighbouring superpixels, Lab units; short paths stay in one thing."""
        pairs = np.array(list(self.borders), dtype=np.int64).reshape(-1, 2)
        differ = np.linalg.norm(self.means[pairs[:, 0]] - self.means[pairs[:, 1]], axis=1)
        return coo_array((np.maximum(differ - _SHADING, 1e-6), (pairs[:, 0], pairs[:, 1])), shape=(self.count, self.count))


@dataclass(frozen=True)
class Shapes:
    """What can be said about every node of a tree as a shape."""

    share: Float64[np.ndarray, " m"]
    """Of the picture's area."""
    contrast: Float64[np.ndarray, " m"]
    """To what lies around it: the edge and the colours at both sides, 0…2."""
    on_frame: Float64[np.ndarray, " m"]
    """Share of its outline that is the picture's frame."""
    centre: Float64[np.ndarray, "m 2"]
    """Of its area; row and column, 0…1 from the left upper corner."""
    of_side: Float64[np.ndarray, " m"]
    """The largest share of one side of the picture that it takes."""
    roundness: Float64[np.ndarray, " m"]
    """4π area / outline², 1 for all that is as round as a square or rounder."""


def grow_regions(rgb: UInt8[np.ndarray, "h w 3"], superpixels: int = SUPERPIXELS) -> RegionTree:
    """Superpixels (SLIC, Achanta et al. 2012) joined by colour, edge and size, as in Selective Search (Uijlings et al. 2013)."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    labels = slic(lab, superpixels, compactness=10, sigma=1, convert2lab=False, start_label=0, channel_axis=2).astype(np.int32)
    labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)
    count = int(labels.max()) + 1
    areas = np.bincount(labels.ravel(), minlength=count).astype(np.float64)
    means = np.stack([np.bincount(labels.ravel(), lab[..., c].ravel(), count) for c in range(3)], axis=1) / areas[:, None]
    borders = _borders(labels, edge_strength(lab))
    return RegionTree(labels, lab, means, areas, borders, _join(_histograms(labels, lab, count), areas, borders))


def edge_strength(lab: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w"]:
    """How fast the colour changes, 0…1 (Di Zenzo's gradient over all channels)."""
    smooth = cv2.GaussianBlur(lab, (0, 0), 1.2)
    gx, gy = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
    xx, yy, xy = (gx * gx).sum(2), (gy * gy).sum(2), (gx * gy).sum(2)
    largest = (xx + yy + np.sqrt((xx - yy) ** 2 + 4 * xy * xy)) / 2
    return np.minimum(np.sqrt(largest) / _EDGE_SCALE, 1.0).astype(np.float32)


def _borders(labels: Int32[np.ndarray, "h w"], edges: Float32[np.ndarray, "h w"]) -> dict[tuple[int, int], tuple[float, float]]:
    count = int(labels.max()) + 1
    pairs, strengths = [], []
    for a, b, ea, eb in (
        (labels[:, 1:], labels[:, :-1], edges[:, 1:], edges[:, :-1]),
        (labels[1:], labels[:-1], edges[1:], edges[:-1]),
    ):
        differ = a != b
        low, high = np.minimum(a[differ], b[differ]), np.maximum(a[differ], b[differ])
        pairs.append(low.astype(np.int64) * count + high)
        strengths.append(np.maximum(ea[differ], eb[differ]))
    keys, index = np.unique(np.concatenate(pairs), return_inverse=True)
    length = np.bincount(index, minlength=len(keys))
    total = np.bincount(index, np.concatenate(strengths), len(keys))
    return {(int(k // count), int(k % count)): (float(n), float(s)) for k, n, s in zip(keys, length, total, strict=True)}


def _histograms(labels: Int32[np.ndarray, "h w"], lab: Float32[np.ndarray, "h w 3"], count: int) -> Float64[np.ndarray, "n b"]:
    """Counts of pixels by lightness, a and b; bins of about 6 units."""
    found = []
    for channel, (low, high) in enumerate(((0, 100), (-50, 50), (-50, 50))):
        bins = np.clip((lab[..., channel] - low) / (high - low) * BINS, 0, BINS - 1).astype(np.int64)
        flat = np.bincount((labels * BINS + bins).ravel(), minlength=count * BINS).reshape(count, BINS).astype(np.float64)
        found.append(cv2.GaussianBlur(flat, (5, 1), 1.0, borderType=cv2.BORDER_REPLICATE))
    return np.concatenate(found, axis=1)


def _join(
    histograms: Float64[np.ndarray, "n b"],
    areas: Float64[np.ndarray, " n"],
    borders: dict[tuple[int, int], tuple[float, float]],
) -> tuple[tuple[int, int], ...]:
    """The cheapest pair again and again, until one region is left."""
    total = float(areas.sum())
    hist, area = dict(enumerate(histograms)), dict(enumerate(areas))
    around: dict[int, dict[int, tuple[float, float]]] = {k: {} for k in hist}
    for (a, b), border in borders.items():
        around[a][b] = around[b][a] = border

    def cost(a: int, b: int) -> float:
        length, strength = around[a][b]
        differ = np.abs(hist[a] / hist[a].sum() - hist[b] / hist[b].sum()).sum() / 2
        return float((differ + EDGE_WEIGHT * strength / length) * (min(area[a], area[b]) / total) ** SIZE_POWER)

    queue = [(cost(a, b), a, b) for a, b in borders]
    heapq.heapify(queue)
    joined: list[tuple[int, int]] = []
    while queue:
        _, a, b = heapq.heappop(queue)
        if a not in area or b not in area:
            continue
        new = len(areas) + len(joined)
        joined.append((a, b))
        hist[new], area[new] = hist.pop(a) + hist.pop(b), area.pop(a) + area.pop(b)
        near: dict[int, tuple[float, float]] = {}
        for old in (a, b):
            for k, (length, strength) in around.pop(old).items():
                if k in (a, b):
                    continue
                del around[k][old]
                before = near.get(k, (0.0, 0.0))
                near[k] = (before[0] + length, before[1] + strength)
        around[new] = near
        for k, border in near.items():
            around[k][new] = border
            heapq.heappush(queue, (cost(k, new), k, new))
    return tuple(joined)


def measure(tree: RegionTree, members: Bool[np.ndarray, "m n"]) -> Shapes:
    """The shapes of all nodes (``members`` as the tree gives them)."""
    pairs = np.array(list(tree.borders), dtype=np.int64).reshape(-1, 2)
    length, strength = np.array(list(tree.borders.values()), dtype=np.float64).reshape(-1, 2).T
    differ = np.linalg.norm(tree.means[pairs[:, 0]] - tree.means[pairs[:, 1]], axis=1)
    crossing = members[:, pairs[:, 0]] != members[:, pairs[:, 1]]
    outline = crossing @ length
    contrast = crossing @ (strength + length * np.minimum(differ / _FULL_CONTRAST, 1)) / np.maximum(outline, 1)
    sides = (members @ tree.frame().T).astype(np.float64)
    area, frame = members @ tree.areas, sides.sum(axis=1)
    whole = np.maximum(outline + frame, 1)
    h, w = tree.labels.shape
    rows, columns = np.mgrid[:h, :w] + 0.5
    sums = np.stack([np.bincount(tree.labels.ravel(), at.ravel(), tree.count) for at in (rows / h, columns / w)], axis=1)
    centre = members @ sums / area[:, None]
    # counted along pixel borders an outline is up to 4/π too long, hence 1.2²
    roundness = np.minimum(1.44 * 4 * np.pi * area / whole**2, 1.0)
    return Shapes(area / tree.areas.sum(), contrast, frame / whole, centre, (sides / sides[-1]).max(axis=1), roundness)


def best_cut(tree: RegionTree, values: Float64[np.ndarray, " m"]) -> list[int]:
    """The nodes of the largest sum of values that do not overlap; nodes of value 0 and less are left out."""
    best, chosen = values.copy(), [[k] for k in range(len(values))]
    for k, parts in enumerate(tree.joined):
        node, apart = tree.count + k, sum(max(best[part], 0.0) for part in parts)
        if apart > values[node]:
            best[node] = apart
            chosen[node] = [i for part in parts if best[part] > 0 for i in chosen[part]]
    return [i for i in chosen[-1] if values[i] > 0]
