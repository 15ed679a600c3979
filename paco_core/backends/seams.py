"""Copied pixels joined without visible seams: a smooth correction found in the gradient domain."""

import numpy as np
from jaxtyping import Bool, Float32, Int
from scipy import sparse

from paco_core.fill import conjugate_gradient, neighbour_pairs

SCREEN = 1e-3
"""How strongly the copied colours hold against the correction: a step at a seam fades within about 1/√SCREEN = 30 px, so that a
dark edge at the rim of a hole does not darken all of it."""
EDGE = 45.0
"""Larger steps at the rim, grey levels, are the border of something that the hole cuts, and are not smoothed into it."""
STEPS_MAX = 60
"""Conjugate-gradient steps; the screened system is settled after about 2/√SCREEN."""


def seam_correction(
    colours: Float32[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], at: Int[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w 3"]:
    """What to add to the copies so that gradients in the hole are those of the sources; zero outside the hole.

    ``at`` are flat indices: the source of every hole pixel, itself elsewhere. Screened Poisson equation: Pérez et al.,
    "Poisson image editing", SIGGRAPH 2003, equation 7; the gradient across a seam is the mean of what the sources of both
    sides show there. A pixel at the rim trusts its known neighbour less, the more improbable the step to it.
    """
    n = int(hole.sum())
    row_of = np.full(hole.size, -1, np.int64)
    row_of[hole.ravel()] = np.arange(n)
    flat, flat_at = colours.reshape(-1, 3), at.ravel()
    b, diagonal = np.zeros((n, 3), np.float32), np.full(n, SCREEN, np.float32)
    rows, cols = [], []
    for p, q in neighbour_pairs(hole):
        i, j = row_of[p], row_of[q]
        inside = j >= 0
        excess = _excess_step(flat, flat_at, p, q, inside)  # Σ_q (c_p − c_q) = Σ_q (step shown − step wanted)
        trust = np.where(inside, 1, np.exp(-((np.abs(excess).max(1) / EDGE) ** 2))).astype(np.float32)
        diagonal[i] += trust  # each pixel occurs once per direction
        b[i] += trust[:, None] * excess
        rows.append(i[inside])
        cols.append(j[inside])
    r, c = np.concatenate(rows), np.concatenate(cols)
    links = sparse.csr_matrix((np.full(len(r), -1, np.float32), (r, c)), shape=(n, n))
    out = np.zeros_like(colours)
    out[hole] = conjugate_gradient((links + sparse.diags_array(diagonal)).tocsr(), b, np.zeros_like(b), STEPS_MAX, 0.05)
    return out


def _excess_step(
    flat: Float32[np.ndarray, "n 3"],
    at: Int[np.ndarray, " n"],
    p: Int[np.ndarray, " m"],
    q: Int[np.ndarray, " m"],
    inside: Bool[np.ndarray, " m"],
) -> Float32[np.ndarray, "m 3"]:
    """The step from p to q that the copies show, less the one that the sources show (mean of both where q is in the hole too)."""
    at_p, at_q, shift = at[p], at[q], q - p
    shown = flat[at_q] - flat[at_p]
    wanted = flat[(at_p + shift).clip(0, len(flat) - 1)] - flat[at_p]
    wanted_q = flat[at_q] - flat[(at_q - shift).clip(0, len(flat) - 1)]
    return shown - np.where(inside[:, None], (wanted + wanted_q) / 2, wanted)
