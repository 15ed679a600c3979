"""Objects without masks: those that somebody points at, or, with nothing at all, those that stand out."""

import logging
from dataclasses import replace

import numpy as np

from paco_core.backends.base import Segmenter
from paco_core.errors import BadInput
from paco_core.prompts import Prompt
from paco_core.types import DepthMap, Photo, Segmentation

log = logging.getLogger(__name__)

GIVEN = "given masks"
PROMPTED = "cut out by boxes and points"
GUESSED = "guessed by colour alone, without knowing what things are; for better ones give --masks, --box or --point"


def find_objects(
    photo: Photo, given: Segmentation, prompts: tuple[Prompt, ...], segmenter: Segmenter, depth: DepthMap | None = None
) -> Segmentation:
    """The given objects and those of the prompts; with neither, what stands out, which is said.

    New objects get the next free ids; without a name they are called "object 3". Masks may overlap: ``segment`` settles that.
    Raises ``BadInput`` when there is nothing to go by and nothing stands out.
    """
    if prompts:
        return _added(given, segmenter.cut(photo, prompts), tuple(prompt.name for prompt in prompts))
    if given.ids:
        return given
    masks = segmenter.find(photo, depth)
    if not len(masks):
        raise BadInput(
            "Nothing in this photo stands out by its colours, so no object can be guessed. Give --masks, or point at the "
            'objects: --box "cup=120,80,340,300" or --point "cup=200,150" (docs/inputs.md).'
        )
    log.warning("%d object%s, %s.", len(masks), "" if len(masks) == 1 else "s", GUESSED)
    return _added(given, masks, ("",) * len(masks))


def _added(given: Segmentation, masks: np.ndarray, names: tuple[str, ...]) -> Segmentation:
    first = max(given.ids, default=0) + 1
    ids = tuple(range(first, first + len(masks)))
    called = tuple(name or f"object {i}" for i, name in zip(ids, names, strict=True))
    return replace(given, ids=given.ids + ids, names=given.names + called, masks=np.concatenate([given.masks, masks]))
