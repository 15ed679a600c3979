"""Nearest patches between a hole and its sources at one scale, and the vote that makes the next guess from them.

Barnes et al., "PatchMatch", SIGGRAPH 2009, with every pixel updated at once; exhaustive where that is cheap. Patches are
compared in their main directions (PCA), as in He & Sun, "Computing nearest-neighbor fields via propagation-assisted kd-trees",
CVPR 2012. Pictures are padded, and positions are flat indices into the padded picture.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int
from scipy import ndimage

Indices = Int[np.ndarray, " t"]
Distances = Float32[np.ndarray, " t"]
Descriptors = Float32[np.ndarray, "_ d"]

EXACT_PAIRS = 16_000_000
"""Up to this many (target, source) pairs the search is exhaustive (about 0.1 s on one core)."""
PCA_DIMS = 16
"""Main directions in which patches are compared; hold about 90 % of the variance of 7 px patches of photos."""
PCA_SAMPLE = 3000
"""Patches from which the main directions are taken."""
COHERENCE = 0.15
"""What agreeing with one neighbour is worth, in median patch distances."""
SETTLE_ROUNDS = 3
CHUNK = 8192
"""Patches gathered at a time: 8 MB."""
NEARNESS = (220.0, 20.0)
"""Price of copying from far away, down and across: grey levels (rms over a patch) for the photo's long side. Photos are upright:
floor continues beside floor, so that rows count more than columns."""
REPEAT = 10.0
"""Price of a source that is used twice as often as the average, grey levels (rms over a patch): without it a large hole becomes a
wallpaper of its best few patches (Kaspar et al., "Self tuning texture optimization", Eurographics 2015, section 3.3)."""
REPEAT_MAX = 8.0
"""Excess use above which the price no longer grows."""
CONFIDENCE = 1.1
"""A patch's vote loses this factor per px of distance from known pixels (Wexler et al. 2007, section 3.2, use 1.3)."""


@dataclass(frozen=True)
class Level:
    """One scale of the picture, padded on all sides so that no patch leaves it."""

    image: Float32[np.ndarray, "h w c"]
    """Colour and texture channels; inside the hole the current guess (written by ``vote`` and ``copy``)."""
    hole: Bool[np.ndarray, "h w"]
    source: Bool[np.ndarray, "h w"]
    """Centres of patches that may be copied."""
    targets: Indices
    """Centres of all patches that touch the hole."""
    radius: int
    """Patches are ``2 radius + 1`` px wide."""

    @property
    def offsets(self) -> Indices:
        """Flat offsets of a patch's pixels from its centre."""
        r, width = np.arange(-self.radius, self.radius + 1), self.hole.shape[1]
        return (r[:, None] * width + r).ravel()


def make_level(
    image: Float32[np.ndarray, "h w c"], hole: Bool[np.ndarray, "h w"], source: Bool[np.ndarray, "h w"], radius: int
) -> Level:
    """Pad a picture by ``radius``; sources are the pixels whose whole patch may be copied."""
    window = np.ones((2 * radius + 1,) * 2, bool)
    centres = ndimage.binary_erosion(source, window)
    pad = ((radius, radius),) * 2
    reached = np.pad(ndimage.binary_dilation(hole, window), pad)
    return Level(
        np.pad(image, (*pad, (0, 0)), mode="edge"),
        np.pad(hole, pad),
        np.pad(centres, pad),
        np.flatnonzero(reached),
        radius,
    )


def search(level: Level, start: Indices | None, rng: np.random.Generator) -> tuple[Indices, Distances]:
    """For every target the best source that was found, and its squared distance; ``start`` is the field to improve."""
    basis = _main_directions(level, rng)
    sources = np.flatnonzero(level.source)
    wanted = _describe(level, level.targets, basis)
    offered = _describe(level, sources, basis)
    if start is not None:
        offered[:, -1] = _repeat_price(level, start)[sources]
    table = np.zeros((level.hole.size, offered.shape[1]), np.float32)
    table[sources] = offered
    if len(level.targets) * len(sources) <= EXACT_PAIRS or start is None:
        found, distance = _exhaustive(wanted, offered, sources)
    else:
        found, distance = _patchmatch(level, wanted, table, start, rng)
    return _settle(level, wanted, table, found, distance, rng)


