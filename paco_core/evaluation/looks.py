"""Completed objects in the eyes of a feature extractor: how near each comes to the truth, and what sets of them are made of."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from paco_core.evaluation.amodal import OCCLUDED, score_mask
from paco_core.evaluation.colour import LEAST_PX
from paco_core.evaluation.crops import Square, on_white, square_of
from paco_core.evaluation.features import FeatureExtractor
from paco_core.evaluation.perceptual import perceptual_distance, weights_of
from paco_core.evaluation.scenes import AmodalScene

Vector = Float32[np.ndarray, " d"]
BATCH = 8
"""Pictures at once: a network's maps of one 256 px picture have some 10 MB."""


@dataclass(frozen=True)
class Look:
    """One object."""

    distance: float
    """Perceptual distance inside the hidden part, to the true picture; NaN where that is not known, or next to nothing hidden."""
    made: Vector | None
    """Of the completed object on white; None for objects that are not occluded: they would flatter."""
    real: Vector | None
    """Of a real object to compare sets with: the same one where its true picture is known, else one that nothing hides."""


@dataclass(frozen=True)
class Subject:
    """An object's truth, looked at once for all methods."""

    index: int
    square: Square
    hidden: Bool[np.ndarray, "h w"] | None
    """None where colours are not known, or next to nothing is hidden."""
    maps: list[np.ndarray]
    """Of the true picture; empty where ``hidden`` is None."""
    occluded: bool
    real: Vector | None


def look_at_truth(extractor: FeatureExtractor, scene: AmodalScene) -> tuple[Subject, ...]:
    """What is looked at in a scene: objects of which something is hidden and, where no true picture exists, the others."""
    found = []
    for k, (seen, whole) in enumerate(zip(scene.seen, scene.amodal, strict=True)):
        hidden, occluded = whole & ~seen, score_mask(seen, whole, seen).hidden_share > OCCLUDED
        if not whole.any():
            continue
        square = square_of(whole)
        rgb = scene.photo.rgb if scene.alone is None else np.ascontiguousarray(scene.alone[k, ..., :3])
        picture = on_white(rgb, whole, square)[None]
        measured = scene.alone is not None and hidden.sum() >= LEAST_PX
        comparable = occluded if scene.alone is not None else not occluded
        real = extractor.pooled(picture)[0] if comparable else None
        maps = [stage[0] for stage in extractor.maps(picture)] if measured else []
        found.append(Subject(k, square, hidden if measured else None, maps, occluded, real))
    return tuple(s for s in found if s.occluded or s.hidden is not None or s.real is not None)


def look(
    extractor: FeatureExtractor,
    scene: AmodalScene,
    subjects: tuple[Subject, ...],
    masks: Bool[np.ndarray, "n h w"],
    rgb: UInt8[np.ndarray, "n h w 3"],
) -> dict[int, Look]:
    """A method's objects, by index. Sets are made of the object as the method would hand it out, its own mask included; the
    distance is about colours alone: what is invented stands within the true mask, as for PSNR.
    """
    measured = [s for s in subjects if s.hidden is not None]
    pasted = [on_white(_pasted(scene, s, rgb), scene.amodal[s.index], s.square) for s in measured]
    distances = {
        s.index: perceptual_distance(maps, s.maps, s.hidden, s.square, weights_of(extractor))
        for s, maps in zip(measured, _maps(extractor, pasted), strict=True)
        if s.hidden is not None
    }
    occluded = [s for s in subjects if s.occluded]
    vectors = _pooled(extractor, [on_white(rgb[s.index], masks[s.index], s.square) for s in occluded])
    made = {s.index: vector for s, vector in zip(occluded, vectors, strict=True)}
    return {s.index: Look(distances.get(s.index, math.nan), made.get(s.index), s.real) for s in subjects}


def _pasted(scene: AmodalScene, subject: Subject, rgb: UInt8[np.ndarray, "n h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The true picture with the hidden part as it was invented: what is seen is a copy, and the same for every method."""
    assert subject.hidden is not None
    assert scene.alone is not None
    return np.where(subject.hidden[..., None], rgb[subject.index], scene.alone[subject.index, ..., :3])


def _maps(extractor: FeatureExtractor, pictures: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Per picture one array per stage."""
    found: list[list[np.ndarray]] = []
    for batch in _batches(pictures):
        stages = extractor.maps(batch)
        found += [[stage[k] for stage in stages] for k in range(len(batch))]
    return found


def _pooled(extractor: FeatureExtractor, pictures: list[np.ndarray]) -> list[Vector]:
    return [vector for batch in _batches(pictures) for vector in extractor.pooled(batch)]


def _batches(pictures: list[np.ndarray]) -> Iterator[UInt8[np.ndarray, "n h w 3"]]:
    for start in range(0, len(pictures), BATCH):
        yield np.stack(pictures[start : start + BATCH])
