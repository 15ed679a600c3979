"""Which names are stuff: what has an extent but no shape of its own (sky, grass, wall). Stuff is background, never an object."""

import re

_COCO_MARK = re.compile(r"-(?:other|merged|stuff)\b")
"""How COCO's panoptic and stuff labels end (``wall-other-merged``, ``door-stuff``); things' names never do."""
_MATERIAL = frozenset("brick concrete glass marble metal panel plaster stone tile tiles wood wooden".split())
"""``wall-brick``, ``floor-wood``: COCO puts the material last, where English has what a thing is."""
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


def _singular(word: str) -> str:
    return word[:-3] + "y" if word.endswith("ies") else word.removesuffix("s")
