"""How near two shapes are: Chamfer distance, F-score, IoU of voxels and boxes. Definitions of MIDI-3D, Gen3DSR and SA-3DAO."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from scipy import ndimage as ndi

from scene3d.evaluation.points import Distances, sample_surface

VOXELS = 64
"""Along the longest side of the true box with its margin (SA-3DAO of SAM 3D Objects)."""
MARGIN = 0.1
"""Of that box, on either side together."""
PER_VOXEL = 20
"""Points per voxel face of surface: a voxel that the surface crosses in full is missed once in e²⁰."""
LARGEST = 4.0
"""A prediction with a box longer than so many true ones is no version of the object: its voxel IoU is 0."""

AS_SMALL = 0.05
"""A box so little larger than the least one fits as well: the hull of a disc in 40 corners varies by 1 %."""


def chamfer_sum(d: Distances) -> float:
    """Mean of both directed distances, added up, not squared: MIDI-3D's CD."""
    return float(d.to_truth.mean() + d.to_prediction.mean())


def chamfer_half(d: Distances) -> float:
    """Half of the sum: Gen3DSR's CD."""
    return chamfer_sum(d) / 2


def f_score(d: Distances, tau: float) -> float:
    """2PR / (P + R): P is the share of predicted points nearer than ``tau`` to the truth, R the reverse (Knapitsch 2017)."""
    precision, recall = float((d.to_truth < tau).mean()), float((d.to_prediction < tau).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def box_iou(a: Float[np.ndarray, "n 3"], b: Float[np.ndarray, "m 3"]) -> float:
    """IoU of the axis-aligned boxes of two sets of points: MIDI-3D's IoU-B."""
    low, high = np.maximum(a.min(axis=0), b.min(axis=0)), np.minimum(a.max(axis=0), b.max(axis=0))
    both = float(np.prod(np.maximum(high - low, 0)))
    return _iou(both, float(np.prod(np.ptp(a, axis=0))), float(np.prod(np.ptp(b, axis=0))))


@dataclass(frozen=True)
class UprightBox:
    """The box of least footprint with two level faces."""

    centre_xz: tuple[float, float]
    size_xz: tuple[float, float]
    angle_deg: float
    """As OpenCV turns rectangles, in the plane of x and z."""
    low: float
    high: float
    """Along y."""

    @property
    def volume(self) -> float:
        """Cubed unit of the points."""
        return self.size_xz[0] * self.size_xz[1] * (self.high - self.low)

    @property
    def diagonal(self) -> float:
        """Unit of the points."""
        return float(np.linalg.norm([*self.size_xz, self.high - self.low]))

    @property
    def centre(self) -> Float64[np.ndarray, "3"]:
        """In the points' frame."""
        return np.array([self.centre_xz[0], (self.low + self.high) / 2, self.centre_xz[1]])


def upright_box(points: Float[np.ndarray, "n 3"], like: UprightBox | None = None) -> UprightBox:
    """Around points, y up; it does not depend on the frame's yaw (rotating calipers of OpenCV).

    Round footprints have many least rectangles: where the one turned ``like`` another box is as small, it is taken.
    """
    import cv2

    middle = points.mean(axis=0)  # OpenCV works in float32: near the origin it has digits to spare
    (x, z), size, angle = cv2.minAreaRect((points - middle)[:, [0, 2]].astype(np.float32))
    centre, sides = (x + float(middle[0]), z + float(middle[2])), (float(size[0]), float(size[1]))
    low, high = float(points[:, 1].min()), float(points[:, 1].max())
    least = UprightBox(centre, sides, float(angle), low, high)
    if like is None:
        return least
    turned = _turned_box(points, like.angle_deg)
    return turned if turned.volume <= least.volume * (1 + AS_SMALL) else least


def _turned_box(points: np.ndarray, angle_deg: float) -> UprightBox:
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    box_from_plane = np.array([[c, s], [-s, c]])
    flat = points[:, [0, 2]] @ box_from_plane.T
    x, z = box_from_plane.T @ (flat.min(axis=0) + flat.max(axis=0)) / 2
    width, depth = (float(side) for side in np.ptp(flat, axis=0))
    return UprightBox((float(x), float(z)), (width, depth), angle_deg, float(points[:, 1].min()), float(points[:, 1].max()))


def upright_box_iou(a: UprightBox, b: UprightBox) -> float:
    """IoU of two upright boxes: overlap of the footprints (clipped polygons) times overlap of the heights."""
    import cv2

    origin = np.array(a.centre_xz)
    ours, theirs = ((tuple(map(float, np.array(box.centre_xz) - origin)), box.size_xz, box.angle_deg) for box in (a, b))
    kind, corners = cv2.rotatedRectangleIntersection(ours, theirs)
    area = 0.0 if kind == cv2.INTERSECT_NONE else float(cv2.contourArea(cv2.convexHull(corners)))
    return _iou(area * max(min(a.high, b.high) - max(a.low, b.low), 0.0), a.volume, b.volume)


def _iou(both: float, a: float, b: float) -> float:
    return min(both / (a + b - both), 1.0) if a + b > both else 0.0


def voxel_iou(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    true_vertices: Float[np.ndarray, "w 3"],
    true_faces: Int[np.ndarray, "g 3"],
) -> float:
    """IoU of both solids on 64 voxels along the padded true box. What a surface encloses is solid, closed or not."""
    true_size, size = float(np.ptp(true_vertices, axis=0).max()), float(np.ptp(vertices, axis=0).max())
    if size > LARGEST * true_size:
        return 0.0
    step = true_size * (1 + MARGIN) / VOXELS
    corner = np.minimum(vertices.min(axis=0), true_vertices.min(axis=0)) - step
    end = np.maximum(vertices.max(axis=0), true_vertices.max(axis=0)) + step
    shape = tuple(int(n) for n in np.ceil((end - corner) / step))
    ours = _solid(vertices, faces, corner, step, shape)
    truth = _solid(true_vertices, true_faces, corner, step, shape)
    return float((ours & truth).sum() / (ours | truth).sum())


def _solid(
    vertices: np.ndarray, faces: np.ndarray, corner: np.ndarray, step: float, shape: tuple[int, ...]
) -> Bool[np.ndarray, "nx ny nz"]:
    """Voxels on the surface, and all that it encloses. Gaps narrower than a voxel don't matter."""
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    area = float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()) / 2
    points = sample_surface(vertices, faces, int(PER_VOXEL * area / step**2) + 1)
    cells = np.zeros(shape, bool)
    cells[tuple(((points - corner) / step).astype(int).clip(0, np.array(shape) - 1).T)] = True
    return np.asarray(ndi.binary_fill_holes(cells), bool)
