"""What the photo says about one object's outline and depth, and how well a posed mesh agrees (docs/method.md).

The outline is tri-state: pixels that must be covered, pixels that must not, and pixels where an occluder hides the answer.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy import ndimage as ndi

from paco_core.masks import dilate, erode
from paco_core.types import Camera, CompleteObject, DepthMap, OcclusionGraph, Segmentation
from scene3d.rays import RayMesh
from scene3d.transforms import apply

HIDDEN_WEIGHT = 0.3
"""The completed outline under an occluder is a guess: it counts, but less than what is seen."""
BAND_WEIGHT = 0.25
"""Pixels on the outline itself are half covered: masks are no better than that."""
DEPTH_NOISE = 0.02
"""Standard deviation of good metric depth, relative: a residual of this size says nothing, one of three times as much a lot."""
DEPTH_TRUNCATION = 0.15
"""Relative depth residuals above 15 % are outliers."""
WORST_DEPTH = (DEPTH_TRUNCATION / DEPTH_NOISE) ** 2


@dataclass(frozen=True)
class Target:
    """One object's evidence in a small raster of the photo around it."""

    K: Float[np.ndarray, "3 3"]
    """Of the photo's camera, for this raster's pixels."""
    cover: Bool[np.ndarray, "th tw"]
    """Should be covered: visible or completed."""
    weight: Float32[np.ndarray, "th tw"]
    z: Float32[np.ndarray, "th tw"]
    """Metric z-depth of the visible inside, NaN where it says nothing (everywhere for relative depth)."""

    @property
    def hw(self) -> tuple[int, int]:
        """Size of the raster."""
        return self.cover.shape[0], self.cover.shape[1]


@dataclass(frozen=True)
class Fit:
    """How well a pose explains the photo."""

    iou: float
    """Weighted IoU of the silhouette, don't-care pixels excluded."""
    depth: float
    """Mean squared truncated relative depth residual on common pixels, in units of the noise; 0 without metric depth."""

    @property
    def energy(self) -> float:
        """``1 − IoU + 0.02 · depth``: a depth residual of one noise level costs as much as 2 % of the silhouette."""
        return 1 - self.iou + DEPTH_NOISE * self.depth


def make_target(
    obj: CompleteObject,
    segmentation: Segmentation,
    occlusion: OcclusionGraph,
    depth: DepthMap,
    camera: Camera,
    *,
    side_px: int = 112,
    margin: float = 0.2,
) -> Target:
    """Evidence for one object, at most ``side_px`` on the longer side, in a box ``margin`` larger than its amodal box."""
    box = _box(obj, margin)
    scale = min(1.0, side_px / max(box[2] - box[0], box[3] - box[1]))
    hw = (max(8, round((box[3] - box[1]) * scale)), max(8, round((box[2] - box[0]) * scale)))
    visible = _shrink(segmentation.mask(obj.id), box, hw) > 0.5
    hidden = _shrink(_on_photo(obj.amodal, obj, box), (0, 0, box[2] - box[0], box[3] - box[1]), hw) > 0.5
    in_front = np.zeros(segmentation.masks.shape[1:], bool)
    for other in occlusion.occluders(obj.id):
        in_front |= segmentation.mask(other)
    dont_care = (_shrink(dilate(in_front, 2.0), box, hw) > 0.5) | ~(_shrink(np.ones_like(in_front), box, hw) > 0.5)
    cover = visible | hidden
    weight = np.where(visible, 1.0, np.where(hidden, HIDDEN_WEIGHT, np.where(dont_care, 0.0, 1.0)))
    edge = (dilate(visible, 1.0) & ~erode(visible, 1.0)) & (weight > 0)
    weight = np.where(edge, np.minimum(weight, BAND_WEIGHT), weight).astype(np.float32)
    K = camera.K.copy()
    K[0] = (K[0] - [0, 0, box[0]]) * (hw[1] / (box[2] - box[0]))
    K[1] = (K[1] - [0, 0, box[1]]) * (hw[0] / (box[3] - box[1]))
    return Target(K, cover, weight, _inside_depth(depth, segmentation.mask(obj.id), box, hw))


