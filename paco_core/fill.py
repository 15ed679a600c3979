"""Smooth continuation of colours: the Laplace membrane, and nearest colours. The base of every fill, and its last resort."""

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8
from scipy import ndimage, sparse

DIRECT_UNKNOWNS = 400
"""Below this many unknowns a coarser start is not worth its overhead."""
SWEEPS = 40
"""Conjugate-gradient steps per level; started from the level below, the rest is under one grey value (measured)."""
PULL_TO_MEAN = 1e-5
"""Keeps parts solvable that touch no known pixel; too weak to be seen elsewhere."""

STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""The four neighbours, as (row, column)."""


def neighbour_pairs(
    inside: Bool[np.ndarray, "h w"],
) -> list[tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]]:
    """For each of ``STEPS``: flat indices of pixels inside and of their neighbour there, where there is one."""
    h, w = inside.shape
    ys, xs = np.nonzero(inside)
    pairs = []
    for dy, dx in STEPS:
        ok = (ys + dy >= 0) & (ys + dy < h) & (xs + dx >= 0) & (xs + dx < w)
        at = ys[ok] * w + xs[ok]
        pairs.append((at, at + dy * w + dx))
    return pairs


def conjugate_gradient(
    A: sparse.csr_matrix, b: Float[np.ndarray, "m c"], x: Float[np.ndarray, "m c"], steps: int, tolerance: float = 1e-3
) -> Float[np.ndarray, "m c"]:
    """Jacobi-preconditioned conjugate gradients, all columns at once; stops when residuals are under ``tolerance`` (rms).

    Source: Hestenes & Stiefel 1952; the preconditioner is the diagonal of ``A``.
    """
    inverse_diagonal = 1 / A.diagonal()[:, None]
    r = b - A @ x
    z = inverse_diagonal * r
    p, rz = z, np.einsum("mc,mc->c", r, z)
    for _ in range(steps):
        if rz.max() < tolerance**2 * len(b):
            break
        Ap = A @ p
        step = rz / np.maximum(np.einsum("mc,mc->c", p, Ap), 1e-20)
        x, r = x + step * p, r - step * Ap
        z = inverse_diagonal * r
        rz, old = np.einsum("mc,mc->c", r, z), rz
        p = z + rz / np.maximum(old, 1e-20) * p
    return x


def membrane(
    values: Float32[np.ndarray, "h w c"], known: Bool[np.ndarray, "h w"], domain: Bool[np.ndarray, "h w"] | None = None
) -> Float32[np.ndarray, "h w c"]:
    """Solve Laplace's equation on ``domain & ~known``: known pixels are held, nothing flows through the domain's edge.

    Coarse to fine, so that the cost is linear in the pixels. Pixels outside the domain come back unchanged.
    Without any known pixel in the domain the values come back unchanged.
    """
    domain = np.ones_like(known) if domain is None else domain
    held, unknown = known & domain, domain & ~known
    if not unknown.any() or not held.any():
        return values.copy()
    start = _start(values, held, domain)
    A, b = _laplace_system(values, held, unknown, start[held].mean(0))
    out = values.copy()
    steps = SWEEPS if unknown.sum() > DIRECT_UNKNOWNS else 4 * SWEEPS
    out[unknown] = conjugate_gradient(A, b, start[unknown], steps)
    return out


def _start(
    values: Float32[np.ndarray, "h w c"], held: Bool[np.ndarray, "h w"], domain: Bool[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w c"]:
    """First guess: the membrane of the picture at half size, enlarged; for few unknowns the mean."""
    h, w, _ = values.shape
    if (domain & ~held).sum() <= DIRECT_UNKNOWNS or min(h, w) < 8:
        return np.broadcast_to(values[held].mean(0), values.shape).astype(np.float32)
    small, part = halve(values, held)
    coarse = membrane(small, part > 0, halve(values[..., :1], domain)[1] > 0)
    return double(coarse, (h, w))


def _laplace_system(
    values: Float32[np.ndarray, "h w c"],
    held: Bool[np.ndarray, "h w"],
    unknown: Bool[np.ndarray, "h w"],
    mean: Float32[np.ndarray, " c"],
) -> tuple[sparse.csr_matrix, Float32[np.ndarray, "m c"]]:
    """Σ_q (x_p − x_q) = 0 over the 4-neighbours q of p that are unknown or held."""
    n = int(unknown.sum())
    row_of = np.full(unknown.size, -1, np.int64)
    row_of[unknown.ravel()] = np.arange(n)
    flat, held_flat = values.reshape(-1, values.shape[-1]), held.ravel()
    diagonal = np.full(n, PULL_TO_MEAN, np.float32)
    b = np.broadcast_to(PULL_TO_MEAN * mean, (n, len(mean))).astype(np.float32)
    rows, cols = [], []
    for at, beside in neighbour_pairs(unknown):
        linked, fixed = row_of[beside] >= 0, held_flat[beside]
        diagonal[row_of[at[linked | fixed]]] += 1  # each pixel occurs once per direction
        b[row_of[at[fixed]]] += flat[beside[fixed]]
        rows.append(row_of[at[linked]])
        cols.append(row_of[beside[linked]])
    r, c = np.concatenate(rows), np.concatenate(cols)
    links = sparse.csr_matrix((np.full(len(r), -1, np.float32), (r, c)), shape=(n, n))
    return (links + sparse.diags_array(diagonal)).tocsr(), b


def halve(
    values: Float32[np.ndarray, "h w c"], weight: Bool[np.ndarray, "h w"]
) -> tuple[Float32[np.ndarray, "h2 w2 c"], Float32[np.ndarray, "h2 w2"]]:
    """Half size by the mean over 2 × 2 of the pixels with weight (odd sizes are padded by nothing); also the share of weight."""
    h, w, c = values.shape
    pad = ((0, h % 2), (0, w % 2))
    wt = np.pad(weight.astype(np.float32), pad)
    total = np.pad(values * weight[..., None], (*pad, (0, 0)))
    share = wt.reshape(wt.shape[0] // 2, 2, -1, 2).sum((1, 3))
    mean = total.reshape(wt.shape[0] // 2, 2, wt.shape[1] // 2, 2, c).sum((1, 3)) / np.maximum(share, 1)[..., None]
    return mean.astype(np.float32), share / 4


def double(values: Float32[np.ndarray, "h2 w2 c"], hw: tuple[int, int]) -> Float32[np.ndarray, "h w c"]:
    """Enlarge what ``halve`` made back to ``hw``, bilinearly (pixel centres stay in place)."""
    ys = np.clip((np.arange(hw[0]) + 0.5) / 2 - 0.5, 0, values.shape[0] - 1)
    xs = np.clip((np.arange(hw[1]) + 0.5) / 2 - 0.5, 0, values.shape[1] - 1)
    y0, x0 = ys.astype(int), xs.astype(int)
    y1, x1 = np.minimum(y0 + 1, values.shape[0] - 1), np.minimum(x0 + 1, values.shape[1] - 1)
    fy, fx = (ys - y0)[:, None, None].astype(np.float32), (xs - x0)[None, :, None].astype(np.float32)
    rows = values[y0] * (1 - fy) + values[y1] * fy
    return rows[:, x0] * (1 - fx) + rows[:, x1] * fx


def nearest(rgb: UInt8[np.ndarray, "h w 3"], known: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Every unknown pixel takes the colour of the nearest known one; unchanged when nothing is known."""
    if not known.any():
        return rgb.copy()
    at = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return rgb[at[0], at[1]]  # pyright: ignore[reportOptionalSubscript, reportIndexIssue]
