"""Upright boxes: the cuboid whose silhouette explains the mask best, at the known elevation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.optimize import minimize

from scene3d.relief.fields import Outline
from scene3d.relief.handles import find_handles
from scene3d.relief.view import View
from scene3d.relief.volume import Shape, rigid_twin

GRID = 56
"""Samples across the silhouette while fitting."""
ACCEPT_IOU = 0.84
"""Below this the mask is not a box's; between two boxes' hexagons and a round body's outline there is a wide gap."""
CLEAN_IOU = 0.95
"""From here on the cuboid is a better outline than the mask's ragged border."""
DEPTH_PRIOR = (np.log(0.6), 0.5)
"""Log depth over width of boxes and cupboards, mean and spread: 0.6 times the width, give or take a factor 1.6
(cartons 0.4 … 1, wardrobes and chests 0.35 … 0.7; our estimate from common sizes)."""
PRIOR_WEIGHT = 0.012
DEPTH_WEIGHT = 3.0
"""One percent of the object's size off in depth costs as much as three percent of silhouette."""
MAX_MISFIT = 0.15
"""Larger differences (noise at depth edges) count as this much, work units."""
YAW_STARTS_DEG = (-60.0, -40.0, -20.0, 0.0, 20.0, 40.0)
"""A cuboid is the same after a half turn, so this covers what differs; each start is polished."""


@dataclass(frozen=True)
class Cuboid:
    """An upright box in the work frame."""

    center: Float64[np.ndarray, "3"]
    size: Float64[np.ndarray, "3"]
    """Width (its own x), height (y), depth (its own z)."""
    yaw_deg: float
    iou: float
    """Of its silhouette with the mask."""

    @property
    def work_from_box(self) -> Float64[np.ndarray, "3 3"]:
        """Rotation from the box's own axes."""
        return _yaw(self.yaw_deg)

    @property
    def corners(self) -> Float64[np.ndarray, "8 3"]:
        """Work coordinates of the corners."""
        return _corners(self.center, self.size, self.yaw_deg)


