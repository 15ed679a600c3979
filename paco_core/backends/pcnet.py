"""Completion by the network ``pcnet``: a mask for every hidden object from one pass of the network."""

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from paco_core.backends.base import Completion, CompletionTarget
from paco_core.backends.classical import complete_one, painted, whole_ellipse
from paco_core.backends.pcnet_network import Answer, PcnetNetwork
from paco_core.beyond import within_outline
from paco_core.errors import BadInput
from paco_core.masks import dilate, erode
from paco_core.shape import best_mirrors

log = logging.getLogger(__name__)

WEIGHTS = Path(__file__).parents[1] / "weights" / "pcnet.safetensors"
GUESSWORK = 0.8
"""Where more than this share of an object would be invented the classical shape is taken, which claims less: with so little to
see, a wrong order decides. Held-out targets are hidden by less."""
LIKELY, SURE, LITTLE = 0.0, 1.0, 0.15
"""Least logit of a claim inside of the photo, and the same where all claims together are less than so much of the visible part.
Training shows objects of which 3 % and more are hidden; of those that touch what is in front in a photo many have less hidden,
and what little is claimed of them is mostly false. What the photo's border cuts does go on: there the threshold is 0 (with 1, .48
in place of .54 on 400 objects cut at random)."""
BRIDGE = 0.035
"""Claims thinner than this on either side of their middle, in √area of the visible part, are dropped with what hangs on them: a
third thing lies between. Changes the hidden IoU of held-out targets by less than .002."""


@dataclass(frozen=True)
class PcnetCompleter:
    """Shapes by the network, colours by ``hidden_colours`` from the network's and the object's own. Deterministic; ``seed`` is
    that of the colours' search.

    Raises ``BadInput`` where there is no file of weights. The network is read when the first hidden object comes.
    """

    weights: Path = WEIGHTS
    name: str = "pcnet"

    def __post_init__(self) -> None:
        if not self.weights.is_file():
            raise BadInput(
                f"The weights of {self.name} are missing ({self.weights}): install paco-scene3d anew, "
                "or go on without them (--completer classical; in a preset, deocclusion: {completer: classical})."
            )

    def complete_layer(self, targets: tuple[CompletionTarget, ...], *, seed: int = 0) -> tuple[Completion, ...]:
        """One completion per target, in the same order."""
        hidden = [target for target in targets if target.visible.any() and target.occluder.any()]
        answers = dict(zip((t.id for t in hidden), self._network.answers(hidden), strict=True)) if hidden else {}
        return tuple(completed(target, answers.get(target.id), seed) for target in targets)

    @cached_property
    def _network(self) -> PcnetNetwork:
        return PcnetNetwork(self.weights)


def completed(target: CompletionTarget, answer: Answer | None, seed: int) -> Completion:
    """The network's shape with colours, or the ellipse that the outline is a part of.

    Where nothing was asked the visible part; for guesswork, and for an answer that is no number, which counts as a fallback, the
    classical completion.
    """
    if answer is None:
        return Completion(target.rgb, target.visible, "visible", "photo")
    if not np.isfinite(answer.logit).all():
        log.warning("object %d (%s): the network's answer is not finite", target.id, target.name)
        return replace(complete_one(target, seed), fallback="pcnet's answer was not finite; completed by the classical method")
    ellipse = whole_ellipse(target.visible, target.occluder)
    amodal, mask_method = (amodal_mask(target, answer), "pcnet") if ellipse is None else (ellipse, "ellipse")
    if target.visible.sum() < (1 - GUESSWORK) * amodal.sum():
        return complete_one(target, seed)
    rgb, fill_method = painted(target, amodal, best_mirrors(target.visible, target.occluder), seed, answer.rgb)
    return Completion(rgb, amodal, mask_method, fill_method)


def amodal_mask(target: CompletionTarget, answer: Answer) -> Bool[np.ndarray, "h w"]:
    """The visible mask and what the network claims of the occluder, as far as that hangs together with the visible part and,
    beyond the photo, continues its outline."""
    within = target.occluder if target.beyond is None else target.occluder & ~target.beyond
    claim = within & (answer.logit > LIKELY)
    if claim.sum() < LITTLE * target.visible.sum():
        claim = within & (answer.logit > SURE)
    if target.beyond is not None:
        claim |= within_outline(target.visible, target.beyond, answer.logit > 0, target.truncated)
    claimed = target.visible | claim
    radius = BRIDGE * float(np.sqrt(target.visible.sum()))
    solid = target.visible | claimed & dilate(erode(claimed, radius), radius)
    return np.asarray(ndimage.binary_propagation(target.visible, mask=solid), bool)
