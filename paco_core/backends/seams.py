"""Copied pixels joined without visible seams: a smooth correction found in the gradient domain."""

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8
from scipy import sparse

from paco_core.fill import conjugate_gradient, neighbour_pairs

SCREEN = 1e-3
"""How strongly the copied colours hold against the correction: a step at a seam fades within about 1/√SCREEN = 30 px, so that a
dark edge at the rim of a hole does not darken all of it."""
STEPS_MAX = 60
"""Conjugate-gradient steps; the screened system is settled after about 2/√SCREEN."""


def seam_correction(
    rgb: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], at: Int[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w 3"]:
    """What to add to ``rgb[at]`` so that the gradients in the hole are those of the sources; zero outside the hole.

    ``at`` are flat indices: the source of every hole pixel, itself elsewhere. Screened Poisson equation: Pérez et al., "Poisson image
    editing", SIGGRAPH 2003, equation 7; the gradient across a seam is the mean of what both sides' sources show there.
    """
    h, w = hole.shape
    n = int(hole.sum())
    row_of = np.full(hole.size, -1, np.int64)
    row_of[hole.ravel()] = np.arange(n)
    colours, flat_at = rgb.reshape(-1, 3), at.ravel()
    b, diagonal = np.zeros((n, 3), np.float32), np.full(n, SCREEN, np.float32)
    rows, cols = [], []
    for p, q in neighbour_pairs(hole):
        mine = (flat_at[p] + (q - p)).clip(0, hole.size - 1)  # what lies beside p's source
        yours = (flat_at[q] - (q - p)).clip(0, hole.size - 1)
        cp, cq = (colours[flat_at[i]].astype(np.float32) for i in (p, q))
        inside = row_of[q] >= 0
        seen = colours[mine] - cp
        seen[inside] = (seen[inside] + cq[inside] - colours[yours[inside]]) / 2
        i = row_of[p]
        diagonal[i] += 1
        b[i] += (cq - cp) - seen  # Σ_q (c_p − c_q) = Σ_q (step that the copy shows − step that it should show)
        rows.append(i[inside])
        cols.append(row_of[q[inside]])
    r, c = np.concatenate(rows), np.concatenate(cols)
    links = sparse.csr_matrix((np.full(len(r), -1, np.float32), (r, c)), shape=(n, n))
    A = (links + sparse.diags_array(diagonal)).tocsr()
    out = np.zeros((*hole.shape, 3), np.float32)
    out[hole] = conjugate_gradient(A, b, np.zeros_like(b), STEPS_MAX, 0.05)
    return out