def fit_cuboid(outline: Outline, view: View, depth: Float[np.ndarray, "s s"] | None = None) -> Cuboid:
    """Maximise silhouette IoU minus a mild prior on depth over width (a frontal view says nothing about depth).

    With ``depth`` (z-depth in any one unit, NaN where unknown) the visible faces also have to agree with it up to that unit.
    """
    probe, inside = _samples(outline)
    width = np.ptp(probe[inside, 0]) / outline.side_px
    height = np.ptp(probe[inside, 1]) / outline.side_px / max(np.cos(np.radians(view.elevation_deg)), 0.35)

    misfit = None if depth is None else _depth_misfit(outline, view, depth, probe[inside])

    def cuboid(p: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        return np.array([p[4], p[5], 0.0]), np.exp(p[:3]), float(p[3]) * 60.0

    def cost(p: np.ndarray) -> float:
        center, size, yaw = cuboid(p)
        covered = _covers(view.project(_corners(center, size, yaw))[0], probe)
        iou = (covered & inside).sum() / max(int((covered | inside).sum()), 1)
        off = (p[2] - p[0] - DEPTH_PRIOR[0]) / DEPTH_PRIOR[1]
        bend = misfit(center, size, yaw) if misfit is not None else 0.0
        return float(1 - iou + PRIOR_WEIGHT * off * off + 0.01 * p[3] * p[3] + DEPTH_WEIGHT * bend)

    middle = (probe[inside].max(axis=0) + probe[inside].min(axis=0)) / 2 - view.size_px / 2
    sizes = np.log([0.75 * width, 0.8 * height, 0.5 * width])
    spread = np.vstack([np.zeros(6), np.diag([0.25, 0.25, 0.3, 0.2, 0.06, 0.06])])
    limits = {"maxfev": 220, "xatol": 2e-3, "fatol": 5e-4}
    fits = []
    for yaw in YAW_STARTS_DEG:
        start = np.array([*sizes, yaw / 60, middle[0] / outline.side_px, -middle[1] / outline.side_px])
        options = {"initial_simplex": start + spread, **limits}
        fits.append(minimize(cost, start, method="Nelder-Mead", options=options))
    best = min(fits, key=lambda fit: fit.fun)
    center, size, yaw = cuboid(best.x)
    covered = _covers(view.project(_corners(center, size, yaw))[0], probe)
    iou = float((covered & inside).sum() / max(int((covered | inside).sum()), 1))
    return Cuboid(center, size, yaw, iou)


def _depth_misfit(
    outline: Outline, view: View, depth: Float[np.ndarray, "s s"], probe: Float64[np.ndarray, "n 2"]
) -> Callable[[np.ndarray, np.ndarray, float], float]:
    """Mean robust difference between measured depth and a cuboid's front, work units, after the best common factor."""
    pixel = np.clip(probe.astype(int), 0, view.size_px - 1)
    measured = depth[pixel[:, 1], pixel[:, 0]].astype(np.float64)
    known = np.isfinite(measured)
    measured, uv = measured[known], probe[known]
    eye = view.distance * view.toward
    rays = view.lift_pixels(uv, np.zeros(len(uv))) - eye  # at z-depth = distance, so that t is depth over distance

    def misfit(center: np.ndarray, size: np.ndarray, yaw_deg: float) -> float:
        turn = _yaw(yaw_deg)
        start, along = (eye - center) @ turn, rays @ turn
        along = np.where(np.abs(along) < 1e-9, 1e-9, along)
        t = np.stack([(-size / 2 - start) / along, (size / 2 - start) / along])
        enter, leave = t.min(axis=0).max(axis=1), t.max(axis=0).min(axis=1)
        hit = enter < leave
        if hit.sum() < 8:
            return MAX_MISFIT
        ratio = measured[hit] / enter[hit]
        off = np.abs(ratio / np.median(ratio) - 1) * view.distance
        return float(np.minimum(off, MAX_MISFIT).mean())

    return misfit


def block(outline: Outline, view: View, cell: float, depth: Float[np.ndarray, "s s"] | None = None) -> Shape | None:
    """The fitted cuboid, cut by the mask's own outline, with what sticks out of it; None when the mask is not a box's."""
    box = fit_cuboid(outline, view, depth)
    if box.iou < ACCEPT_IOU:
        return None
    low, high = box.corners.min(axis=0) - 0.05, box.corners.max(axis=0) + 0.05
    v, u = np.mgrid[0 : view.size_px, 0 : view.size_px] + 0.5
    hull = view.project(box.corners)[0]
    covered = _covers(hull, np.stack([u.ravel(), v.ravel()], axis=1)).reshape(outline.mask.shape)
    handles = find_handles(outline, covered, view, box.center, low[1], high[1], lambda y: np.zeros_like(y))
    box_from_work = box.work_from_box.T
    slack = 0.0 if box.iou > CLEAN_IOU else 0.02  # then the mask's own outline decides

    def solid(points: np.ndarray) -> np.ndarray:
        local = (points - box.center) @ box_from_work.T
        value = (box.size / 2 + [slack, 0.0, slack] - np.abs(local)).min(axis=1)
        uv, _ = view.project(points)
        for handle in handles:
            value = np.maximum(value, handle.solid(points, outline, view))
        return value if box.iou > CLEAN_IOU else np.minimum(value, outline.distance.at(uv))

    boxes = [np.array([low, high])] + [handle.box(view) for handle in handles]
    low, high = np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)
    half_turn = np.eye(4)
    half_turn[:3, :3] = np.diag([-1.0, 1.0, -1.0])
    half_turn[:3, 3] = box.center - half_turn[:3, :3] @ box.center
    return Shape(view, solid, low, high, np.full(3, cell), "block", twins=(rigid_twin(half_turn),), smoothing=0.5)


def _samples(outline: Outline) -> tuple[Float64[np.ndarray, "n 2"], Bool[np.ndarray, "n"]]:
    """A regular grid of pixels around the silhouette, and which of them are inside."""
    ys, xs = np.nonzero(outline.mask)
    margin = 0.1 * outline.side_px
    step = 1.2 * outline.side_px / GRID
    u, v = np.meshgrid(
        np.arange(xs.min() - margin, xs.max() + margin, step), np.arange(ys.min() - margin, ys.max() + margin, step)
    )
    uv = np.stack([u.ravel(), v.ravel()], axis=1)
    return uv, outline.distance.at(uv) > 0


def _yaw(degrees: float) -> Float64[np.ndarray, "3 3"]:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _corners(center: np.ndarray, size: np.ndarray, yaw_deg: float) -> Float64[np.ndarray, "8 3"]:
    signs = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) / 2
    return (signs * size) @ _yaw(yaw_deg).T + center


def _covers(corners_uv: np.ndarray, probe: np.ndarray) -> Bool[np.ndarray, "n"]:
    """Which probes lie in the convex hull of the projected corners."""
    hull = _hull(corners_uv)
    edge = np.roll(hull, -1, axis=0) - hull
    side = edge[:, :1] * (probe[:, 1] - hull[:, 1:]) - edge[:, 1:] * (probe[:, 0] - hull[:, :1])
    return np.asarray((side >= 0).all(axis=0))


def _hull(points: np.ndarray) -> np.ndarray:
    """Convex hull of a few points, counter-clockwise in a right-handed frame (Andrew's monotone chain)."""
    ordered = sorted(map(tuple, points.tolist()))
    chains = []
    for run in (ordered, ordered[::-1]):
        chain: list[tuple[float, float]] = []
        for p in run:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], p) <= 0:
                chain.pop()
            chain.append(p)
        chains.append(chain[:-1])
    return np.array(chains[0] + chains[1])


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
