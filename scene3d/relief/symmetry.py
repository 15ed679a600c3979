"""Symmetries of an upright object that agree with the visible surface (docs/method.md)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from scene3d.relief.fields import Field2D, Outline
from scene3d.relief.view import View

Kind = Literal["c2", "mirror"]

SAMPLES = 1200
"""Visible points that vote; more do not change the winner."""
MIRROR_YAWS_DEG = (30, 45, 60, 75, 90, 105, 120, 135, 150)
"""Yaw of the mirror plane's normal against the image's x; 0 would be a plane edge-on to the camera, which adds nothing."""
AGREE = 0.99
"""The tightest offset within this share of the best agreement is taken: symmetry says nothing about how deep beyond it."""
ACCEPT = 0.9
"""Share of visible points whose image must be possible."""


@dataclass(frozen=True)
class Symmetry:
    """A reflection in a vertical plane, or a half turn about a vertical axis."""

    kind: Kind
    work_from_work: Float64[np.ndarray, "4 4"]
    agreement: float
    """Share of the visible points whose image lies inside the silhouette and not before the visible surface."""
    deepest: float
    """Lowest height toward the camera of the visible surface's image."""


def find_symmetry(outline: Outline, view: View, front: Field2D, allowed: frozenset[Kind], *, seed: int = 0) -> Symmetry | None:
    """The most consistent and shallow symmetry among the allowed kinds, or None when none agrees with the photo."""
    points = _visible_points(outline, view, front, seed)
    extent = float(np.ptp(points[:, 0]))
    best, best_score = None, -np.inf
    for kind, yaw, reflect, direction in _families(allowed, points):
        found = _tightest(kind, outline, view, front, points, reflect, direction)
        if found is None or found.agreement < ACCEPT:
            continue
        depth = float(view.project(points)[1].max()) - found.deepest
        too_deep = max(0.0, depth / max(extent, 0.25) - 1.0)
        # small preferences of the measured prototype: C2 before mirrors, and never the plane facing the camera if avoidable
        score = found.agreement - 0.12 * too_deep - 0.02 * (kind == "mirror") - 0.03 * (yaw == 90)
        if score > best_score:
            best, best_score = found, score
    return best


def _visible_points(outline: Outline, view: View, front: Field2D, seed: int) -> np.ndarray:
    index = np.flatnonzero(outline.inside.ravel())
    index = np.random.default_rng(seed).permutation(index)[:SAMPLES]
    return view.lift_pixels(front.uv[index], front.values.ravel()[index])


def _families(allowed: frozenset[Kind], points: np.ndarray) -> Iterator[tuple[Kind, int, np.ndarray, np.ndarray]]:
    """Kind, yaw, linear part and unit direction of the offset for every family of symmetries."""
    if "c2" in allowed:
        yield "c2", 0, np.diag([-1.0, 1.0, -1.0]), np.array([0.0, 0.0, 1.0])
    if "mirror" in allowed:
        for yaw in MIRROR_YAWS_DEG:
            normal = np.array([np.cos(np.radians(yaw)), 0.0, np.sin(np.radians(yaw))])
            yield "mirror", yaw, np.eye(3) - 2 * np.outer(normal, normal), normal


def _tightest(
    kind: Kind,
    outline: Outline,
    view: View,
    front: Field2D,
    points: np.ndarray,
    reflect: np.ndarray,
    direction: np.ndarray,
) -> Symmetry | None:
    """Slide the plane or axis away from the camera; keep the first offset that agrees almost as well as any."""
    nearest = float(np.quantile(points @ direction, 0.98))
    middle = np.array([(points[:, 0].min() + points[:, 0].max()) / 2, 0, 0]) if kind == "c2" else np.zeros(3)
    candidates = []
    for offset in np.linspace(0.02, 1.0, 50):
        shift = 2 * ((nearest - offset) * direction + middle)
        image = points @ reflect.T + shift
        uv, z = view.project(image)
        possible = (outline.distance.at(uv) > -1.5 * outline.cell) & (front.at(uv) - z > -2 * outline.cell)
        candidates.append((float(possible.mean()), shift, float(z.min())))
    most = max(c[0] for c in candidates)
    if most <= 0:
        return None
    agreement, shift, deepest = next(c for c in candidates if c[0] >= AGREE * most)
    transform = np.eye(4)
    transform[:3, :3], transform[:3, 3] = reflect, shift
    return Symmetry(kind, transform, agreement, deepest)
