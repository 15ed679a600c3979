"""The task ``paco-stage-2``: the visible-to-complete generator (PACO, sections 4.2 and 4.4, equation 6)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from paco_core.data.bank import Bank, read_bank
from paco_core.data.subset import LAYERLIKE
from paco_core.errors import BadInput
from paco_core.nets.conditioning import Condition, condition_grid
from paco_core.nets.diffusion import clean_from, draw_times, noised, target
from paco_core.nets.names_text import ClipNames, NameEncoder
from paco_core.nets.paco import CONFIG_KEY, Paco, config_of, load_paco
from paco_core.nets.paco_config import PacoConfig
from paco_core.nets.parallel_vae import ParallelVae, latent_statistics
from paco_core.nets.pretrained import generator_from_folder
from paco_core.nets.visible_to_complete import VisibleToComplete
from paco_core.nets.weights import holds, load_weights
from paco_core.training import paco_figures
from paco_core.training.paco_losses import around, colour_loss, mask_loss
from paco_core.training.paco_options import StageOptions, read_options
from paco_core.training.paco_scenes import SLOTS, PacoScenes, draw_scenes, pick
from paco_core.training.task import Defaults, TaskInputs

NAMELESS = 0.15
"""Share of the scenes whose names are kept back, so that the network can be guided and people need not name anything."""
STATISTICS = 256
"""Scenes that the mean and deviation of latents are taken from."""
FEW_STEPS = 4
"""Of sampling, beside the one that gives the mean."""


@dataclass(frozen=True)
class Stage2Options(StageOptions):
    """Beside the loss of Equation 6, 1."""

    stage1: str = ""
    """The ``weights.safetensors`` of ``paco-stage-1``; or, to go on from it, a whole PACO (give it to ``--warm-start``, too)."""
    pixels: float = 0.0
    """Weight of colours and masks that are decoded from the map which the answer stands for. 0 in the paper."""
    decoder: int = 0
    """1: the decoder and its mask query go on learning, from maps as the generator answers them, which are smoother than those of
    whole objects that the first stage taught them to read. The paper freezes them. Needs ``pixels``."""
    layerlike: float = LAYERLIKE
    """Share of the scenes of which one layer is completed, as at inference; elsewhere any objects, as always in the paper."""


@dataclass(frozen=True)
class Stage2Batch:
    """What a step needs beside the networks."""

    scenes: PacoScenes
    slots: torch.Tensor
    """(b, k): the objects that are decoded."""
    times: torch.Tensor
    """(b,)."""
    noise: torch.Tensor
    """(b, c, h, w)."""
    nameless: torch.Tensor
    """(b,) bool."""


class Stage2Task:
    """See ``paco_core.training.task.Task``."""

    name = "paco-stage-2"
    defaults = Defaults(batch=32, lr=8e-4, minutes=60.0, ema=0.999)

    def __init__(self, inputs: TaskInputs) -> None:
        self.options = read_options(inputs.options, Stage2Options, self.name)
        if self.options.decoder and not self.options.pixels:
            raise BadInput("--set decoder=1 learns from decoded pixels alone: give pixels=1, too.")
        self.scenes, self.device = inputs.batch, inputs.device
        self.bank = read_bank(inputs.packs, size=self.options.bank).to(inputs.device)
        self.config, self.vae = self._first_stage()
        self.clip = None if self.config.text_buckets else ClipNames(self.config, Path(self.options.base), inputs.device)
        self.held_out = paco_figures.read_held_out(inputs.held_out, inputs.device, self.options)
        self.shown = paco_figures.shown(self.held_out, self.bank, self.options.side)

    def build(self) -> Paco:
        """The first stage, frozen or its decoder free, and a generator that learns."""
        folder = Path(self.options.base) / "unet"
        generator = generator_from_folder(self.config, folder) if self.options.base else VisibleToComplete(self.config)
        if self.options.checkpointing:
            for net in (generator.unet, generator.control, self.vae.vae):
                net.enable_gradient_checkpointing()
        if self.options.decoder:
            for part in self.vae.reads:
                part.requires_grad_(True)
        return Paco(self.config, self.vae, generator)

    def shipped(self, model: nn.Module) -> nn.Module:
        """Both stages."""
        return model

    def about(self, model: nn.Module) -> dict[str, str]:
        """The description that builds both."""
        assert isinstance(model, Paco)
        mean, std = (tuple(x.flatten().tolist()) for x in (model.vae.mean, model.vae.std))
        return {CONFIG_KEY: replace(self.config, latent_mean=mean, latent_std=std).to_json()}

    def batch(self, generator: torch.Generator, share: float) -> Stage2Batch:
        """Scenes, and everything random of a step."""
        side = self.options.side_at(share)
        scenes = draw_scenes(self.bank, generator, self.scenes, side, SLOTS, self.options.layerlike)
        cells = side // self.config.factor
        noise = torch.randn(self.scenes, self.config.latent_channels, cells, cells, generator=generator, device=self.device)
        nameless = torch.rand(self.scenes, generator=generator, device=self.device) < NAMELESS
        times = draw_times(self.scenes, self.config.prediction, generator)
        return Stage2Batch(scenes, scenes.wanted(generator, of_sampled=True), times, noise, nameless)

    def loss(self, model: nn.Module, batch: Stage2Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """How far the answer to a noisy map is off; and what it looks like, where ``pixels`` asks for that."""
        assert isinstance(model, Paco)
        scenes, prediction = batch.scenes, self.config.prediction
        with torch.no_grad():
            clean = map_of(model.vae, scenes.whole, scenes.sampled)
        condition = self.condition(model, scenes, scenes.names(self.bank)).without_names(batch.nameless)
        noisy = noised(clean, batch.noise, batch.times, prediction)
        answer = model.generator(noisy, batch.times, condition).float()
        parts = {"map": (answer - target(clean, batch.noise, prediction)).square().mean()}
        if self.options.pixels:
            parts |= self._in_pixels(model.vae, batch, clean_from(answer, noisy, batch.times, prediction))
        return torch.stack(list(parts.values())).sum(), {name: part.detach() for name, part in parts.items()}

    def condition(self, model: Paco, scenes: PacoScenes, names: Sequence[Sequence[str]]) -> Condition:
        """Of the sampled objects' visible parts, masks, what hides them, and names."""
        with torch.no_grad():
            partial = map_of(model.vae, scenes.partial(), torch.ones_like(scenes.present[:, :1]))
        masks = scenes.visible * scenes.sampled[..., None, None]
        encoder: NameEncoder = self.clip or model.generator.names  # pyright: ignore[reportAssignmentType]
        return Condition(condition_grid(partial, masks, scenes.hides_sampled), encoder.encode(names), encoder.encode([[]]))

    def _in_pixels(self, vae: ParallelVae, batch: Stage2Batch, clean: torch.Tensor) -> dict[str, torch.Tensor]:
        scenes = batch.scenes
        visible, occluder, amodal, truth = (
            pick(x, batch.slots) for x in (scenes.visible, scenes.occluder, scenes.amodal, scenes.whole)
        )
        colours, logits = (x.float() for x in vae.decode(clean, visible, occluder, scenes.composite))
        weight = self.options.pixels
        return {
            "colour": weight * colour_loss(colours, truth, amodal, around(self.config)),
            "mask": weight * mask_loss(logits, amodal),
        }

    def sample(self, model: nn.Module) -> np.ndarray:
        """Rows of: the picture, then some sampled objects as completed in a few steps, and as they are."""
        assert isinstance(model, Paco)
        return paco_figures.sheet(model.vae, self.shown, self._sampled(model, FEW_STEPS))

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """See ``paco_figures``: in one step (the mean), and in a few; empty without held-out packs."""
        assert isinstance(model, Paco)
        ways = {f"{steps} steps" if steps > 1 else "1 step": self._sampled(model, steps) for steps in (1, FEW_STEPS)}
        return paco_figures.figures(model.vae, self.held_out, ways)

    def _sampled(self, model: Paco, steps: int) -> paco_figures.Maps:
        def maps(vae: ParallelVae, measured: paco_figures.Measured) -> torch.Tensor:
            generator = torch.Generator(self.device).manual_seed(paco_figures.SEED)
            condition = self.condition(model, measured.scenes, measured.names)
            return model.generator.sample(condition, steps=steps, generator=generator)

        return maps

    def _first_stage(self) -> tuple[PacoConfig, ParallelVae]:
        """The frozen autoencoder, whose maps have mean 0 and deviation 1. Raises ``BadInput`` without ``stage1``."""
        path = Path(self.options.stage1)
        if not self.options.stage1:
            raise BadInput("paco-stage-2 needs the first stage: give --set stage1=FILE, the weights of paco-stage-1.")
        config = config_of(path)
        if config.name != self.options.config.name:
            raise BadInput(f"{path} belongs to {config.name}: give --set scale={config.name}, or other weights.")
        if holds(path, "generator."):
            vae = load_paco(path).vae.to(self.device)
            return config, vae
        vae = ParallelVae(config).to(self.device)
        load_weights(vae, path)
        vae.eval().requires_grad_(False)
        if not config.pretrained:  # Stable Diffusion's maps are scaled by a number that its U-Net has learned with
            config = _with_statistics(config, vae, self.bank, self.options.side)
            vae.mean.copy_(torch.tensor(config.latent_mean).view(1, -1, 1, 1))
            vae.std.copy_(torch.tensor(config.latent_std).view(1, -1, 1, 1))
        return config, vae


def map_of(vae: ParallelVae, rgb: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """(b, c, h, w): the standardised map of objects (b, n, 3, s, s), -1 … 1 on white, that are ``present`` (b, n)."""
    return vae.standardise(vae.encode(rgb, present).mode().float())


@torch.no_grad()
def _with_statistics(config: PacoConfig, vae: ParallelVae, bank: Bank, side_px: int) -> PacoConfig:
    generator = torch.Generator(bank.rgba.device).manual_seed(paco_figures.SEED)
    parts = []
    for _ in range(STATISTICS // 32):
        scenes = draw_scenes(bank, generator, 32, side_px, SLOTS)
        parts.append(vae.encode(scenes.whole, scenes.sampled).mode())
    mean, std = latent_statistics(torch.cat(parts))
    return replace(config, latent_mean=mean, latent_std=std)
