"""What flows through the 2D half: frozen nouns with shapes, units and frame under every field.

Frames are those of CONVENTIONS.md. ``h w`` is the photo's size, ``n`` the number of objects, ``ch cw`` a crop's size.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, UInt8

DepthKind = Literal["metric", "relative"]
Side = Literal["left", "right", "top", "bottom"]


@dataclass(frozen=True)
class Photo:
    """One photo, upright (EXIF orientation applied), sRGB."""

    rgb: UInt8[np.ndarray, "h w 3"]
    name: str
    """Stem of the file's name; used for names of files that are written."""
    sha256: str
    """Of the file's bytes: the identity of the photo in caches and in the exported scene."""
    focal_35mm: float | None = None
    """EXIF FocalLengthIn35mmFilm, where the file has it."""

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.rgb.shape[0], self.rgb.shape[1]


@dataclass(frozen=True)
class Segmentation:
    """The visible part of every object. After ``segment`` the masks are disjoint and none is empty."""

    ids: tuple[int, ...]
    """Positive and unique; position in this tuple is the index into ``masks``."""
    names: tuple[str, ...]
    masks: Bool[np.ndarray, "n h w"]
    stuff: UInt8[np.ndarray, "h w"] | None = None
    """What is seen around the objects, where the user's masks tell it (``paco_core.stuff``: floor, standing, sky; 0 not told)."""

    def mask(self, object_id: int) -> Bool[np.ndarray, "h w"]:
        """The visible mask of one object."""
        return self.masks[self.ids.index(object_id)]

    def name(self, object_id: int) -> str:
        """The name of one object."""
        return self.names[self.ids.index(object_id)]


@dataclass(frozen=True)
class Camera:
    """Pinhole camera of the photo, OpenCV axes (x right, y down, z forward); pixel centres lie at +0.5."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    source: str = "default"
    """Where the intrinsics come from: ``user``, ``calibration``, ``exif``, ``default`` …"""

    @property
    def K(self) -> Float[np.ndarray, "3 3"]:
        """Intrinsic matrix, px."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])


@dataclass(frozen=True)
class DepthMap:
    """Distance along the optical axis (camera +z) for every pixel of one photo."""

    z: Float32[np.ndarray, "h w"]
    """Metres when ``kind`` is ``"metric"``, else an unknown unit (one global factor); finite and > 0 where valid."""
    valid: Bool[np.ndarray, "h w"]
    """False where there is no opinion (sky, glass, holes of a sensor)."""
    kind: DepthKind
    source: str
    """Name of the method, e.g. ``geometric`` or ``file``."""
    up: Float64[np.ndarray, "3"] | None = None
    """Unit vector against gravity, camera axes, where the map was made from a floor one unit below the camera."""


@dataclass(frozen=True)
class OcclusionEdge:
    """``front`` hides a part of ``behind``."""

    front: int
    behind: int
    weight: float
    """Confidence × √(contact length in px); infinite when the user said so."""
    contact_px: int
    reason: str
    """``depth``, ``convexity``, ``area`` or ``user``."""


@dataclass(frozen=True)
class OcclusionGraph:
    """Who hides whom. ``edges`` have no cycle; layer 0 is hidden by nobody."""

    ids: tuple[int, ...]
    edges: tuple[OcclusionEdge, ...]
    dropped: tuple[OcclusionEdge, ...]
    """Edges that were removed to break cycles, weakest first; reported to the user."""
    layers: tuple[int, ...]
    """Layer of each id: 0, or 1 + the largest layer among its occluders."""

    def layer(self, object_id: int) -> int:
        """The layer of one object."""
        return self.layers[self.ids.index(object_id)]

    def occluders(self, object_id: int) -> frozenset[int]:
        """Everything in front of an object, through any number of steps (its ancestors)."""
        found: set[int] = set()
        frontier = {object_id}
        while frontier:
            frontier = {e.front for e in self.edges if e.behind in frontier} - found
            found |= frontier
        return frozenset(found)


@dataclass(frozen=True)
class CompleteObject:
    """One object with its hidden parts completed, as a crop of a canvas that may be larger than the photo."""

    id: int
    name: str
    rgba: UInt8[np.ndarray, "ch cw 4"]
    """Straight alpha; alpha is the (soft) amodal mask. Original pixels wherever the object is visible."""
    visible: Bool[np.ndarray, "ch cw"]
    """The part that the photo shows."""
    box_xyxy: tuple[int, int, int, int]
    """Where the crop lies in the photo, px; may leave the photo when the object is cut by its border."""
    layer: int
    truncated: tuple[Side, ...]
    """Sides of the photo that cut the object."""
    mask_method: str
    fill_method: str
    fallback: str | None = None
    """Why a simpler method had to be used, or None."""

    @property
    def amodal(self) -> Bool[np.ndarray, "ch cw"]:
        """The whole object's mask, hidden part included."""
        return self.rgba[..., 3] > 127

    @property
    def generated(self) -> Bool[np.ndarray, "ch cw"]:
        """What was invented: inside the amodal mask, not visible in the photo."""
        return self.amodal & ~self.visible

    @property
    def hidden_fraction(self) -> float:
        """Share of the amodal area that the photo does not show."""
        return float(self.generated.sum() / max(int(self.amodal.sum()), 1))


@dataclass(frozen=True)
class Background:
    """The photo without its objects."""

    rgb: UInt8[np.ndarray, "h w 3"]
    generated: Bool[np.ndarray, "h w"]
    """Where the content was invented."""
    method: str


@dataclass(frozen=True)
class Deocclusion:
    """Everything that the 2D half knows about one photo."""

    photo: Photo
    segmentation: Segmentation
    camera: Camera
    depth: DepthMap
    occlusion: OcclusionGraph
    objects: tuple[CompleteObject, ...]
    background: Background
