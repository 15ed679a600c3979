"""PACO on targets of any size: the objects of one pass on a square canvas, as in its training. Imported when it is used."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from PIL import Image
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from paco_core.backends.base import CompletionTarget
from paco_core.backends.canvas import Canvas
from paco_core.errors import BadInput, ObjectFailed
from paco_core.nets.conditioning import Condition, condition_grid
from paco_core.nets.memory import FULL, best_device, in_batches, memory_is_full
from paco_core.nets.names_text import ClipNames, NameEncoder
from paco_core.nets.paco import Paco, load_paco

WHITE = 255
LEAST_SHARE = 1e-3
"""Of a pixel that is covered, so that its colour can be told."""


@dataclass(frozen=True)
class Answer:
    """What the network says about one target, in the target's pixels."""

    rgb: UInt8[np.ndarray, "ch cw 3"]
    """Of the whole object; the photo's where the canvas does not reach."""
    logits: Float32[np.ndarray, "ch cw"]
    """Above 0 where the whole object is; far below where the canvas does not reach."""


@dataclass(frozen=True)
class Sampling:
    """How maps are made from noise."""

    side_px: int
    """Of a canvas as the network sees it."""
    steps: int
    guidance: float
    scheduler: str
    at_once: int
    """So many canvases are denoised in one batch, at most."""


@dataclass(frozen=True)
class Pass:
    """One map to denoise."""

    canvas: Canvas
    targets: Sequence[CompletionTarget]
    seed: int
    """Of its noise: what comes of a pass does not depend on those beside it."""


@dataclass(frozen=True)
class Seen:
    """What a network is given of k targets on one canvas of s px."""

    picture: torch.Tensor
    """(1, 3, s, s), -1 … 1: their visible parts on white."""
    visible: torch.Tensor
    """(1, k, s, s), float 0 or 1."""
    occluders: torch.Tensor
    """(1, k, s, s), float 0 or 1: what hides each of them."""


