"""Nearest patches between a hole and its sources at one scale, and the vote that makes the next guess from them.

Barnes et al., "PatchMatch", SIGGRAPH 2009, with every pixel updated at once; exhaustive where that is cheap. Patches are compared
in their main directions (PCA), as in He & Sun, "Computing nearest-neighbor fields via propagation-assisted kd-trees", CVPR 2012.
Pictures are padded, and positions are flat indices into the padded picture.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int
from scipy import ndimage

Indices = Int[np.ndarray, " _"]
Distances = Float32[np.ndarray, " _"]
Descriptors = Float32[np.ndarray, "_ _"]

EXACT_PAIRS = 16_000_000
"""Up to this many (target, source) pairs the search is exhaustive (about 0.1 s on one core)."""
PCA_DIMS = 16
"""Main directions in which patches are compared; they hold about 90 % of the variance of 7 px patches of photos."""
PCA_SAMPLE = 3000
"""Patches from which the main directions are taken."""
CHUNK = 8192
"""Patches gathered at a time: 8 MB."""
COHERENCE = 8.0
"""What agreeing with one neighbour is worth, grey levels (rms over a patch); chosen by eye among 3, 6, 8 and 12."""
SETTLE_ROUNDS = 5
REPEAT = 10.0
"""Price of a source that is used twice as often as the average, grey levels (rms over a patch): without it a large hole becomes a
wallpaper of its best few patches (Kaspar et al., "Self tuning texture optimization", Eurographics 2015)."""
REPEAT_MAX = 8.0
"""Excess use above which the price no longer grows."""
CONFIDENCE = 1.1
"""A patch's vote loses this factor per px of distance from known pixels (Wexler et al. 2007, section 3.2, use 1.3)."""


@dataclass(frozen=True)
class Level:
    """One scale of the picture, padded on all sides so that no patch leaves it."""

    image: Float32[np.ndarray, "h w c"]
    """Colour and texture channels; inside the hole the current guess, which ``vote`` and ``copy`` overwrite."""
    hole: Bool[np.ndarray, "h w"]
    source: Bool[np.ndarray, "h w"]
    """Centres of patches that may be copied."""
    targets: Indices
    """Centres of all patches that touch the hole."""
    radius: int
    """Patches are ``2 radius + 1`` px wide."""
    nearness: tuple[float, float]
    """Price of copying from far away, down and across: grey levels (rms over a patch) per long side of the picture."""
    drawn: int
    """The first so many channels are written; the others are known everywhere and only guide the search."""

    @property
    def offsets(self) -> Indices:
        """Flat offsets of a patch's pixels from its centre."""
        r, width = np.arange(-self.radius, self.radius + 1), self.hole.shape[1]
        return (r[:, None] * width + r).ravel()


def make_level(
    image: Float32[np.ndarray, "h w c"],
    hole: Bool[np.ndarray, "h w"],
    source: Bool[np.ndarray, "h w"],
    radius: int,
    nearness: tuple[float, float],
    drawn: int,
) -> Level:
    """Pad a picture by ``radius``; sources are the pixels whose whole patch may be copied."""
    window = np.ones((2 * radius + 1,) * 2, bool)
    pad = ((radius, radius),) * 2
    reached = np.pad(ndimage.binary_dilation(hole, window), pad)
    return Level(
        np.pad(image, (*pad, (0, 0)), mode="edge"),
        np.pad(hole, pad),
        np.pad(ndimage.binary_erosion(source, window), pad),
        np.flatnonzero(reached),
        radius,
        nearness,
        drawn,
    )


