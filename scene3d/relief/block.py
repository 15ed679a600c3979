"""Upright boxes: the cuboid whose silhouette explains the mask best, at the known elevation, carved by the mask's own outline."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.optimize import minimize

from scene3d.relief.fields import Outline
from scene3d.relief.handles import Handle, find_handles
from scene3d.relief.view import View
from scene3d.relief.volume import Shape, rigid_twin

GRID = 56
"""Samples across the silhouette while fitting."""
CLEAN_IOU = 0.95
"""From here on the cuboid is a better outline than the mask's ragged border."""
HANDLE_IOU = 0.9
"""A mask that agrees less is no box with something that sticks out of it: the cuboid is made to cover it instead."""
HANDLE_SHARE = 0.02
"""Smaller parts outside a box, as a share of the mask, are the mask's raggedness."""
COVERED, GROWTH = 0.985, 0.02
"""Share of the mask that a carved cuboid must cover, and the steps that it grows in until it does …"""
SURE_IOU, ELEVATION_STEPS_DEG, ELEVATION_COST = 0.93, (-7.0, -14.0, 7.0), 0.001
"""A vehicle's silhouette tells the camera's height over it: a cuboid that agrees less is tried at other heights, when a degree of
elevation brings a tenth of a percent. Long boxes only: of others a few degrees look the same."""
HANDLED_GROWTH, MAX_GROWTH = 1.12, 1.3
"""… at most by this factor; what is left outside a box with handles is a handle."""
PRIOR_WEIGHT = 0.012
DEPTH_WEIGHT = 3.0
"""One percent of the object's size off in depth costs as much as three percent of silhouette."""
MAX_MISFIT = 0.15
"""Larger differences (noise at depth edges) count as this much, work units."""
YAW_STARTS_DEG = (-60.0, -40.0, -20.0, 0.0, 20.0, 40.0)
"""A cuboid is the same after a half turn, and with width and depth exchanged after a quarter turn: this covers what differs."""
LONG_STARTS_DEG = (-70.0, -45.0, -20.0, 0.0, 20.0, 45.0, 70.0, 90.0)
"""The same when it is known which side is the longer one."""
POLISHED = 3
"""So many of the starts are followed to the end: the best ones after ``ROUGH`` evaluations."""
ROUGH, FINE = 70, 220


@dataclass(frozen=True)
class Proportion:
    """What a class says about a box that one view leaves open."""

    depth_over_width: float = 0.6
    """Boxes and cupboards: 0.6 times the width, give or take a factor 1.6 (cartons 0.4 … 1, wardrobes and chests 0.35 … 0.7;
    our estimate from common sizes)."""
    spread: float = 0.5
    """Of its logarithm."""
    rounding: float = 0.0
    """Radius of the edges over the smallest side."""
    min_iou: float = 0.84
    """Below this the mask is not a box's; between two boxes' hexagons and a round body's outline there is a wide gap."""

    deepest: float = 1.4
    """Longer along the view than across it by more than this, a cuboid is an accident of the fit (not of what is long)."""

    @property
    def long(self) -> bool:
        """Whether depth is the longer side, so that a side view and a front view are different fits."""
        return self.depth_over_width > 1


@dataclass(frozen=True)
class Cuboid:
    """An upright box in the work frame."""

    center: Float64[np.ndarray, "3"]
    size: Float64[np.ndarray, "3"]
    """Width (its own x), height (y), depth (its own z)."""
    yaw_deg: float
    iou: float
    """Of its silhouette with the mask."""
    cost: float
    """What the fit minimised."""

    @property
    def work_from_box(self) -> Float64[np.ndarray, "3 3"]:
        """Rotation from the box's own axes."""
        return _yaw(self.yaw_deg)

    @property
    def corners(self) -> Float64[np.ndarray, "8 3"]:
        """Work coordinates of the corners."""
        return _corners(self.center, self.size, self.yaw_deg)


