"""Shapes of masks: hulls, ellipses, mirror images, and outlines that are continued straight."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Real
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.measure import find_contours
from skimage.morphology import convex_hull_image

Mask = Bool[np.ndarray, "_ _"]
Points = Real[np.ndarray, "_ 2"]
"""(row, column), px."""


def convex_hull(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels whose centre lies in the convex hull of the mask; the mask must not be empty."""
    return convex_hull_image(mask) | mask


def fill_holes(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The mask with everything that it encloses."""
    return np.asarray(ndimage.binary_fill_holes(mask), bool)


def free_outline(mask: Bool[np.ndarray, "h w"], front: Bool[np.ndarray, "h w"]) -> Points:
    """Pixels on the outline of a mask where it ends by itself: no occluder within 2 px, holes left out."""
    solid = fill_holes(mask | front)
    inner = np.asarray(ndimage.binary_erosion(mask | front), bool) | np.asarray(ndimage.binary_erosion(solid), bool)
    return np.argwhere(mask & ~inner & ~np.asarray(ndimage.binary_dilation(front, iterations=2), bool)).astype(float)


@dataclass(frozen=True)
class Ellipse:
    """All points whose offset from the centre is taken to the unit circle."""

    centre: Float[np.ndarray, "2"]
    """(row, column), px."""
    unit_from_offset: Float[np.ndarray, "2 2"]
    """Takes offsets from the centre to the unit circle."""

    def radius(self, points: Points) -> Float[np.ndarray, " n"]:
        """1 on the ellipse, less inside."""
        return np.linalg.norm((points - self.centre) @ self.unit_from_offset.T, axis=1)

    def fill(self, hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
        """Pixels whose centre lies inside."""
        return (self.radius(np.indices(hw).reshape(2, -1).T) <= 1).reshape(hw)


def fit_ellipse(points: Points) -> Ellipse | None:
    """Least-squares ellipse through points, or None where a conic that fits them is no ellipse.

    Halíř & Flusser, "Numerically stable direct least squares fitting of ellipses", WSCG 1998.
    """
    if len(points) < 6:
        return None
    mean, scale = points.mean(0), points.std() + 1e-9
    y, x = ((points - mean) / scale).T
    D1, D2 = np.stack([x * x, x * y, y * y], 1), np.stack([x, y, np.ones_like(x)], 1)
    S1, S2, S3 = D1.T @ D1, D1.T @ D2, D2.T @ D2
    if np.linalg.cond(S3) > 1e12:
        return None
    T = -np.linalg.solve(S3, S2.T)
    M = S1 + S2 @ T
    vectors = np.real(np.linalg.eig(np.stack([M[2] / 2, -M[1], M[0] / 2]))[1])
    good = np.flatnonzero(4 * vectors[0] * vectors[2] - vectors[1] ** 2 > 1e-9)
    if not len(good):
        return None
    a, b, c = vectors[:, good[0]]
    d, e, f = T @ np.array([a, b, c])
    Q = np.array([[c, b / 2], [b / 2, a]])  # in (row, column) order
    centre = -np.linalg.solve(2 * Q, np.array([e, d]))
    size = centre @ Q @ centre - f
    w, V = np.linalg.eigh(Q / size)
    if (w <= 1e-9).any():
        return None
    return Ellipse(mean + scale * centre, (np.sqrt(w)[:, None] * V.T) / scale)


@dataclass(frozen=True)
class Mirror:
    """Reflection at an axis: x → x − 2 ((x − foot) · normal) normal; pixel centres lie at +0.5."""

    foot: Float[np.ndarray, "2"]
    """A point of the axis, (row, column), px."""
    normal: Float[np.ndarray, "2"]

    def image(self, points: Points) -> Points:
        """Where points go."""
        return points - 2 * ((points - self.foot) @ self.normal)[:, None] * self.normal

    def pixels(self, hw: tuple[int, int]) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, "h w"], Mask]:
        """For every pixel the row and column of its counterpart, and whether that lies in the picture."""
        at = np.floor(self.image(np.indices(hw).reshape(2, -1).T + 0.5)).astype(int).T.reshape(2, *hw)
        inside = (at >= 0).all(0) & (at[0] < hw[0]) & (at[1] < hw[1])
        return at[0].clip(0, hw[0] - 1), at[1].clip(0, hw[1] - 1), inside

    def reflect(self, mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
        """The mask's mirror image."""
        y, x, inside = self.pixels(mask.shape)
        return mask[y, x] & inside


MIRROR_POINTS = 600
"""Of the visible part, on which axes are compared."""
HIDDEN_WORTH = 0.4
"""A mirrored pixel that falls on an occluder, where 1 is a pixel that meets a visible one and −1 one that falls beside."""


def best_mirrors(visible: Bool[np.ndarray, "h w"], occluder: Bool[np.ndarray, "h w"]) -> tuple[Mirror, Mirror]:
    """The axis, of any direction, that lays the visible part best onto itself and, next best, under the occluder; and the best
    one that is more than 45° away: the first may be a symmetry that the hidden part does not break.
    """
    points = np.argwhere(visible) + 0.5
    foot, size = points.mean(0), float(np.sqrt(len(points)))
    points = points[:: len(points) // MIRROR_POINTS + 1]
    worth = np.where(visible, 1, np.where(occluder, HIDDEN_WORTH, -1)).astype(np.float32)

    def best(angles: Float[np.ndarray, " a"]) -> tuple[float, Mirror]:
        coarse = [(a, d) for a in angles for d in np.linspace(-0.6, 0.6, 25)]
        a0, d0 = _best_axis(worth, points, foot, size, coarse)
        fine = [(a0 + a, d0 + d) for a in np.deg2rad(np.linspace(-5, 5, 9)) for d in np.linspace(-0.04, 0.04, 9)]
        angle, shift = _best_axis(worth, points, foot, size, fine)
        normal = np.array([np.sin(angle), np.cos(angle)])
        return a0, Mirror(foot + shift * size * normal, normal)

    angles = np.arange(24) * np.pi / 24
    first, mirror = best(angles)
    return mirror, best(angles[np.abs(np.cos(angles - first)) < np.sqrt(0.5)])[1]


def _best_axis(
    worth: Float32[np.ndarray, "h w"], points: Points, foot: Float[np.ndarray, "2"], size: float, axes: list[tuple[float, float]]
) -> tuple[float, float]:
    """Of axes given by the angle of their normal and their shift along it (in ``size``), the one with the best mean worth."""
    angle, shift = np.array(axes).T
    normal = np.stack([np.sin(angle), np.cos(angle)], 1)
    distance = (points - foot) @ normal.T - size * shift
    at = np.floor(points[:, None] - 2 * distance[..., None] * normal).astype(int)
    padded = np.pad(worth, 1, constant_values=-1)  # beside the picture is beside the object
    y, x = (at[..., 0] + 1).clip(0, padded.shape[0] - 1), (at[..., 1] + 1).clip(0, padded.shape[1] - 1)
    return axes[int(padded[y, x].mean(0).argmax())]


STRAIGHT_PX = 0.7
"""An outline that stays this near to a line (rms) is straight, and meets its continuation in a corner."""
TURN_COSINE = 0.7
"""Ends that would meet in a turn of more than 135° are not continued into each other: legs would become spikes."""
CORNER_COSINE = 0.7
"""A turn of more than 45° between the two parts of so short a piece of outline is a corner …"""
LEAST_END = 4
"""… when both have at least this many points."""
TANGENT_SHARE = 0.12
"""Length of outline that gives a direction, as a share of √area; at least 6 px."""


def continue_outline(visible: Bool[np.ndarray, "h w"], occluder: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """What straight or bent continuations of the outline add where an occluder interrupts it.

    At both ends of the interruption the outline is prolonged along its tangent; where the two meet, they enclose a corner
    (straight ends) or an arc (a parabola through both ends: Kellman & Shipley's relatability, Cognitive Psychology 1991).
    """
    h, w = visible.shape
    near = np.pad(ndimage.binary_dilation(occluder, iterations=2), 1)
    length = max(6, round(TANGENT_SHARE * float(np.sqrt(visible.sum()))))
    reach = float(np.ptp(np.argwhere(visible), axis=0).max())
    added = np.zeros_like(visible)
    for closed in find_contours(np.pad(fill_holes(visible), 1).astype(float), 0.5):
        outline = closed[:-1]
        hidden = near[tuple(outline.round().astype(int).T)]
        if len(outline) < 4 * length or hidden.all():
            continue
        for first, last in _runs(hidden):
            before = outline[(first - 2 - np.arange(length)) % len(outline)]
            after = outline[(last + 2 + np.arange(length)) % len(outline)]
            patch = _join(before, after, reach)
            if patch is not None:
                added |= polygon2mask((h, w), patch - 1)
    return added & occluder


def _runs(hidden: Bool[np.ndarray, " n"]) -> list[tuple[int, int]]:
    """First and last index of each cyclic run of at least 5 hidden points; ``last`` may exceed the length."""
    starts = np.flatnonzero(hidden & ~np.roll(hidden, 1))
    ends = np.flatnonzero(hidden & ~np.roll(hidden, -1))
    runs = [(int(s), int(ends[ends >= s][0] if (ends >= s).any() else ends[0] + len(hidden))) for s in starts]
    return [(s, e) for s, e in runs if e - s >= 5]


def _join(before: Points, after: Points, reach: float) -> Points | None:
    """Polygon of two ends (nearest point first) and where their tangents meet; None when they don't meet within reach."""
    a, toward_a, bend_a = _tangent(before)
    b, toward_b, bend_b = _tangent(after)
    system = np.stack([toward_a, -toward_b], 1)
    if abs(np.linalg.det(system)) < 0.1:
        return None
    if toward_a @ toward_b > TURN_COSINE:
        return None
    along = np.linalg.solve(system, b - a)
    if along.min() <= 0 or along.max() > reach:
        return None
    corner = a + along[0] * toward_a
    if max(bend_a, bend_b) < STRAIGHT_PX:
        return np.stack([a, corner, b])
    t = np.linspace(0, 1, 16)[:, None]
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * corner + t**2 * b


def _tangent(points: Points) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"], float]:
    """The first point, the unit direction from the last towards it, and the rms distance from the line.

    A corner among the points is none of the bend: what lies beyond it has another direction.
    """
    first, direction, bend = _line(points)
    if bend < STRAIGHT_PX:
        return first, direction, bend
    for n in range(len(points) - LEAST_END, LEAST_END, -2):
        near, beyond = _line(points[:n]), _line(points[n:])
        if near[2] < STRAIGHT_PX and near[1] @ beyond[1] < CORNER_COSINE:
            return near
    return first, direction, bend


def _line(points: Points) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"], float]:
    offsets = points - points.mean(0)
    _, _, axes = np.linalg.svd(offsets)
    direction = axes[0] * np.sign((points[0] - points[-1]) @ axes[0] + 1e-12)
    return points[0], direction, float(np.sqrt(np.mean((offsets @ axes[1]) ** 2)))