class Matcher:
    """Finds sources for the targets of one level; holds the descriptors of the sources, which do not change."""

    def __init__(self, level: Level, rng: np.random.Generator) -> None:
        self.level, self.rng = level, rng
        self.width, self.is_source = level.hole.shape[1], level.source.ravel()
        self.sources = np.flatnonzero(level.source)
        self.basis = _main_directions(level, self.sources)
        self.table = np.zeros((level.hole.size, self.basis.shape[1] + 2), np.float32)
        self.table[self.sources] = self._describe(self.sources)
        self.price = np.zeros(level.hole.size, np.float32)
        """What a source costs for being used often, squared grey levels summed over a patch."""

    def search(self, start: Indices | None) -> tuple[Indices, Distances]:
        """For every target the best source that was found, and its cost; ``start`` is the field to improve."""
        wanted = self._describe(self.level.targets)
        if start is not None:
            self.price = self._repeat_price(start)
        if start is None or len(self.level.targets) * len(self.sources) <= EXACT_PAIRS:
            found, cost = self._exhaustive(wanted)
        else:
            found, cost = self._patchmatch(wanted, start)
        return self._settle(wanted, found, cost)

    def _describe(self, centres: Indices) -> Descriptors:
        """Main directions of the patches, and their position in the price of distance."""
        level, d = self.level, self.basis.shape[1]
        flat, offsets = level.image.reshape(-1, level.image.shape[2]), level.offsets
        out = np.empty((len(centres), d + 2), np.float32)
        for i in range(0, len(centres), CHUNK):
            part = centres[i : i + CHUNK]
            out[i : i + CHUNK, :d] = flat[part[:, None] + offsets].reshape(len(part), -1) @ self.basis
        price = np.array(level.nearness) * np.sqrt(3 * len(offsets)) / max(level.hole.shape)
        out[:, d:] = np.stack(np.divmod(centres, self.width), 1) * price
        return out

    def _cost(self, wanted: Descriptors, candidates: Indices) -> Distances:
        return ((wanted - self.table[candidates]) ** 2).sum(1) + self.price[candidates]

    def _repeat_price(self, found: Indices) -> Float32[np.ndarray, " p"]:
        level, window = self.level, 2 * self.level.radius + 1
        used = np.bincount(found, minlength=level.hole.size).reshape(level.hole.shape).astype(np.float32)
        room = ndimage.uniform_filter(level.source.astype(np.float32), window)
        share = ndimage.uniform_filter(used, window) / np.maximum(room, 0.05)  # few sources: no division by almost nothing
        excess = share.ravel() / (len(found) / len(self.sources)) - 1
        return (REPEAT**2 * 3 * window**2 * excess.clip(0, REPEAT_MAX)).astype(np.float32)

    def _exhaustive(self, wanted: Descriptors) -> tuple[Indices, Distances]:
        best, least = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.float32)
        offered = self.table[self.sources]
        fixed = (offered**2).sum(1) + self.price[self.sources]
        rows = max(1, 4_000_000 // len(offered))  # 16 MB at a time
        for i in range(0, len(wanted), rows):
            part = wanted[i : i + rows]
            cost = fixed - 2 * part @ offered.T
            pick = cost.argmin(1)
            best[i : i + rows] = self.sources[pick]
            least[i : i + rows] = cost[np.arange(len(part)), pick] + (part**2).sum(1)
        return best, np.maximum(least, 0)

    def _patchmatch(self, wanted: Descriptors, start: Indices) -> tuple[Indices, Distances]:
        """``start`` must point at sources."""
        t, last = self.level.targets, self.level.hole.size - 1
        field = np.arange(last + 1)  # a pixel that is no target points at itself, which proposes the target itself: no source
        field[t] = start
        cost = self._cost(wanted, start)

        def propose(candidates: Indices) -> None:
            candidates = candidates.clip(0, last)
            ok = np.flatnonzero(self.is_source[candidates] & (candidates != field[t]))
            new = self._cost(wanted[ok], candidates[ok])
            better = new < cost[ok]
            cost[ok[better]] = new[better]
            field[t[ok[better]]] = candidates[ok[better]]

        for step in (4, 1):
            for shift in (step, -step, step * self.width, -step * self.width):
                propose(field[(t + shift).clip(0, last)] - shift)
        radius = max(self.level.hole.shape) // 2
        while radius >= 1:
            dy, dx = self.rng.integers(-radius, radius + 1, (2, len(t)))
            propose(field[t] + dy * self.width + dx)
            radius //= 3
        return field[t], cost

    def _settle(self, wanted: Descriptors, found: Indices, cost: Distances) -> tuple[Indices, Distances]:
        """Take a neighbour's offset where that costs little: pieces that are copied whole have no seams inside.

        Energy: cost − price of ``COHERENCE`` · (neighbours with the same offset); iterated conditional modes, a random half
        of the pixels at a time (Besag, "On the statistical analysis of dirty pictures", 1986).
        """
        t, last = self.level.targets, self.level.hole.size - 1
        offset = np.zeros(last + 1, np.int64)
        offset[t] = found - t
        bonus = COHERENCE**2 * 3 * len(self.level.offsets)
        around = (t[:, None] + np.array([1, -1, self.width, -self.width])).clip(0, last)
        for k in [0, 1, 2, 3] * SETTLE_ROUNDS:
            mine, theirs = offset[t], offset[around[:, k]]
            ok = np.flatnonzero((mine != theirs) & (theirs != 0) & (self.rng.random(len(t)) < 0.5))
            ok = ok[self.is_source[(t[ok] + theirs[ok]).clip(0, last)]]
            mine, theirs, beside = mine[ok], theirs[ok], offset[around[ok]]
            gain = bonus * ((beside == theirs[:, None]).sum(1) - (beside == mine[:, None]).sum(1))
            new = self._cost(wanted[ok], t[ok] + theirs)
            better = new - cost[ok] < gain
            offset[t[ok[better]]] = theirs[better]
            cost[ok[better]] = new[better]
        return t + offset[t], cost


def _main_directions(level: Level, sources: Indices) -> Float32[np.ndarray, "k d"]:
    sample = sources[:: max(1, len(sources) // PCA_SAMPLE)]
    patches = level.image.reshape(-1, level.image.shape[2])[sample[:, None] + level.offsets].reshape(len(sample), -1)
    patches = patches - patches.mean(0)
    _, vectors = np.linalg.eigh(patches.T @ patches)
    return np.ascontiguousarray(vectors[:, -PCA_DIMS:], np.float32)


def copy(level: Level, found: Indices) -> None:
    """Write into the hole the centre pixels of the found patches."""
    flat = level.image.reshape(-1, level.image.shape[2])[:, : level.drawn]
    inside = level.hole.ravel()[level.targets]
    flat[level.targets[inside]] = flat[found[inside]]
    extend_border(level)


def vote(level: Level, found: Indices, cost: Distances) -> None:
    """Write into the hole the weighted mean of all patches that overlap a pixel (Wexler et al. 2007, equation 5)."""
    flat = level.image.reshape(-1, level.image.shape[2])[:, : level.drawn]
    p = np.flatnonzero(level.hole)
    field, weight = np.arange(level.hole.size), np.zeros(level.hole.size, np.float32)
    field[level.targets] = found
    depth = np.asarray(ndimage.distance_transform_edt(level.hole)).ravel()
    spread = 2 * max(float(np.percentile(cost, 75)), 1e-3)
    weight[level.targets] = (np.exp(-cost / spread) + 1e-3) * CONFIDENCE ** -depth[level.targets]
    total, votes = np.zeros((len(p), flat.shape[1]), np.float32), np.zeros(len(p), np.float32)
    for offset in level.offsets:
        centre = p - offset
        total += weight[centre][:, None] * flat[field[centre] + offset]
        votes += weight[centre]
    flat[p] = total / votes[:, None]
    extend_border(level)


def extend_border(level: Level) -> None:
    """Repeat the outermost pixels into the padding, for holes that touch the border."""
    r, image = level.radius, level.image
    image[:r], image[-r:] = image[r], image[-r - 1]
    image[:, :r], image[:, -r:] = image[:, r : r + 1], image[:, -r - 1 : -r]
