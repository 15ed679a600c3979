"""What is aligned away before a scene or a shape is compared: a scale, a similarity, or a rigid motion found by ICP.

Matrices are 4×4, ``a_from_b``, in whatever frame and unit the points have.
"""

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.spatial import KDTree

from scene3d.transforms import apply, similarity

ICP_ROUNDS = 50
"""As in MIDI-3D's evaluation."""
STILL = 1e-5
"""A round that lowers the squared error by less than this share is the last."""
ON_A_LINE = 0.05
"""Centres whose second principal extent is less than this share of the first don't tell a rotation."""


def umeyama(
    source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "n 3"], *, scaled: bool = True
) -> Float64[np.ndarray, "4 4"]:
    """The similarity ``target_from_source`` with the least squared error (Umeyama, PAMI 1991, eq. 40–43).

    One point gives a shift. Points in a line, or two, give scale and shift alone: their rotation is not determined.
    """
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    spread = float((a**2).sum())
    if spread == 0:
        return similarity(np.eye(3), target.mean(axis=0) - source.mean(axis=0))
    u, d, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    extents = np.linalg.svd(a, compute_uv=False)
    if len(source) < 3 or extents[1] < ON_A_LINE * extents[0]:
        scale = float(np.sqrt((b**2).sum() / spread)) if scaled else 1.0
        return similarity(np.eye(3), target.mean(axis=0) - scale * source.mean(axis=0), scale)
    rotation = (u * sign) @ vt
    scale = float((d * sign).sum() / spread) if scaled else 1.0
    return similarity(rotation, target.mean(axis=0) - scale * rotation @ source.mean(axis=0), scale)


def icp(
    source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "m 3"], rounds: int = ICP_ROUNDS
) -> Float64[np.ndarray, "4 4"]:
    """Rigid ``target_from_source`` by point-to-point ICP (Besl and McKay 1992) from the identity.

    The best pose of all rounds by mean squared distance: it is never worse than doing nothing.
    """
    tree = KDTree(target)
    pose = best = np.eye(4)
    least = np.inf
    for _ in range(rounds + 1):
        moved = apply(pose, source)
        distance, index = tree.query(moved)
        error = float(np.mean(np.square(distance)))
        if error >= least * (1 - STILL):
            break
        least, best = error, pose
        pose = umeyama(moved, target[index], scaled=False) @ pose
    return best


def normaliser(points: Float[np.ndarray, "n 3"]) -> Float64[np.ndarray, "4 4"]:
    """``normal_from_points``: the box's centre to the origin, its longest side to [-1, 1]; the same factor along all axes."""
    low, high = points.min(axis=0), points.max(axis=0)
    factor = 2 / float((high - low).max())
    return similarity(np.eye(3), -factor * (low + high) / 2, factor)


def depth_scale(
    true_z: Float[np.ndarray, "h w"], predicted_z: Float[np.ndarray, "h w"], where: Bool[np.ndarray, "h w"]
) -> float | None:
    """Median ratio of true and predicted depth over pixels that both know; None where there is none."""
    known = where & np.isfinite(true_z) & np.isfinite(predicted_z) & (predicted_z > 0)
    return float(np.median(true_z[known] / predicted_z[known])) if known.any() else None
