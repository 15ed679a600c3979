"""Which names are stuff: what has an extent but no shape of its own (sky, grass, wall). Stuff is background, never an object."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8

FLOOR, STANDING, SKY = 1, 2, 3
"""Kinds of stuff in ``Segmentation.stuff``: what things stand on; walls, houses, trees; sky. 0 is what no mask tells."""
_COCO_MARK = re.compile(r"-(?:other|merged|stuff)\b")
"""How COCO's panoptic and stuff labels end (``wall-other-merged``, ``door-stuff``); things' names never do."""
_MATERIAL = frozenset("brick concrete glass marble metal panel plaster stone tile tiles wood wooden".split())
"""``wall-brick``, ``floor-wood``: COCO puts the material last, where English has what a thing is."""
_SKY = frozenset("sky cloud".split())
_LEVEL = frozenset(
    "floor flooring ground terrain earth land soil dirt mud sand gravel grass lawn meadow field playingfield court road street "
    "route highway lane path track runway railroad sidewalk pavement asphalt water sea ocean lake river pond beach shore snow "
    "rug carpet mat platform ice".split()
)
_UPRIGHT = frozenset(
    "wall ceiling vegetation forest woods mountain hill tree bush house building fence window door curtain cabinet shelf "
    "bridge roof mirror skyscraper".split()
)
"""``floor`` counts before ``wall``: a "wooden floor" is none."""
_PLACE = frozenset("left right front back rear upper lower far near".split())
_STUFF = frozenset(
    "background backdrop void ignore unlabeled unlabelled sky cloud wall ceiling floor flooring ground terrain earth land soil "
    "dirt mud sand gravel grass lawn meadow field playingfield court vegetation forest woods mountain hill horizon road street "
    "route highway lane path track runway railroad sidewalk pavement asphalt water sea ocean lake river pond beach shore "
    "snow".split()
)
"""Common to the stuff classes of COCO-Stuff, ADE20K and Cityscapes, less what people cut out as an object (trees, houses,
fences, windows, tables, rugs): those are stuff only where the file marks them so."""
_CUT = re.compile(r"\b(?:with|of|on|in|for|from|and|under|behind|next|near|at|without|full)\b|[,;(/]")


def is_stuff(name: str) -> bool:
    """Whether ``name`` names background: ``"blue sky"``, ``"wall 2"``, ``"wall-other-merged"``; not ``"wall clock"``.

    The last word of the first clause decides, as English has it. A file's own mark (``isthing``, ``isStuff``) counts more
    than this; ask here where there is none.
    """
    text = name.lower().replace("_", " ").strip()
    if _COCO_MARK.search(text):
        return True
    words = re.findall(r"[a-z]+", _CUT.split(text)[0])
    while len(words) > 1 and (words[-1] in _PLACE or ("-" in text and words[-1] in _MATERIAL)):
        words.pop()
    return bool(words) and (words[-1] in _STUFF or _singular(words[-1]) in _STUFF)


def stuff_kind(name: str) -> int:
    """``FLOOR``, ``STANDING`` or ``SKY`` for the name of stuff; 0 where the name does not tell: a table may be either."""
    words = re.findall(r"[a-z]+", _CUT.split(name.lower().replace("_", " "))[0])
    for kind, members in ((SKY, _SKY), (FLOOR, _LEVEL), (STANDING, _UPRIGHT)):
        if any(word in members or _singular(word) in members for word in words):
            return kind
    return 0


def stuff_map(names: Sequence[str], masks: Bool[np.ndarray, "n h w"]) -> UInt8[np.ndarray, "h w"] | None:
    """The kind of stuff in every pixel, 0 where none of these masks is or where they disagree; None where nothing is told."""
    kinds = np.zeros(masks.shape[1:], np.uint8)
    told = np.zeros(masks.shape[1:], bool)
    for name, mask in zip(names, masks, strict=True):
        if kind := stuff_kind(name):
            kinds = np.where(mask, np.where(told & (kinds != kind), 0, kind), kinds).astype(np.uint8)
            told |= mask
    return kinds if kinds.any() else None


def _singular(word: str) -> str:
    return word[:-3] + "y" if word.endswith("ies") else word.removesuffix("s")
