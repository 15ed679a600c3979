"""Inpainting networks in place of deocclusion (PACO, sections 5.3 and 7): told the true masks, or a completer's."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from paco_core.backends.base import Completer, CompletionTarget, Inpainter, InpaintStrategy
from paco_core.evaluation.deocclusion import Completed, Method, by_completer, true_order_of
from paco_core.evaluation.mask_methods import under_occluders
from paco_core.evaluation.scenes import AmodalScene
from paco_core.inpainting import InpaintedCompleter, inpaint


class Counted:
    """Protocol ``Inpainter``: another one, and how often it was asked: a denoising each time, where it denoises."""

    def __init__(self, inpainter: Inpainter) -> None:
        self._inpainter = inpainter
        self.name: str = inpainter.name
        self.strategies: tuple[InpaintStrategy, ...] = inpainter.strategies
        self.passes = 0

    def paint(self, target: CompletionTarget, hole: Bool[np.ndarray, "ch cw"], *, seed: int = 0) -> UInt8[np.ndarray, "ch cw 3"]:
        """As the other one does."""
        self.passes += 1
        return self._inpainter.paint(target, hole, seed=seed)


@dataclass(frozen=True)
class Rival:
    """A row, and the inpainter that it asks."""

    method: Method
    asked: Counted


def with_true_masks(inpainter: Inpainter, *, seed: int = 0) -> dict[str, Rival]:
    """A row for every strategy of an inpainter, told the true masks and order."""
    rows: dict[str, Rival] = {}
    for strategy in inpainter.strategies:
        how = f", {strategy}" if len(inpainter.strategies) > 1 else ""
        rows[f"{inpainter.name}{how}, true masks"] = _rival(Counted(inpainter), strategy, seed)
    return rows


def with_masks_of(completer: Completer, inpainter: Inpainter, *, seed: int = 0) -> dict[str, Rival]:
    """A completer's shapes, told the true order, with an inpainter's colours, by its last strategy."""
    asked = Counted(inpainter)
    painted = InpaintedCompleter(completer, asked, asked.strategies[-1])
    return {painted.name: Rival(by_completer(painted, true_order_of, seed=seed), asked)}


def _rival(asked: Counted, strategy: InpaintStrategy, seed: int) -> Rival:
    def run(scene: AmodalScene) -> Completed:
        fronts = under_occluders(scene.segmentation.masks, scene.order)
        pictures = [_painted(asked, scene, k, fronts[k], strategy, seed) for k in range(len(fronts))]
        return Completed(scene.amodal, np.stack(pictures))

    return Rival(Method(run, colours=True), asked)


def _painted(
    asked: Inpainter, scene: AmodalScene, k: int, front: Bool[np.ndarray, "h w"], strategy: InpaintStrategy, seed: int
) -> UInt8[np.ndarray, "h w 3"]:
    """The photo with one object's hidden part; the rim that was painted besides is the photo's again."""
    seen, whole, rgb = scene.segmentation.masks[k], scene.amodal[k], scene.photo.rgb
    target = CompletionTarget(scene.segmentation.ids[k], scene.segmentation.names[k], rgb, seen, front & ~seen)
    return np.where((whole & ~seen)[..., None], inpaint(asked, target, whole, strategy, seed=seed), rgb)