def _repeat_price(level: Level, found: Indices) -> Float32[np.ndarray, " p"]:
    """Grey levels (rms over a patch) that a source costs for having been used more often than the average source."""
    used = np.bincount(found, minlength=level.hole.size).reshape(level.hole.shape).astype(np.float32)
    window = 2 * level.radius + 1
    near = ndimage.uniform_filter(used, window) / np.maximum(
        ndimage.uniform_filter(level.source.astype(np.float32), window), 0.05
    )
    excess = near.ravel() / (len(found) / level.source.sum()) - 1
    return REPEAT * np.sqrt(3 * window**2 * excess.clip(0, REPEAT_MAX)).astype(np.float32)


def _settle(
    level: Level,
    wanted: Descriptors,
    table: Descriptors,
    found: Indices,
    distance: Distances,
    rng: np.random.Generator,
) -> tuple[Indices, Distances]:
    """Take a neighbour's offset where that costs little: pieces that are copied whole have no seams inside.

    Energy: distance − ``COHERENCE`` · median distance · (neighbours with the same offset); iterated conditional modes, a random half of
    the pixels at a time (Besag, "On the statistical analysis of dirty pictures", 1986).
    """
    width, source, t = level.hole.shape[1], level.source.ravel(), level.targets
    offset = np.zeros(level.hole.size, np.int64)
    offset[t] = found - t
    bonus = COHERENCE * float(np.median(distance))
    shifts = (1, -1, width, -width)
    around = (t[:, None] + np.array(shifts)).clip(0, len(source) - 1)
    for _ in range(SETTLE_ROUNDS):
        for k in range(4):
            mine, theirs = offset[t], offset[around[:, k]]
            ok = np.flatnonzero((mine != theirs) & (rng.random(len(t)) < 0.5))
            ok = ok[source[(t[ok] + theirs[ok]).clip(0, len(source) - 1)] & (theirs[ok] != 0)]
            beside = offset[around[ok]]
            gain = bonus * ((beside == theirs[ok, None]).sum(1) - (beside == mine[ok, None]).sum(1))
            d = ((wanted[ok] - table[t[ok] + theirs[ok]]) ** 2).sum(1)
            better = d - distance[ok] < gain
            offset[t[ok[better]]] = theirs[ok[better]]
            distance[ok[better]] = d[better]
    return t + offset[t], distance


def _main_directions(level: Level, rng: np.random.Generator) -> Float32[np.ndarray, "k d"]:
    sources = np.flatnonzero(level.source)
    sample = rng.choice(sources, min(PCA_SAMPLE, len(sources)), replace=False)
    patches = level.image.reshape(-1, level.image.shape[2])[sample[:, None] + level.offsets].reshape(len(sample), -1)
    patches = patches - patches.mean(0)
    _, vectors = np.linalg.eigh(patches.T @ patches)
    return np.ascontiguousarray(vectors[:, -PCA_DIMS:], np.float32)


def _describe(level: Level, centres: Int[np.ndarray, " n"], basis: Float32[np.ndarray, "k d"]) -> Float32[np.ndarray, "n e"]:
    flat, offsets = level.image.reshape(-1, level.image.shape[2]), level.offsets
    d = basis.shape[1]
    out = np.zeros((len(centres), d + 3), np.float32)
    price = np.array(NEARNESS) * np.sqrt(3 * len(offsets)) / max(level.hole.shape)
    out[:, d : d + 2] = np.stack(np.divmod(centres, level.hole.shape[1]), 1) * price
    for i in range(0, len(centres), CHUNK):
        part = centres[i : i + CHUNK]
        out[i : i + CHUNK, :d] = flat[part[:, None] + offsets].reshape(len(part), -1) @ basis
    return out


