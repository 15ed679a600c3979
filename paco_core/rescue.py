"""What is done when a method fails: as plain as can be, so that nothing of it can fail in turn."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from paco_core.camera import pixel_rays, up_of_pitch
from paco_core.errors import BadInput, MissingDependency, error_text
from paco_core.types import Background, Camera, CompleteObject, DepthMap, OcclusionEdge, Photo, Segmentation

log = logging.getLogger(__name__)

PITCH_DEG = 12.0
"""A hand-held photo looks slightly down."""
FAR = 10.0
"""Where the floor ends, in camera heights: 15 m for a person who stands."""


def level_floor(camera: Camera) -> DepthMap:
    """Relative depth of an empty level floor that ends at a wall; unit: the camera's height."""
    below = -pixel_rays(camera) @ up_of_pitch(PITCH_DEG)
    z = np.where(below > 1 / FAR, 1 / np.maximum(below, 1 / FAR), FAR).astype(np.float32)
    return DepthMap(z, np.ones(z.shape, bool), "relative", "level floor")


class NobodyInFront:
    """Protocol ``OrderPredictor`` for which nothing hides anything: what the user says is all there is."""

    name = "none"

    def order(self, photo: Photo, segmentation: Segmentation, depth: DepthMap) -> tuple[OcclusionEdge, ...]:
        """No edge."""
        return ()


def mean_background(photo: Photo, objects: tuple[CompleteObject, ...], segmentation: Segmentation) -> Background:
    """The photo with its objects painted over in the mean colour of the rest."""
    hole = np.asarray(segmentation.masks.any(axis=0))
    rgb = photo.rgb.copy()
    rgb[hole] = photo.rgb[~hole].mean(axis=0).astype(np.uint8) if not hole.all() else 128
    return Background(rgb, hole, "mean colour")


@contextmanager
def surviving(what: str, sentences: list[str]) -> Iterator[None]:
    """End the block where a mistake ends it, and go on: ``sentences`` gets what failed and why. ``BadInput`` is still raised."""
    try:
        yield
    except (BadInput, MissingDependency):
        raise
    except Exception as error:  # one object, or one picture, must not cost the photo
        sentence = f"{what}: {error_text(error)}"
        log.warning("%s", sentence, exc_info=True)
        sentences.append(sentence)
