"""Held-out completion targets: partly hidden objects, composed of pack files that nothing was trained on, all of it known.

Scenes follow PACO's Object Ensemble (Liu et al. 2024, section 4.4), with fewer objects and more overlap. Each gives one target:
a square crop with two regions, the target and all that is in front of it. What lies behind the target is left out.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from paco_core.data.packfile import read_pack
from paco_core.errors import BadInput
from paco_core.evaluation.cutout_drawing import SOLID, WHOLE, Placed, Window, drawn, over
from paco_core.evaluation.loose import loosened
from paco_core.evaluation.order import order_of_edges
from paco_core.evaluation.scenes import AmodalScene
from paco_core.masks import box_slices
from paco_core.types import Photo, Segmentation

SIDE_PX = 128
"""Of a crop, and of the pictures of the bank: what packs hold."""
TARGET_ID, FRONT_ID = 1, 2
OBJECTS = (2, 5)
"""Fewest and most in a scene."""
LONGEST = (0.22, 0.62)
"""An object's longest side, log-uniform. Lengths of scenes are shares of their canvas's side."""
CENTRES = (0.2, 0.8)
PULLED = 0.75
"""Share of the objects that are pulled over one that was placed before."""
NEAR = (0.15, 0.75)
"""Distance of a pulled object's centre from the other's, in means of their longest sides."""
TILT_DEG = 8.0
HIDDEN = (0.1, 0.8)
"""Share of a target that is hidden: less is hardly to be seen, and of more nobody could tell what it is."""
AROUND = 0.75
"""So far round the target's visible box, in its longer sides, the crop holds what is in front."""
LEAST_AROUND = 0.09
"""The same of the canvas, for small visible parts."""
ROOM = 1.06
"""Of the crop, so that nothing touches its border."""
SCOUT_PX = 64
"""Side at which it is decided which object becomes the target."""
LEAST_SEEN_PX = 24
"""Of a target's visible part at that size."""
TRIES = 500
"""Scenes looked at for a target; about one of two has one."""


@dataclass(frozen=True)
class HeldOut:
    """Whole objects to make targets of."""

    rgba: UInt8[np.ndarray, "n s s 4"]
    """Straight alpha; longest sides fill the square but for ``MARGIN_PX``."""
    names: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    """Indices of the pictures of each object; every object is drawn as often."""


def read_held_out(paths: Sequence[Path], skipped: list[str]) -> HeldOut:
    """Pack files, those for measuring too, as one stock of objects; sentences about empty pictures go to ``skipped``.

    Raises ``BadInput`` for what is no pack, and where fewer than two objects are left.
    """
    parts, names, groups = [], [], {}
    for path in dict.fromkeys(paths):
        items, pictures = read_pack(path, SIDE_PX, measuring=True)
        for item, picture in zip(items, pictures.transpose(0, 2, 3, 1), strict=True):
            if not (picture[..., 3] > 255 * SOLID).any():
                skipped.append(f"{path}: the picture {item['file']} shows nothing.")
                continue
            groups.setdefault(item["group"], []).append(len(names))
            names.append(item["name"] or item["category"])
            parts.append(picture)
    if len(groups) < 2:
        raise BadInput(f"Targets need at least two objects that hide each other; the packs hold {len(groups)}.")
    return HeldOut(np.stack(parts), tuple(names), tuple(map(tuple, groups.values())))


def target_scenes(stock: HeldOut, count: int, *, seed: int = 0, loose: bool = False) -> Iterator[AmodalScene]:
    """``count`` targets, one at a time; the first ones are the same for every count.

    Colours of hidden parts are known, depth is not. With ``loose`` the masks that methods are given are not exact
    (``paco_core.evaluation.loose``). Raises ``BadInput`` where the stock gives no target.
    """
    for number in range(count):
        scene = _target(stock, np.random.default_rng((seed, number)), f"target{number:04d}")
        yield loosened(scene, number) if loose else scene


def _target(stock: HeldOut, rng: np.random.Generator, name: str) -> AmodalScene:
    for _ in range(TRIES):
        placed = arranged(stock, rng)
        chosen = _chosen(stock, placed, rng)
        scene = None if chosen is None else _composed(stock, placed[: chosen[0] + 1], chosen[1], name)
        if scene is not None:
            return scene
    raise BadInput(f"Of {TRIES} scenes none has an object that is {HIDDEN[0]:.0%} to {HIDDEN[1]:.0%} hidden: take other packs.")


