"""Completion by PACO: the objects of a depth layer in one map, the maps of a photo in one denoising (section 4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from paco_core.backends.base import Completion, CompletionTarget
from paco_core.backends.canvas import canvas_of, grouped
from paco_core.backends.continuity import discontinuity
from paco_core.errors import BadInput

if TYPE_CHECKING:
    from paco_core.backends.paco_network import Answer, PacoNetwork

WEIGHTS = Path(__file__).parents[1] / "weights" / "paco-small.safetensors"


@dataclass(frozen=True)
class PacoCompleter:
    """Masks and colours by PACO. The network is read when the first hidden object comes.

    Raises ``BadInput`` where there is no file of weights, and for numbers below 1.
    """

    weights: Path = WEIGHTS
    device: str = "cpu"
    """"auto" takes the GPU that is there."""
    base: Path | None = None
    """Folder of the Stable Diffusion whose CLIP reads the names, for weights that started from one."""
    side_px: int = 128
    """Of a canvas as the network sees it."""
    steps: int = 1
    """1 gives the mean of all that is possible: the best masks, smooth colours (``paco-small``, 60 cut-outs / renders: hidden IoU
    .63 / .66; 2 steps .59 / .59; 4 steps and the best of 4 samples .54 / .58). More make sharper pictures that differ."""
    guidance: float = 1.0
    """The paper's 9 is for Stable Diffusion."""
    scheduler: str = ""
    crops: bool = True
    """Objects that are far apart get canvases of their own, denoised in one batch; False: one canvas a layer."""
    at_once: int = 8
    """Canvases in one batch, at most. On a processor 8 take two thirds of the time that they take one by one (128 px, one core),
    and 16 no less; fewer where memory is full."""
    samples: int = 1
    """Completions from so many noises, of which each object takes the one that continues its visible part best."""
    name: str = "paco"

    def __post_init__(self) -> None:
        if min(self.at_once, self.samples) < 1:
            raise BadInput(f"at_once={self.at_once} and samples={self.samples} of {self.name} have to be at least 1.")
        if not self.weights.is_file():
            raise BadInput(
                f"The weights of {self.name} are missing ({self.weights}): install paco-scene3d anew, name others by the option "
                "weights, or take another completer (`paco backends` lists them)."
            )

    def complete_layer(self, targets: tuple[CompletionTarget, ...], *, seed: int = 0) -> tuple[Completion, ...]:
        """One completion per target, in the same order."""
        return self.complete_layers((targets,), seed=seed)[0]

    def complete_layers(
        self, layers: tuple[tuple[CompletionTarget, ...], ...], *, seed: int = 0
    ) -> tuple[tuple[Completion, ...], ...]:
        """The same for several layers: no two share a canvas, but all canvases are denoised together."""
        hidden = [[target for target in layer if target.visible.any() and target.occluder.any()] for layer in layers]
        groups = [group for layer in hidden for group in (grouped(layer) if self.crops else [layer]) if group]
        found = self._best(groups, seed) if groups else {}
        return tuple(tuple(found.get(target.id) or _as_seen(target) for target in layer) for layer in layers)

    def _best(self, groups: Sequence[Sequence[CompletionTarget]], seed: int) -> dict[int, Completion]:
        """Of every target's samples, by its id, the one that goes on best where its visible part ends."""
        from paco_core.backends.paco_network import Pass, Sampling  # here: torch takes seconds

        if self.side_px % self._network.factor:
            raise BadInput(f"side_px={self.side_px} has to be a multiple of {self._network.factor}.")
        canvases = [(canvas_of(group), group) for group in groups]
        passes = [Pass(*one, seed * self.samples + k) for one in canvases for k in range(self.samples)]
        sampling = Sampling(self.side_px, self.steps, self.guidance, self.scheduler, self.at_once)
        found: dict[int, list[Completion]] = {}
        for one, answers in zip(passes, self._network.answers(passes, sampling), strict=True):
            for target, answer in zip(one.targets, answers, strict=True):
                found.setdefault(target.id, []).append(_completed(target, answer, self.name))
        targets = [target for group in groups for target in group]
        return {target.id: min(found[target.id], key=partial(discontinuity, target)) for target in targets}

    @cached_property
    def _network(self) -> "PacoNetwork":
        from paco_core.backends.paco_network import PacoNetwork

        return PacoNetwork(self.weights, self.device, self.base)


def _as_seen(target: CompletionTarget) -> Completion:
    return Completion(target.rgb, target.visible, "visible", "photo")


def _completed(target: CompletionTarget, answer: "Answer", name: str) -> Completion:
    """What is seen, and what the network claims under what hides it, as far as that touches."""
    claimed = target.visible | (answer.logits > 0) & target.occluder
    amodal = np.asarray(ndimage.binary_propagation(target.visible, mask=claimed), bool)
    return Completion(answer.rgb, amodal, name, name)
