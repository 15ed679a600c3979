"""Scenes of which the hidden parts are known: what completion and order are measured on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from paco_core.evaluation.order import Order
from paco_core.types import Camera, DepthMap, Photo, Segmentation


@dataclass(frozen=True)
class AmodalScene:
    """A photo and the truth about its objects."""

    photo: Photo
    segmentation: Segmentation
    """The visible masks, as methods are given them; one may be empty, where an object is wholly hidden."""
    amodal: Bool[np.ndarray, "n h w"]
    """The whole masks inside the frame, in the order of ``segmentation.ids``."""
    order: Order
    """Who truly hides whom."""
    alone: UInt8[np.ndarray, "n h w 4"] | None = None
    """Each object without the others in front of it, straight alpha; None where no photo shows that."""
    depth: DepthMap | None = None
    camera: Camera | None = None
    visible: Bool[np.ndarray, "n h w"] | None = None
    """What is truly visible; None where the masks of ``segmentation`` are exact."""

    @property
    def seen(self) -> Bool[np.ndarray, "n h w"]:
        """What is truly visible."""
        return self.segmentation.masks if self.visible is None else self.visible