def arranged(stock: HeldOut, rng: np.random.Generator) -> list[Placed]:
    """A random scene, from front to back."""
    found: list[Placed] = []
    for _ in range(rng.integers(OBJECTS[0], OBJECTS[1] + 1)):
        longest = math.exp(rng.uniform(*np.log(LONGEST)))
        x, y = rng.uniform(*CENTRES, size=2)
        if found and rng.random() < PULLED:
            to = found[rng.integers(len(found))]
            away = rng.uniform(*NEAR) * (to.longest + longest) / 2
            angle = rng.uniform(0, 2 * math.pi)
            x, y = to.x + away * math.cos(angle), to.y + away * math.sin(angle)
        picture = rng.choice(stock.groups[rng.integers(len(stock.groups))])
        tilt = math.radians(rng.uniform(-TILT_DEG, TILT_DEG))
        found.append(Placed(int(picture), float(x), float(y), longest, tilt, bool(rng.random() < 0.5)))
    return [found[k] for k in rng.permutation(len(found))]


def _chosen(stock: HeldOut, placed: Sequence[Placed], rng: np.random.Generator) -> tuple[int, Window] | None:
    """One object that can be a target, any of those there are, and its crop."""
    masks = np.stack([_layer(stock, one, WHOLE, SCOUT_PX)[..., 3] > SOLID for one in placed])
    front = np.stack([masks[:k].any(axis=0) for k in range(len(masks))])
    seen = masks & ~front
    hidden = 1 - seen.sum(axis=(1, 2)) / np.maximum(masks.sum(axis=(1, 2)), 1)
    cut = masks[:, [0, -1]].any(axis=(1, 2)) | masks[:, :, [0, -1]].any(axis=(1, 2))
    good = (hidden >= HIDDEN[0]) & (hidden <= HIDDEN[1]) & (seen.sum(axis=(1, 2)) >= LEAST_SEEN_PX) & ~cut
    if not good.any():
        return None
    k = int(rng.choice(np.flatnonzero(good)))
    return k, crop_of(seen[k], front[k])


def crop_of(seen: Bool[np.ndarray, "s s"], front: Bool[np.ndarray, "s s"]) -> Window:
    """The square round a visible part, which must not be empty, and what is in front of it nearby."""
    rows, columns = box_slices(seen)
    longer = max(rows.stop - rows.start, columns.stop - columns.start)
    nearby = np.zeros_like(seen)
    nearby[box_slices(seen, round(max(AROUND * longer, LEAST_AROUND * len(seen))))] = True
    rows, columns = box_slices(seen | (front & nearby))
    side = ROOM * max(rows.stop - rows.start, columns.stop - columns.start) + 1
    left, top = (columns.start + columns.stop - side) / 2, (rows.start + rows.stop - side) / 2
    return Window(left / len(seen), top / len(seen), side / len(seen))


def _composed(stock: HeldOut, placed: Sequence[Placed], window: Window, name: str) -> AmodalScene | None:
    """The last of ``placed`` and all that is in front, on white; None where its share is another than at the scout's size."""
    layers = [_layer(stock, one, window, SIDE_PX) for one in placed]
    front = np.zeros_like(layers[0])
    for layer in layers[-2::-1]:
        front = over(layer, front)
    whole = layers[-1][..., 3] > SOLID
    hiding = np.stack([layer[..., 3] > SOLID for layer in layers[:-1]]).any(axis=0)
    seen = whole & ~hiding
    if not HIDDEN[0] < 1 - seen.sum() / max(whole.sum(), 1) <= HIDDEN[1]:
        return None
    rgb = _bytes(over(over(front, layers[-1]), np.ones_like(front)))[..., :3].copy()
    names = (stock.names[placed[-1].picture] or "object", "in front")
    regions = Segmentation((TARGET_ID, FRONT_ID), names, np.stack([seen, hiding]))
    alone = np.stack([_bytes(straight(layer)) for layer in (layers[-1], front)])
    photo = Photo(rgb, name, hashlib.sha256(rgb.tobytes()).hexdigest())
    order = order_of_edges(regions.ids, [(FRONT_ID, TARGET_ID)])
    return AmodalScene(photo, regions, np.stack([whole, hiding]), order, alone)


def _layer(stock: HeldOut, placed: Placed, window: Window, side_px: int) -> Float32[np.ndarray, "s s 4"]:
    return drawn(stock.rgba[placed.picture], placed, window, side_px)


def straight(layer: Float32[np.ndarray, "h w 4"]) -> Float32[np.ndarray, "h w 4"]:
    """Colours that were times alpha, as they are."""
    colour = layer[..., :3] / np.maximum(layer[..., 3:], 1e-3)
    return np.concatenate([colour, layer[..., 3:]], axis=-1)


def _bytes(picture: Float32[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h w 4"]:
    return np.rint(255 * picture.clip(0, 1)).astype(np.uint8)