def fit_of(target: Target, mesh: RayMesh, camera_from_mesh: Float[np.ndarray, "4 4"]) -> Fit:
    """Render the posed mesh into the target's raster and compare."""
    if (apply(camera_from_mesh, mesh.vertices)[:, 2] <= 1e-6).any():
        return Fit(0.0, WORST_DEPTH)
    hits = mesh.render(target.K, camera_from_mesh, target.hw)
    covered = hits.mask
    both = float((target.weight * (covered & target.cover)).sum())
    either = float((target.weight * (covered | target.cover)).sum())
    common = covered & np.isfinite(target.z)
    if np.isfinite(target.z).any():
        residual = np.abs(hits.z[common] - target.z[common]) / target.z[common]
        squared = (np.minimum(residual, DEPTH_TRUNCATION) / DEPTH_NOISE) ** 2
        depth = float(squared.mean()) if common.sum() >= 5 else WORST_DEPTH
    else:
        depth = 0.0
    return Fit(both / max(either, 1e-9), depth)


def depth_ratio(target: Target, mesh: RayMesh, camera_from_mesh: Float[np.ndarray, "4 4"]) -> float | None:
    """Median of observed over rendered depth on common pixels (Gen3DSR's same-pixel scale); None without depth."""
    hits = mesh.render(target.K, camera_from_mesh, target.hw)
    common = hits.mask & np.isfinite(target.z)
    return float(np.median(target.z[common] / hits.z[common])) if common.sum() >= 5 else None


def _box(obj: CompleteObject, margin: float) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(obj.amodal)
    x0, y0 = obj.box_xyxy[0] + int(columns.min()), obj.box_xyxy[1] + int(rows.min())
    x1, y1 = obj.box_xyxy[0] + int(columns.max()) + 1, obj.box_xyxy[1] + int(rows.max()) + 1
    grow = 3 + round(margin * max(x1 - x0, y1 - y0))
    return x0 - grow, y0 - grow, x1 + grow, y1 + grow


def _on_photo(mask: Bool[np.ndarray, "ch cw"], obj: CompleteObject, box: tuple[int, int, int, int]) -> Bool[np.ndarray, "bh bw"]:
    """The object's crop mask on the raster of ``box`` (which contains its amodal box)."""
    out = np.zeros((box[3] - box[1], box[2] - box[0]), bool)
    rows, columns = np.nonzero(mask)
    out[rows + obj.box_xyxy[1] - box[1], columns + obj.box_xyxy[0] - box[0]] = True
    return out


def _shrink(mask: Bool[np.ndarray, "h w"], box: tuple[int, int, int, int], hw: tuple[int, int]) -> Float32[np.ndarray, "th tw"]:
    """Share of each raster cell that the mask covers (box may leave the image: nothing there)."""
    cell = (box[2] - box[0]) // hw[1]
    image = mask.astype(np.float32)
    return _pick(image if cell <= 2 else ndi.uniform_filter(image, cell), box, hw)


def _pick(image: Float32[np.ndarray, "h w"], box: tuple[int, int, int, int], hw: tuple[int, int]) -> Float32[np.ndarray, "th tw"]:
    x0, y0, x1, y1 = box
    rows = y0 + (np.arange(hw[0]) + 0.5) * (y1 - y0) / hw[0] - 0.5
    columns = x0 + (np.arange(hw[1]) + 0.5) * (x1 - x0) / hw[1] - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    return ndi.map_coordinates(image, grid, order=1, mode="constant", cval=0.0)


def _inside_depth(
    depth: DepthMap, visible: Bool[np.ndarray, "h w"], box: tuple[int, int, int, int], hw: tuple[int, int]
) -> Float32[np.ndarray, "th tw"]:
    if depth.kind != "metric":
        return np.full(hw, np.nan, np.float32)
    good = erode(visible, 2.0) & depth.valid
    x0, y0, x1, y1 = box
    rows = np.clip(np.round(y0 + (np.arange(hw[0]) + 0.5) * (y1 - y0) / hw[0] - 0.5).astype(int), -1, depth.z.shape[0])
    columns = np.clip(np.round(x0 + (np.arange(hw[1]) + 0.5) * (x1 - x0) / hw[1] - 0.5).astype(int), -1, depth.z.shape[1])
    z = np.pad(np.where(good, depth.z, np.nan), 1, constant_values=np.nan)
    return z[np.ix_(rows + 1, columns + 1)].astype(np.float32)
