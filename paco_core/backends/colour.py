"""The embedded segmenter: objects by a box, by points, or by standing out, from colours and edges alone."""

from dataclasses import replace
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.sparse.csgraph import dijkstra

from paco_core.backends.cutout import Guess, Window, cut_out, window_around
from paco_core.backends.regions import RegionTree, best_cut, grow_regions, measure
from paco_core.backends.salience import standing_out
from paco_core.prompts import Point, Prompt
from paco_core.types import DepthMap, Photo

REGION_SIDE_PX = 480
"""Regions are grown at this size: a third of a second, and edges come from the cut that follows."""
BOX_ODDS = 2.4
"""Log-odds of the middle of a box to be the object; 0 on the curve that fills 94 % of it. Of masks in 640 px photos the middle
third of the box is object in 86 %, the corners in a quarter."""
BOX_ROUNDNESS = 3.0
"""2 is an ellipse, more comes closer to the box."""
REGION_ODDS = 2.0
"""Log-odds of a pixel well inside a region to be the object."""
SOFT_SHARE = 0.15
"""Of the square root of a region's area: so far from its edge a pixel counts as well inside or outside."""
POINT_RADIUS = 0.006
"""Of the photo's longer side: a finger means at least that much."""


POINT_SHARE, SMALLER, LARGER = 0.04, 1.5, 1.2
"""Things that people point at: 4 % of the photo; by standard deviations a fifth to three times as much."""
LIKENESS_ODDS, LIKENESS = 3.0, 10.0
"""Log-odds of what looks like a point's surroundings, and at which difference (Lab units along the way) it looks different."""
BETWEEN_ODDS, SPREAD = 3.0, 0.7
"""Log-odds between the points of one object, and after which part of their largest distance that turns into its opposite."""
TOGETHER = 1.3
"""Power by which a region that holds several points is preferred to one for each."""


class ColourSegmenter:
    """One per photo or many: keeps nothing."""

    name = "colour"

    def cut(self, photo: Photo, prompts: tuple[Prompt, ...]) -> Bool[np.ndarray, "n h w"]:
        """A mask for every prompt; it holds the prompt's points, and lies in its box."""
        scene = _Scene(photo)
        masks = np.zeros((len(prompts), *photo.hw), bool)
        for k, prompt in enumerate(prompts):
            others = tuple(p for other in prompts if other is not prompt for p in other.inside)
            masks[k] = _cut_prompt(scene, prompt, others)
        return masks

    def find(self, photo: Photo, depth: DepthMap | None) -> Bool[np.ndarray, "n h w"]:
        """Masks of what stands out, the largest first; none where nothing does."""
        scene = _Scene(photo)
        found = standing_out(scene.tree, None if depth is None else _inverse_depth(depth, scene.tree.labels.shape))
        masks = [cut_out(photo.rgb, _guess_by_region(scene, region)) for region in found]
        return np.stack(masks) if masks else np.zeros((0, *photo.hw), bool)


class _Scene:
    """A photo and, once somebody asks, its regions."""

    def __init__(self, photo: Photo) -> None:
        self.photo = photo
        self.factor = min(1.0, REGION_SIDE_PX / max(photo.hw))

    @cached_property
    def tree(self) -> RegionTree:
        h, w = (max(1, round(side * self.factor)) for side in self.photo.hw)
        return grow_regions(cv2.resize(self.photo.rgb, (w, h), interpolation=cv2.INTER_AREA))

    @cached_property
    def members(self) -> Bool[np.ndarray, "m n"]:
        return self.tree.members()

    def leaves(self, points: tuple[Point, ...]) -> Int64[np.ndarray, " k"]:
        """The superpixels under these points."""
        h, w = self.tree.labels.shape
        rows = [min(h - 1, int(y / self.photo.hw[0] * h)) for _, y in points]
        columns = [min(w - 1, int(x / self.photo.hw[1] * w)) for x, _ in points]
        return self.tree.labels[rows, columns].astype(np.int64)


