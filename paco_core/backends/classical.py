"""Completion without weights: shape from hull and symmetry inside the occluders, appearance by exemplars over a smooth base."""

from dataclasses import dataclass

import numpy as np

from paco_core.backends.base import Completion, CompletionTarget
from paco_core.fill import membrane
from paco_core.shape import convex_hull


@dataclass(frozen=True)
class ClassicalCompleter:
    """Completes each object on its own, from nothing but its visible part and what is in front of it."""

    name: str = "classical"

    def complete_layer(self, targets: tuple[CompletionTarget, ...], *, seed: int = 0) -> tuple[Completion, ...]:
        """One completion per target, in the same order."""
        return tuple(complete_one(target, seed) for target in targets)


def complete_one(target: CompletionTarget, seed: int = 0) -> Completion:
    amodal = target.visible | (convex_hull(target.visible) & target.occluder)
    known = target.visible if target.mixed is None else target.visible & ~target.mixed
    rgb = membrane(target.rgb.astype(np.float32), known, amodal)
    return Completion(np.clip(rgb + 0.5, 0, 255).astype(np.uint8), amodal, "hull", "membrane")
