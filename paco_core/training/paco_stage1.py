"""The task ``paco-stage-1``: the parallel autoencoder (PACO, sections 4.1 and 4.4, equations 2 to 5)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from paco_core.data.bank import read_bank
from paco_core.nets.features import FeatureNet
from paco_core.nets.paco import CONFIG_KEY
from paco_core.nets.parallel_vae import ParallelVae
from paco_core.nets.pretrained import vae_from_folder
from paco_core.nets.weights import load_weights
from paco_core.training import paco_figures
from paco_core.training.paco_losses import (
    PatchDiscriminator,
    adaptive_weight,
    around,
    colour_loss,
    discriminator_loss,
    generator_loss,
    mask_loss,
    perceptual_loss,
)  # fmt: skip
from paco_core.training.paco_options import StageOptions, read_options
from paco_core.training.paco_scenes import PacoScenes, draw_scenes, pick
from paco_core.training.task import Defaults, TaskInputs

MOST = ((0.15, 1), (0.35, 2), (0.6, 3), (1.0, 5))
"""Until which share of the budget scenes have at most how many objects: colour is learned on one, then told apart on more
(with four from the start it stays at the canvas's for a thousand steps, measured)."""
FEATURES = Path(__file__).parents[1] / "weights" / "paco-feat-1.safetensors"
DISCRIMINATOR_WIDTH = 32


@dataclass(frozen=True)
class Stage1Options(StageOptions):
    """Weights of the losses beside that of colours, 1."""

    mask: float = 0.3
    """Equation 5 (the paper's), on cross-entropy and dice."""
    kl: float = 1e-6
    """Of latent diffusion; without effect while the encoder is frozen."""
    perceptual: float = 0.05
    """Small: ``paco-feat-1`` stands in for LPIPS, whose weights don't come with a package."""
    gan: float = 0.0
    """0.5 in latent diffusion; 0 saves a third of a step."""
    curriculum: int = 1
    """0: scenes of up to five objects from the first step on, for what goes on from learned weights."""
    gan_from: float = 0.6
    """Share of the budget from which on there is an adversary: the decoder has to be good first."""


class Stage1Model(nn.Module):
    """The autoencoder, and its adversary, which does not ship."""

    def __init__(self, vae: ParallelVae, *, adversary: bool) -> None:
        super().__init__()
        self.vae = vae
        self.adversary = PatchDiscriminator(DISCRIMINATOR_WIDTH) if adversary else None


@dataclass(frozen=True)
class Stage1Batch:
    """What a step needs."""

    scenes: PacoScenes
    slots: torch.Tensor
    """(b, k): the objects that are decoded."""
    noise_seed: int
    """Of the latents' noise."""
    against: bool
    """There is an adversary by now."""


class Stage1Task:
    """See ``paco_core.training.task.Task``."""

    name = "paco-stage-1"
    defaults = Defaults(batch=24, lr=1e-3, minutes=60.0, ema=0.998)

    def __init__(self, inputs: TaskInputs) -> None:
        self.options = read_options(inputs.options, Stage1Options, self.name)
        self.config = self.options.config
        self.scenes = inputs.batch
        self.bank = read_bank(inputs.packs, size=self.options.bank).to(inputs.device)
        self.held_out = paco_figures.read_held_out(inputs.held_out, inputs.device, self.options)
        self.shown = paco_figures.shown(self.held_out, self.bank, self.options.side)
        self.features = FeatureNet().eval().requires_grad_(False).to(inputs.device)
        load_weights(self.features, FEATURES)

    def build(self) -> Stage1Model:
        """From Stable Diffusion's autoencoder, or with fresh weights."""
        vae = vae_from_folder(self.config, Path(self.options.base) / "vae") if self.options.base else ParallelVae(self.config)
        if self.options.checkpointing:
            vae.vae.enable_gradient_checkpointing()
        return Stage1Model(vae, adversary=self.options.gan > 0)

    def shipped(self, model: nn.Module) -> nn.Module:
        """Without the adversary."""
        assert isinstance(model, Stage1Model)
        return model.vae

    def about(self, model: nn.Module) -> dict[str, str]:
        """The description that builds it."""
        return {CONFIG_KEY: self.config.to_json()}

    def batch(self, generator: torch.Generator, share: float) -> Stage1Batch:
        """Scenes of more and more objects."""
        at = share if self.options.curriculum else 1.0
        most = next(count for until, count in MOST if at < until or until == 1)
        scenes = draw_scenes(self.bank, generator, self.scenes, self.options.side_at(share), most)
        slots = scenes.wanted(generator, of_sampled=False)
        seed = int(torch.randint(1 << 31, (1,), generator=generator, device=generator.device))
        return Stage1Batch(scenes, slots, seed, share >= self.options.gan_from)

    def loss(self, model: nn.Module, batch: Stage1Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """All whole objects in one map; some of them out again, by their visible masks."""
        assert isinstance(model, Stage1Model)
        scenes, slots, options = batch.scenes, batch.slots, self.options
        latents = model.vae.encode(scenes.whole, scenes.present)
        noise = torch.Generator(scenes.whole.device).manual_seed(batch.noise_seed)
        maps = model.vae.standardise(latents.sample(noise))
        visible, occluder, amodal, truth = (
            pick(values, slots) for values in (scenes.visible, scenes.occluder, scenes.amodal, scenes.whole)
        )
        colours, logits = (x.float() for x in model.vae.decode(maps, visible, occluder, scenes.composite))
        parts = {
            "colour": colour_loss(colours, truth, amodal, around(self.config)),
            "mask": options.mask * mask_loss(logits, amodal),
            "kl": options.kl * latents.kl().float().mean(),
        }
        if options.perceptual:
            parts["perceptual"] = options.perceptual * perceptual_loss(self.features, colours, truth, amodal)
        total = torch.stack(list(parts.values())).sum()
        if model.adversary is not None and batch.against:
            parts |= self._adversarial(model, parts, colours, truth, amodal)
            total = total + parts["adversarial"] + parts["adversary"]
        return total, {name: part.detach() for name, part in parts.items()}

    def _adversarial(
        self, model: Stage1Model, parts: dict[str, torch.Tensor], colours: torch.Tensor, truth: torch.Tensor, amodal: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Pictures of objects on white against real ones."""
        assert model.adversary is not None
        whole = amodal[:, :, None]
        made, real = (torch.lerp(torch.ones_like(x), x, whole).flatten(0, 1) for x in (colours, truth))
        fooled = generator_loss(model.adversary, made)
        last = model.vae.vae.decoder.conv_out.weight
        weight = self.options.gan * adaptive_weight(parts["colour"] + parts.get("perceptual", 0.0), fooled, last)
        return {"adversarial": weight * fooled, "adversary": discriminator_loss(model.adversary, real, made)}

    def sample(self, model: nn.Module) -> np.ndarray:
        """Rows of: the picture, then every object of it as decoded from the map of all whole ones, and as it is."""
        assert isinstance(model, Stage1Model)
        return paco_figures.sheet(model.vae, self.shown, paco_figures.true_maps)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """See ``paco_figures``; empty without held-out packs."""
        assert isinstance(model, Stage1Model)
        return paco_figures.figures(model.vae, self.held_out, {"from whole objects": paco_figures.true_maps})