def fit_cuboid(
    outline: Outline, view: View, depth: Float[np.ndarray, "s s"] | None = None, proportion: Proportion = Proportion()
) -> Cuboid:
    """Maximise silhouette IoU minus a mild prior on depth over width (a frontal view says nothing about depth).

    With ``depth`` (z-depth in any one unit, NaN where unknown) the visible faces also have to agree with it up to that unit.
    """
    probe, inside = _samples(outline)
    width = np.ptp(probe[inside, 0]) / outline.side_px
    height = np.ptp(probe[inside, 1]) / outline.side_px / max(np.cos(np.radians(view.elevation_deg)), 0.35)

    square_on = 0.0 if proportion.long else 0.01
    misfit = None if depth is None else _depth_misfit(outline, view, depth, probe[inside])

    def cuboid(p: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        return np.array([p[4], p[5], 0.0]), np.exp(p[:3]), float(p[3]) * 60.0

    def cost(p: np.ndarray) -> float:
        center, size, yaw = cuboid(p)
        covered = _covers(view.project(_corners(center, size, yaw))[0], probe)
        iou = (covered & inside).sum() / max(int((covered | inside).sum()), 1)
        off = (p[2] - p[0] - np.log(proportion.depth_over_width)) / proportion.spread
        bend = misfit(center, size, yaw) if misfit is not None else 0.0
        return float(1 - iou + PRIOR_WEIGHT * off * off + square_on * p[3] * p[3] + DEPTH_WEIGHT * bend)

    middle = (probe[inside].max(axis=0) + probe[inside].min(axis=0)) / 2 - view.size_px / 2
    spread = np.vstack([np.zeros(6), np.diag([0.25, 0.25, 0.3, 0.2, 0.06, 0.06])])

    def polish(start: np.ndarray, evaluations: int) -> tuple[float, np.ndarray]:
        options = {"initial_simplex": start + spread, "maxfev": evaluations, "xatol": 2e-3, "fatol": 5e-4}
        found = minimize(cost, start, method="Nelder-Mead", options=options)
        return float(found.fun), found.x

    starts = []
    for yaw in LONG_STARTS_DEG if proportion.long else YAW_STARTS_DEG:
        sizes = _start_sizes(width, height, yaw, proportion)
        starts.append(np.array([*np.log(sizes), yaw / 60, middle[0] / outline.side_px, -middle[1] / outline.side_px]))
    rough = sorted((polish(start, ROUGH) for start in starts), key=lambda fit: fit[0])
    least, best = min((polish(x, FINE) for _, x in rough[:POLISHED]), key=lambda fit: fit[0])
    center, size, yaw = cuboid(best)
    covered = _covers(view.project(_corners(center, size, yaw))[0], probe)
    iou = float((covered & inside).sum() / max(int((covered | inside).sum()), 1))
    return Cuboid(center, size, yaw, iou, least)


def _start_sizes(width: float, height: float, yaw_deg: float, proportion: Proportion) -> tuple[float, float, float]:
    """Sizes to begin with: at a yaw, a box of the class's proportion that is about as wide and high as the mask."""
    if not proportion.long:
        return 0.75 * width, 0.8 * height, 0.5 * width * min(proportion.depth_over_width / 0.6, 1.0)
    across, ratio = np.radians(yaw_deg), proportion.depth_over_width
    front = 0.9 * width / (abs(np.cos(across)) + ratio * abs(np.sin(across)))
    return front, 0.8 * height, ratio * front


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


def block(
    outline: Outline,
    view: View,
    cell: float,
    depth: Float[np.ndarray, "s s"] | None = None,
    proportion: Proportion = Proportion(),
    *,
    flat: bool = False,
    twin: bool = True,
) -> Shape | None:
    """The fitted cuboid, cut by the mask's own outline, with what sticks out of it; None when the mask is not a box's.

    ``flat`` says that it may be thin, ``twin`` that what is unseen looks like what is seen after a half turn.
    """
    view, box = _fit(outline, view, depth, proportion)
    across, _, along = np.ptp(box.corners, axis=0)
    if box.iou < proportion.min_iou or (not proportion.long and along > proportion.deepest * across):
        return None
    clean = box.iou > CLEAN_IOU and proportion.rounding == 0
    handled = box.iou > HANDLE_IOU
    box = box if clean else _grown(box, outline, view, HANDLED_GROWTH if handled else MAX_GROWTH)
    low, high = box.corners.min(axis=0) - 0.05, box.corners.max(axis=0) + 0.05
    handles = _handles(box, outline, view, low[1], high[1]) if handled else ()
    box_from_work = box.work_from_box.T
    radius = proportion.rounding * float(box.size.min())

    def solid(points: np.ndarray) -> np.ndarray:
        beyond = np.abs((points - box.center) @ box_from_work.T) - (box.size / 2 - radius)
        value = radius - np.linalg.norm(np.maximum(beyond, 0), axis=1) - np.minimum(beyond.max(axis=1), 0)
        uv, _ = view.project(points)
        for handle in handles:
            value = np.maximum(value, handle.solid(points, outline, view))
        return value if clean else np.minimum(value, outline.distance.at(uv))

    boxes = [np.array([low, high])] + [handle.box(view) for handle in handles]
    low, high = np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)
    half_turn = np.eye(4)
    half_turn[:3, :3] = np.diag([-1.0, 1.0, -1.0])
    half_turn[:3, 3] = box.center - half_turn[:3, :3] @ box.center
    twins = (rigid_twin(half_turn),) if twin else ()
    cells = np.full(3, min(cell, 0.4 * float(box.size.min())))
    return Shape(view, solid, low, high, cells, "panel" if flat else "block", flat=flat, twins=twins, smoothing=0.5)


def _fit(outline: Outline, view: View, depth: Float[np.ndarray, "s s"] | None, proportion: Proportion) -> tuple[View, Cuboid]:
    """The cuboid, and the view in which it was found: the camera may be at another height over a vehicle than thought."""
    view_box = view, fit_cuboid(outline, view, depth, proportion)
    if depth is not None or not proportion.long or view_box[1].iou >= SURE_IOU:
        return view_box
    found = [view_box]
    for step in ELEVATION_STEPS_DEG:
        other = replace(view, elevation_deg=view.elevation_deg + step)
        box = fit_cuboid(outline, other, depth, proportion)
        found.append((other, replace(box, cost=box.cost + ELEVATION_COST * abs(step))))
    return min(found, key=lambda f: f[1].cost)


def _handles(box: Cuboid, outline: Outline, view: View, bottom: float, top: float) -> tuple[Handle, ...]:
    v, u = np.mgrid[0 : view.size_px, 0 : view.size_px] + 0.5
    covered = _covers(view.project(box.corners)[0], np.stack([u.ravel(), v.ravel()], axis=1)).reshape(outline.mask.shape)
    return find_handles(outline, covered, view, box.center, bottom, top, lambda y: np.zeros_like(y), least=HANDLE_SHARE)


def _grown(box: Cuboid, outline: Outline, view: View, most: float) -> Cuboid:
    """A box that covers the mask, so that the mask's outline decides."""
    probe, inside = _samples(outline)
    probe = probe[inside]
    factor = 1.0
    while factor < most:
        corners = _corners(box.center, box.size * factor, box.yaw_deg)
        if _covers(view.project(corners)[0], probe).mean() >= COVERED:
            break
        factor += GROWTH
    return replace(box, size=box.size * factor)


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
