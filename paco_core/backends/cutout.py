"""Cutting one object out of a photo by its colours: GrabCut from a guess of where it lies, then a crisp edge at full size."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

CUT_SIDE_PX = 320
"""Colours are learnt and cut at this size: a second at 640 px, a tenth of it here; the edge is found again at full size."""
MARGIN = 0.3
"""Of the longer side of the guess: how much of what lies around it tells what the background looks like."""
COLOUR_WEIGHT = 0.3
"""Of the colours' log-odds against those of the place: neighbouring pixels repeat each other, so each counts less than one."""
MAX_COLOUR_ODDS = 6.0
"""A single pixel's colour says no more than this (400 to 1), however far it is from all colours that were learnt."""
CERTAIN_ODDS = 1.5
"""From here on (5 to 1) place and colour together leave nothing for the cut to decide."""
ROUNDS = 2
"""Learning and cutting in turn; a third changed nothing that was measured."""
PIECE_SHARE = 0.1
"""Separate pieces below this share of the largest one are no part of the object; larger ones are what an occluder left."""
HOLE_SHARE = 0.02
"""Holes up to this share of the object are filled; larger ones are handles and the space between legs."""
_NOISE = 4.0
"""Added to colour variances, grey levels squared: two levels of noise, as an 8-bit photo has."""
_SIGNIFICANT = 0.05
"""A cut of less than this share of the guess has lost the object."""
_EDGE_NOISE = 1e-3
"""Guided filter's ε, for colours 0…1: edges fainter than 3 % are no edges."""


@dataclass(frozen=True)
class Window:
    """A part of the photo, and the size at which it is cut."""

    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in px of the photo, inside of it, at least 1 px wide and high."""
    hw: tuple[int, int]
    """Of the small picture."""

    def shrink(self, photo: np.ndarray) -> np.ndarray:
        """The part of the photo (or of a picture of the same size) at the small size."""
        x0, y0, x1, y1 = self.box
        part = photo[y0:y1, x0:x1]
        return part if part.shape[:2] == self.hw else cv2.resize(part, self.hw[::-1], interpolation=cv2.INTER_AREA)

    def centres(self) -> tuple[Float64[np.ndarray, "1 w"], Float64[np.ndarray, "h 1"]]:
        """x and y of the small picture's pixel centres, px of the photo."""
        x0, y0, x1, y1 = self.box
        h, w = self.hw
        return (x0 + (np.arange(w) + 0.5) * (x1 - x0) / w)[None], (y0 + (np.arange(h) + 0.5) * (y1 - y0) / h)[:, None]


def window_around(box: tuple[float, float, float, float], photo_hw: tuple[int, int]) -> Window:
    """The box with what lies around it."""
    x0, y0, x1, y1 = box
    margin = MARGIN * max(x1 - x0, y1 - y0) + 4
    left, top = max(0, int(x0 - margin)), max(0, int(y0 - margin))
    right, bottom = min(photo_hw[1], int(np.ceil(x1 + margin))), min(photo_hw[0], int(np.ceil(y1 + margin)))
    factor = min(1.0, CUT_SIDE_PX / max(right - left, bottom - top))
    return Window((left, top, right, bottom), (max(1, round((bottom - top) * factor)), max(1, round((right - left) * factor))))


@dataclass(frozen=True)
class Guess:
    """What is known about an object before its colours are looked at; all arrays of the window's small size."""

    window: Window
    odds: Float32[np.ndarray, "h w"]
    """Log-odds of a pixel to be the object, by its place alone."""
    never: Bool[np.ndarray, "h w"]
    """What can't be the object."""
    always: Bool[np.ndarray, "h w"]
    """What must be the object."""
    one_piece: bool = False
    """Only what hangs together with ``always`` is the object."""


def cut_out(rgb: UInt8[np.ndarray, "h w 3"], guess: Guess) -> Bool[np.ndarray, "h w"]:
    """The object's mask at the photo's size: GrabCut (Rother, Kolmogorov, Blake 2004) with a place for every pixel.

    Where the colours tell nothing (the cut takes nearly nothing of the guess) the guess itself is the mask. Never empty as
    long as the guess is not.
    """
    start = (guess.odds > 0) & ~guess.never | guess.always
    small = _tidy(_cut(np.ascontiguousarray(guess.window.shrink(rgb)), guess, start), guess)
    if small.sum() < _SIGNIFICANT * start.sum():
        small = start
    x0, y0, x1, y1 = guess.window.box
    mask = np.zeros(rgb.shape[:2], bool)
    mask[y0:y1, x0:x1] = enlarge(small, rgb[y0:y1, x0:x1])
    return mask


