"""The Protocols that the 2D stages know. Embedded methods and networks implement the same ones."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8

from paco_core.prompts import Prompt
from paco_core.types import Camera, DepthMap, OcclusionEdge, Photo, Segmentation, Side


@runtime_checkable
class DepthEstimator(Protocol):
    """Depth of every pixel from one photo."""

    name: str

    def estimate(self, photo: Photo, segmentation: Segmentation, camera: Camera) -> DepthMap:
        """Return z-depth; ``relative`` unless the unit is really metres."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """Masks of objects from a photo: of those that somebody points at, or of all that there are."""

    name: str

    def cut(self, photo: Photo, prompts: tuple[Prompt, ...]) -> Bool[np.ndarray, "n h w"]:
        """A mask for every prompt, in the same order: none is empty, its points are in it or not, its box holds it."""
        ...

    def find(self, photo: Photo, depth: DepthMap | None) -> Bool[np.ndarray, "n h w"]:
        """Masks of the objects that can be told without any hint; they may overlap; none (n = 0) when there is nothing."""
        ...


@runtime_checkable
class OrderPredictor(Protocol):
    """Pairwise occlusion order of objects that touch."""

    name: str

    def order(self, photo: Photo, segmentation: Segmentation, depth: DepthMap) -> tuple[OcclusionEdge, ...]:
        """One edge per touching pair, in any order; cycles are allowed here and are broken by the stage."""
        ...


@dataclass(frozen=True)
class CompletionTarget:
    """What a completer sees of one object: a crop of the padded canvas."""

    id: int
    name: str
    rgb: UInt8[np.ndarray, "ch cw 3"]
    """The photo's pixels; mid grey outside the photo."""
    visible: Bool[np.ndarray, "ch cw"]
    occluder: Bool[np.ndarray, "ch cw"]
    """Where the object may continue unseen: pixels of everything in front of it, and, on a side where the photo's border
    cuts the object, the canvas beyond that border. The amodal mask may only claim ``visible | occluder``."""
    origin_xy: tuple[int, int] = (0, 0)
    """Where the crop's top left pixel lies on the photo; negative beyond its left or top side."""
    truncated: tuple[Side, ...] = ()
    beyond: Bool[np.ndarray, "ch cw"] | None = None
    """The part of ``occluder`` that lies outside the photo; None: nothing does."""
    gaps: Bool[np.ndarray, "ch cw"] | None = None
    """The part of ``occluder`` that is nobody's: slits between masks, which tell how exactly they are drawn. None: there are
    none."""
    mixed: Bool[np.ndarray, "ch cw"] | None = None
    """Visible pixels along an occluder, whose colour is mixed with it: no source for colours, and repainted from
    ``Completion.rgb``. None: there are none."""


@dataclass(frozen=True)
class Completion:
    """A completer's answer, same crop as its target."""

    rgb: UInt8[np.ndarray, "ch cw 3"]
    """Appearance; only ``amodal & ~visible`` and the target's ``mixed`` pixels are read."""
    amodal: Bool[np.ndarray, "ch cw"]
    mask_method: str
    fill_method: str
    fallback: str | None = None
    """Why a plainer method than the completer's own had to do, or None."""


@runtime_checkable
class Completer(Protocol):
    """Completes all objects of one depth layer together (PACO, section 4.3)."""

    name: str

    def complete_layer(self, targets: tuple[CompletionTarget, ...], *, seed: int = 0) -> tuple[Completion, ...]:
        """One completion per target, in the same order. Raises ``ObjectFailed`` when it can't."""
        ...


@runtime_checkable
class LayersCompleter(Completer, Protocol):
    """A completer that gains from having all layers of a photo at once: they do not depend on each other."""

    def complete_layers(
        self, layers: tuple[tuple[CompletionTarget, ...], ...], *, seed: int = 0
    ) -> tuple[tuple[Completion, ...], ...]:
        """What ``complete_layer`` answers for each layer, in the same order. Raises ``ObjectFailed`` when it can't."""
        ...


@runtime_checkable
class BackgroundFiller(Protocol):
    """Removes what is under a mask from a picture."""

    name: str

    def fill(self, rgb: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
        """Return the picture with invented content in the hole; pixels outside the hole come back unchanged."""
        ...


InpaintStrategy = Literal["hidden part", "grey occluder", "whole occluder"]
"""What an inpainter is asked for (PACO, section 5.3): to paint what is hidden (Figure 8 a), the same where what hides it was made
grey (b), or all of what hides it (c)."""


@runtime_checkable
class Inpainter(Protocol):
    """Paints holes of a picture. It may know nothing of objects: ``paco_core.inpainting`` says what is asked of it."""

    name: str
    strategies: tuple[InpaintStrategy, ...]
    """The ways of asking it that make sense; with masks that are not the true ones the last is taken."""

    def paint(self, target: CompletionTarget, hole: Bool[np.ndarray, "ch cw"], *, seed: int = 0) -> UInt8[np.ndarray, "ch cw 3"]:
        """The target's picture with colours in the hole; nothing else of the answer is read. Raises ``ObjectFailed``."""
        ...