def _exhaustive(
    wanted: Float32[np.ndarray, "t d"], offered: Float32[np.ndarray, "s d"], sources: Int[np.ndarray, " s"]
) -> tuple[Indices, Float32[np.ndarray, " t"]]:
    best, distance = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.float32)
    norms = (offered**2).sum(1)
    rows = max(1, 4_000_000 // len(offered))  # 16 MB at a time
    for i in range(0, len(wanted), rows):
        part = wanted[i : i + rows]
        cost = norms - 2 * part @ offered.T
        pick = cost.argmin(1)
        best[i : i + rows] = sources[pick]
        distance[i : i + rows] = cost[np.arange(len(part)), pick] + (part**2).sum(1)
    return best, np.maximum(distance, 0)


def _patchmatch(
    level: Level,
    wanted: Float32[np.ndarray, "t d"],
    table: Float32[np.ndarray, "p d"],
    start: Indices,
    rng: np.random.Generator,
) -> tuple[Indices, Float32[np.ndarray, " t"]]:
    width, source, t = level.hole.shape[1], level.source.ravel(), level.targets
    field = np.arange(level.hole.size)  # a pixel that is no target points at itself: never a valid proposal for a target
    field[t] = start
    distance = np.where(source[start], ((wanted - table[start]) ** 2).sum(1), np.inf).astype(np.float32)

    def propose(candidates: Indices) -> None:
        candidates = candidates.clip(0, len(source) - 1)
        ok = np.flatnonzero(source[candidates] & (candidates != field[t]))
        d = ((wanted[ok] - table[candidates[ok]]) ** 2).sum(1)
        better = d < distance[ok]
        distance[ok[better]] = d[better]
        field[t[ok[better]]] = candidates[ok[better]]

    for step in (4, 2, 1):
        for shift in (step, -step, step * width, -step * width):
            beside = (t + shift).clip(0, len(source) - 1)
            propose(field[beside] - shift)
    radius = max(level.hole.shape) // 2
    while radius >= 1:
        dy, dx = rng.integers(-radius, radius + 1, (2, len(t)))
        propose(field[t] + dy * width + dx)
        radius //= 3
    lost = np.flatnonzero(~np.isfinite(distance))
    if len(lost):
        propose_all = rng.choice(np.flatnonzero(source), len(lost))
        field[t[lost]] = propose_all
        distance[lost] = ((wanted[lost] - table[propose_all]) ** 2).sum(1)
    return field[t], distance


def copy(level: Level, found: Indices) -> None:
    """Write into the hole the centre pixels of the found patches."""
    flat = level.image.reshape(-1, level.image.shape[2])
    inside = level.hole.ravel()[level.targets]
    flat[level.targets[inside]] = flat[found[inside]]


def vote(level: Level, found: Indices, distance: Float32[np.ndarray, " t"]) -> None:
    """Write into the hole the weighted mean of all patches that overlap a pixel (Wexler et al. 2007, equation 5)."""
    flat = level.image.reshape(-1, level.image.shape[2])
    p = np.flatnonzero(level.hole)
    field, weight = np.arange(level.hole.size), np.zeros(level.hole.size, np.float32)
    field[level.targets] = found
    depth = ndimage.distance_transform_edt(level.hole)
    assert isinstance(depth, np.ndarray)
    spread = 2 * max(float(np.percentile(distance, 75)), 1e-3)
    weight[level.targets] = (np.exp(-distance / spread) + 1e-3) * CONFIDENCE ** -depth.ravel()[level.targets]
    total, votes = np.zeros((len(p), flat.shape[1]), np.float32), np.zeros(len(p), np.float32)
    for offset in level.offsets:
        centre = p - offset
        total += weight[centre][:, None] * flat[field[centre] + offset]
        votes += weight[centre]
    flat[p] = total / votes[:, None]