def _cut(rgb: UInt8[np.ndarray, "h w 3"], guess: Guess, start: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    inside = start
    for _ in range(ROUNDS):
        if not inside.any() or inside.all():
            return start
        models = _learn(rgb, inside)
        colour = np.clip(_log_density(rgb, models[1]) - _log_density(rgb, models[0]), -MAX_COLOUR_ODDS, MAX_COLOUR_ODDS)
        odds = COLOUR_WEIGHT * colour + guess.odds
        marks = np.where(odds > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        marks[odds > CERTAIN_ODDS] = cv2.GC_FGD
        marks[(odds < -CERTAIN_ODDS) | guess.never] = cv2.GC_BGD
        marks[guess.always] = cv2.GC_FGD
        inside = _grabcut(rgb, marks)[0]
    return inside


def _learn(rgb: UInt8[np.ndarray, "h w 3"], inside: Bool[np.ndarray, "h w"]) -> tuple[np.ndarray, np.ndarray]:
    """OpenCV's colour models of what is outside and inside."""
    return _grabcut(rgb, np.where(inside, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8))[1:]


def _grabcut(
    rgb: UInt8[np.ndarray, "h w 3"], marks: UInt8[np.ndarray, "h w"]
) -> tuple[Bool[np.ndarray, "h w"], np.ndarray, np.ndarray]:
    """One round of OpenCV's GrabCut, always the same for the same picture: (inside, outer model, inner model)."""
    outer, inner = np.zeros((1, 65)), np.zeros((1, 65))
    inside = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    if inside.any() and not inside.all():
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        cv2.setRNGSeed(0)  # its k-means begins anywhere
        try:
            cv2.grabCut(rgb, marks, (0, 0, 0, 0), outer, inner, 1, cv2.GC_INIT_WITH_MASK)
        finally:
            cv2.setNumThreads(threads)
        inside = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    return inside, outer, inner


def _log_density(rgb: UInt8[np.ndarray, "h w 3"], model: np.ndarray) -> Float64[np.ndarray, "h w"]:
    """Of every pixel's colour, in OpenCV's mixture: 5 weights, 5 means, 5 covariances in one row."""
    flat = model.ravel()
    colours = rgb.reshape(-1, 3).astype(np.float64)
    density = np.full(len(colours), 1e-12)
    for weight, mean, covariance in zip(flat[:5], flat[5:20].reshape(5, 3), flat[20:].reshape(5, 3, 3), strict=True):
        if weight > 0:
            spread = covariance + _NOISE * np.eye(3)
            off = colours - mean
            distance = np.einsum("ni,ni->n", off @ np.linalg.inv(spread), off)
            density += weight * np.exp(-distance / 2) / np.sqrt(np.linalg.det(spread))
    return np.log(density).reshape(rgb.shape[:2])


def _tidy(mask: Bool[np.ndarray, "h w"], guess: Guess) -> Bool[np.ndarray, "h w"]:
    """Without small pieces and small holes; of ``one_piece`` guesses what hangs together with ``always``."""
    mask = mask & ~guess.never | guess.always
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    kept = stats[:, cv2.CC_STAT_AREA] >= PIECE_SHARE * stats[1:, cv2.CC_STAT_AREA].max(initial=0)
    must = np.unique(labels[guess.always])
    if guess.one_piece:
        kept[:] = False
    kept[must] = True
    kept[0] = False
    mask = kept[labels]
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    filled = stats[:, cv2.CC_STAT_AREA] <= HOLE_SHARE * mask.sum()
    filled[np.unique(labels[guess.never & ~mask])] = False
    filled[0] = False
    return mask | filled[labels]


def enlarge(small: Bool[np.ndarray, "sh sw"], rgb: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """The mask at the picture's size; its edge follows the picture's (guided filter, He, Sun, Tang 2010)."""
    h, w = rgb.shape[:2]
    if small.shape == (h, w):
        return small
    soft = cv2.resize(small.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    radius = max(1, int(np.ceil(1.5 * max(h / small.shape[0], w / small.shape[1]))))
    size = (2 * radius + 1, 2 * radius + 1)
    band = cv2.dilate(((soft > 0) & (soft < 1)).astype(np.uint8), np.ones(size, np.uint8)) > 0
    if not band.any():
        return soft > 0.5
    guide = rgb.astype(np.float32) / 255

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, size)

    average, level = mean(guide)[band], mean(soft)[band]
    joint = np.stack([mean(guide[..., c] * soft)[band] for c in range(3)], axis=1) - average * level[:, None]
    spread = np.empty((len(level), 3, 3), np.float32)
    for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        spread[:, i, j] = spread[:, j, i] = mean(guide[..., i] * guide[..., j])[band] - average[:, i] * average[:, j]
    slope = np.zeros((h, w, 3), np.float32)
    offset = soft.copy()
    slope[band] = np.linalg.solve(spread + _EDGE_NOISE * np.eye(3, dtype=np.float32), joint[..., None])[..., 0]
    offset[band] = level - (slope[band] * average).sum(axis=1)
    found = (mean(slope) * guide).sum(axis=2) + mean(offset)
    return np.where((soft > 0) & (soft < 1), found > 0.5, soft > 0.5)
