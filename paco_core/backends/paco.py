"""Completion by PACO: all objects of a depth layer in one map, one denoising, each out again by its mask (section 4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from paco_core.backends.base import Completion, CompletionTarget
from paco_core.backends.canvas import canvas_of, grouped
from paco_core.errors import BadInput

if TYPE_CHECKING:
    from paco_core.backends.paco_network import Answer, PacoNetwork

WEIGHTS = Path(__file__).parents[1] / "weights" / "paco-small.safetensors"


@dataclass(frozen=True)
class PacoCompleter:
    """Masks and colours by PACO. The network is read when the first hidden object comes.

    Raises ``BadInput`` where there is no file of weights.
    """

    weights: Path = WEIGHTS
    device: str = "cpu"
    base: Path | None = None
    """Folder of the Stable Diffusion whose CLIP reads the names, for weights that started from one."""
    side_px: int = 128
    """Of a canvas as the network sees it."""
    steps: int = 4
    """1 gives the mean of all that is possible: good masks, smooth colours."""
    guidance: float = 1.0
    """The paper's 9 is for Stable Diffusion."""
    scheduler: str = ""
    crops: bool = True
    """Objects that are far apart get canvases of their own, denoised in one batch; False: one canvas a pass."""
    name: str = "paco"

    def __post_init__(self) -> None:
        if not self.weights.is_file():
            raise BadInput(
                f"The weights of {self.name} are missing ({self.weights}): install paco-scene3d anew, name others by the option "
                "weights, or take another completer (`paco backends` lists them)."
            )

    def complete_layer(self, targets: tuple[CompletionTarget, ...], *, seed: int = 0) -> tuple[Completion, ...]:
        """One completion per target, in the same order."""
        hidden = [target for target in targets if target.visible.any() and target.occluder.any()]
        found = dict(zip((target.id for target in hidden), self._answers(hidden, seed), strict=True)) if hidden else {}
        return tuple(_completed(target, found.get(target.id), self.name) for target in targets)

    def _answers(self, targets: Sequence[CompletionTarget], seed: int) -> list["Answer"]:
        from paco_core.backends.paco_network import Sampling  # here: torch takes seconds

        if self.side_px % self._network.factor:
            raise BadInput(f"side_px={self.side_px} has to be a multiple of {self._network.factor}.")
        groups = grouped(targets) if self.crops else [list(targets)]
        passes = [(canvas_of(group), group) for group in groups]
        sampling = Sampling(self.steps, self.guidance, self.scheduler)
        answers = self._network.answers(passes, self.side_px, sampling, seed)
        by_id = {t.id: answer for group, some in zip(groups, answers, strict=True) for t, answer in zip(group, some, strict=True)}
        return [by_id[target.id] for target in targets]

    @cached_property
    def _network(self) -> "PacoNetwork":
        from paco_core.backends.paco_network import PacoNetwork

        return PacoNetwork(self.weights, self.device, self.base)


def _completed(target: CompletionTarget, answer: "Answer | None", name: str) -> Completion:
    """What is seen, and what the network claims under what hides it, as far as that touches."""
    if answer is None:
        return Completion(target.rgb, target.visible, "visible", "photo")
    claimed = target.visible | (answer.logits > 0) & target.occluder
    amodal = np.asarray(ndimage.binary_propagation(target.visible, mask=claimed), bool)
    return Completion(answer.rgb, amodal, name, name)