def _cut_prompt(scene: _Scene, prompt: Prompt, others: tuple[Point, ...]) -> Bool[np.ndarray, "h w"]:
    """Points of other objects are not this one, unless this one has a point there, too."""
    outside = prompt.outside + tuple(p for p in others if _clear_of(p, prompt.inside, scene.photo.hw))
    guess = _guess_by_box(prompt.box, scene.photo.hw) if prompt.box else _guess_by_points(scene, prompt, outside)
    if outside:
        guess = replace(
            guess, odds=guess.odds + _at(_odds_by_likeness(scene, prompt.inside, outside), guess.window, scene.photo.hw)
        )
    guess = _pin(guess, prompt.inside, outside, scene.photo.hw)
    mask = cut_out(scene.photo.rgb, guess)
    if prompt.box is not None:
        x0, y0, x1, y1 = (round(v) for v in prompt.box)
        inside = np.zeros_like(mask)
        inside[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = True
        mask = mask & inside if (mask & inside).any() else inside  # a box of a few pixels: all of it
    for given, value in ((prompt.outside, False), (prompt.inside, True)):
        for x, y in given:
            mask[int(y), int(x)] = value
    return mask


def _clear_of(point: Point, own: tuple[Point, ...], hw: tuple[int, int]) -> bool:
    apart = 4 * POINT_RADIUS * max(hw)
    return all((point[0] - x) ** 2 + (point[1] - y) ** 2 > apart**2 for x, y in own)


def _guess_by_box(box: tuple[float, float, float, float], hw: tuple[int, int]) -> Guess:
    """Most likely in the middle; nothing is outside of the box."""
    window = window_around(box, hw)
    x, y = window.centres()
    u, v = (np.abs(2 * (at - low) / (high - low) - 1) for at, low, high in ((x, box[0], box[2]), (y, box[1], box[3])))
    never = (u > 1) | (v > 1)
    distance = (np.minimum(u, 9) ** BOX_ROUNDNESS + np.minimum(v, 9) ** BOX_ROUNDNESS) ** (1 / BOX_ROUNDNESS)
    if never.all():  # a box of less than a small pixel
        never = distance > distance.min()
    return Guess(window, (BOX_ODDS * (1 - distance)).astype(np.float32), never, np.zeros(window.hw, bool))


def _guess_by_points(scene: _Scene, prompt: Prompt, outside: tuple[Point, ...]) -> Guess:
    """The regions that hold the points, and of those around each point the one that is set off best."""
    members, leaves = scene.members, scene.leaves(prompt.inside)
    barred = np.setdiff1d(scene.leaves(outside), leaves) if outside else np.empty(0, np.int64)
    held = members[:, leaves].sum(axis=1)
    worth = _set_off(scene.tree, members) * held.astype(np.float64) ** TOGETHER
    worth[members[:, barred].any(axis=1)] = 0
    worth[leaves] = np.maximum(worth[leaves], 1e-9)  # a superpixel with a point is better than nothing
    region = np.logical_or.reduce(members[best_cut(scene.tree, worth)], axis=0)
    return _guess_by_region(scene, region, prompt.inside, one_piece=True)


def _set_off(tree: RegionTree, members: Bool[np.ndarray, "m n"]) -> Float64[np.ndarray, " m"]:
    """How well every region is set off from what lies around it, and how likely an object has its size."""
    shapes = measure(tree, members)
    away = np.log(shapes.share / POINT_SHARE)
    size = np.exp(-0.5 * (away / np.where(away > 0, LARGER, SMALLER)) ** 2)
    return shapes.contrast * size * (1 - shapes.on_frame) * shapes.roundness**2


def _guess_by_region(
    scene: _Scene, region: Bool[np.ndarray, " n"], points: tuple[Point, ...] = (), *, one_piece: bool = False
) -> Guess:
    """Most likely well inside of the region, and between the points; less likely the farther outside."""
    mask = region[scene.tree.labels]
    soft = SOFT_SHARE * np.sqrt(mask.sum())
    inside, outside = (cv2.distanceTransform(m.astype(np.uint8), cv2.DIST_L2, 5) for m in (mask, ~mask))
    odds = REGION_ODDS * np.clip((inside - outside) / soft, -1, 1).astype(np.float32)
    if len(points) > 1:
        odds += _odds_between(points, scene.photo.hw, mask.shape)
        mask = mask | (odds > 0)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = scene.photo.hw[1] / mask.shape[1], scene.photo.hw[0] / mask.shape[0]
    window = window_around((columns[0] * x, rows[0] * y, (columns[-1] + 1) * x, (rows[-1] + 1) * y), scene.photo.hw)
    at_photo = _at(odds, window, scene.photo.hw)
    return Guess(window, at_photo, np.zeros(window.hw, bool), np.zeros(window.hw, bool), one_piece)


def _odds_between(points: tuple[Point, ...], photo_hw: tuple[int, int], hw: tuple[int, int]) -> Float32[np.ndarray, "h w"]:
    """Most things bulge: high between the points (their convex hull), low farther away than the points are apart."""
    at = np.array(points) * (hw[1] / photo_hw[1], hw[0] / photo_hw[0])
    reach = SPREAD * max(float(np.linalg.norm(at[:, None] - at[None], axis=2).max()), 0.02 * max(hw))
    hull = cv2.convexHull(np.clip(at, 0, (hw[1] - 1, hw[0] - 1)).astype(np.int32))
    far = cv2.fillConvexPoly(np.ones(hw, np.uint8), hull, 0)
    distance = cv2.distanceTransform(far, cv2.DIST_L2, 5)
    return (BETWEEN_ODDS * np.clip(1 - 2 * distance / reach, -1, 1)).astype(np.float32)


def _odds_by_likeness(scene: _Scene, inside: tuple[Point, ...], outside: tuple[Point, ...]) -> Float32[np.ndarray, "h w"]:
    """What a point is connected with without a change of colour goes with it (after Price, Morse, Cohen 2010)."""
    odds = np.zeros(scene.tree.count)
    leaves = scene.leaves(inside)
    barred = np.setdiff1d(scene.leaves(outside), leaves)
    for seeds, sign in ((leaves, 1.0), (barred, -1.0)):
        if len(seeds):
            far = dijkstra(scene.tree.steps(), directed=False, indices=seeds, min_only=True)
            odds += sign * LIKENESS_ODDS * np.exp(-0.5 * (far / LIKENESS) ** 2)
    return odds[scene.tree.labels].astype(np.float32)


def _at(values: Float32[np.ndarray, "h w"], window: Window, photo_hw: tuple[int, int]) -> Float32[np.ndarray, "sh sw"]:
    """Values of the whole picture, at the pixels of a window."""
    x, y = window.centres()
    columns = (x * values.shape[1] / photo_hw[1] - 0.5).astype(np.float32)
    rows = (y * values.shape[0] / photo_hw[0] - 0.5).astype(np.float32)
    grid = [np.ascontiguousarray(np.broadcast_to(v, window.hw)) for v in (columns, rows)]
    return cv2.remap(values, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _pin(guess: Guess, inside: tuple[Point, ...], outside: tuple[Point, ...], hw: tuple[int, int]) -> Guess:
    """With discs around the points that are, and are not, the object."""
    x, y = guess.window.centres()
    radius = max(POINT_RADIUS * max(hw), np.hypot(x[0, 0] - guess.window.box[0], y[0, 0] - guess.window.box[1]))

    def discs(points: tuple[Point, ...]) -> Bool[np.ndarray, "h w"]:
        found = np.zeros(guess.window.hw, bool)
        for px, py in points:
            found |= (x - px) ** 2 + (y - py) ** 2 <= radius**2
        return found

    always = discs(inside) & ~(guess.never if guess.never.any() else np.zeros_like(guess.never))
    never = guess.never | discs(outside) & ~always
    return Guess(guess.window, guess.odds, never, always, guess.one_piece or bool(always.any()))


def _inverse_depth(depth: DepthMap, hw: tuple[int, int]) -> Float32[np.ndarray, "h w"]:
    """1/z at the regions' size; NaN where nothing is known."""
    inverse = np.where(depth.valid, 1 / np.maximum(depth.z, 1e-6), np.nan).astype(np.float32)
    return cv2.resize(inverse, hw[::-1], interpolation=cv2.INTER_NEAREST)