class PacoNetwork:
    """Both stages with their weights, on one device. Raises ``BadInput`` for a file that is not theirs."""

    def __init__(self, weights: Path, device: str, base: Path | None) -> None:
        self.device = torch.device(best_device() if device == "auto" else device)
        model = load_paco(weights).to(self.device)
        self._net: Paco = convert_conv2d_weight_memory_format(model, torch.channels_last)  # pyright: ignore[reportAttributeAccessIssue]
        self._names = self._encoder(base)

    @property
    def factor(self) -> int:
        """Canvases shrink by it: their sides in the network's pixels are multiples of it."""
        return self._net.config.factor

    def answers(self, passes: Sequence[Pass], sampling: Sampling) -> list[list[Answer]]:
        """One answer per target of every pass, denoised together in batches that memory has room for.

        Raises ``ObjectFailed`` where it has none for a single canvas.
        """
        try:
            return in_batches(passes, sampling.at_once, lambda some: self._answers(some, sampling))
        except FULL as error:
            if not memory_is_full(error):
                raise
            elsewhere = "" if self.device.type == "cpu" else ", or complete on the processor (device=cpu)"
            raise ObjectFailed(
                f"memory is full with one canvas of {sampling.side_px} px: take a lower side_px{elsewhere}"
            ) from error

    @torch.inference_mode()
    def _answers(self, passes: Sequence[Pass], sampling: Sampling) -> list[list[Answer]]:
        """The same in one batch."""
        seen = [self._seen(one, sampling.side_px) for one in passes]
        conditions = [self._condition(given, one.targets) for given, one in zip(seen, passes, strict=True)]
        every = Condition(torch.cat([c.grid for c in conditions]), torch.cat([c.text for c in conditions]), conditions[0].no_text)
        maps = self._net.generator.sample(
            every,
            steps=sampling.steps,
            scheduler=sampling.scheduler,
            guidance=sampling.guidance,
            noise=self._noise(passes, every),
        )
        return [self._decoded(full[None], given, one) for full, given, one in zip(maps, seen, passes, strict=True)]

    def _noise(self, passes: Sequence[Pass], condition: Condition) -> torch.Tensor:
        """Drawn on the processor, so that a seed means the same everywhere."""
        shape = self._net.config.latent_channels, *condition.grid.shape[2:]
        drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(one.seed)) for one in passes]
        return torch.stack(drawn).to(condition.grid)

    def _seen(self, one: Pass, side_px: int) -> Seen:
        canvas, targets = one.canvas, one.targets
        visible = np.stack([covered(canvas.cut(target, target.visible), side_px) for target in targets])
        hiding = np.stack([covered(canvas.cut(target, target.occluder), side_px) for target in targets])
        picture = np.full((side_px, side_px, 3), WHITE, np.float32)
        for target, mask in zip(targets, visible, strict=True):
            own = canvas.cut(target, target.visible)[..., None].astype(np.float32)
            share = shrunk(own[..., 0], side_px)[..., None]
            colour = shrunk(canvas.cut(target, target.rgb) * own, side_px)
            picture = np.where(mask[..., None], colour / np.maximum(share, LEAST_SHARE), picture)
        rgb = self._tensor(picture.transpose(2, 0, 1) / 127.5 - 1).clamp(-1, 1)
        return Seen(rgb[None], self._tensor(visible)[None], self._tensor(hiding & ~visible)[None])

    def _condition(self, seen: Seen, targets: Sequence[CompletionTarget]) -> Condition:
        vae = self._net.vae
        partial = vae.encode(seen.picture[:, None], torch.ones(1, 1, dtype=torch.bool, device=self.device)).mode()
        grid = condition_grid(vae.standardise(partial), seen.visible, seen.occluders.amax(1, keepdim=True))
        names = [target.name for target in targets if target.name]
        return Condition(grid, self._names.encode([names]), self._names.encode([[]]))

    def _decoded(self, full_map: torch.Tensor, seen: Seen, one: Pass) -> list[Answer]:
        colours, logits = self._net.vae.decode(full_map, seen.visible, seen.occluders, seen.picture)
        rgb = (127.5 * (colours[0].clamp(-1, 1) + 1)).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        found = zip(one.targets, rgb, logits[0].float().cpu().numpy(), strict=True)
        return [self._answer(one.canvas, *about) for about in found]

    def _answer(
        self, canvas: Canvas, target: CompletionTarget, rgb: UInt8[np.ndarray, "s s 3"], logits: Float32[np.ndarray, "s s"]
    ) -> Answer:
        large = np.asarray(Image.fromarray(rgb).resize((canvas.side, canvas.side), Image.Resampling.BICUBIC))
        nowhere = np.full(target.visible.shape, -np.inf, np.float32)
        return Answer(canvas.back(target, large, target.rgb), canvas.back(target, grown(logits, canvas.side), nowhere))

    def _encoder(self, base: Path | None) -> NameEncoder:
        own = self._net.generator.names
        if own is not None:
            return own
        if base is None:
            raise BadInput(f"{self._net.config.name} reads names by CLIP: say where its Stable Diffusion lies (option base).")
        return ClipNames(self._net.config, base, self.device)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.device)


def shrunk(picture: np.ndarray, side_px: int) -> np.ndarray:
    """(s, s) or (s, s, 3) float32 to ``side_px``, bilinear, over all pixels that one of the answer covers."""
    planes = picture[..., None] if picture.ndim == 2 else picture
    done = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize((side_px, side_px), Image.Resampling.BILINEAR))
        for plane in np.moveaxis(planes, -1, 0)
    ]
    return done[0] if picture.ndim == 2 else np.stack(done, axis=-1)


def covered(mask: Bool[np.ndarray, "s s"], side_px: int) -> Bool[np.ndarray, "t t"]:
    """Where most of a pixel is covered; of lines too thin for that, what covers most."""
    share = shrunk(mask.astype(np.float32), side_px)
    return share > min(0.5, float(share.max()) / 2)


def grown(values: Float32[np.ndarray, "s s"], side_px: int) -> Float32[np.ndarray, "t t"]:
    """Logits at another size."""
    return shrunk(values, side_px)
