"""How maps become noise in training, and how noise becomes maps: schedules of Stable Diffusion, and straight paths."""

import functools
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

from paco_core.errors import BadInput
from paco_core.nets.paco_config import Prediction

TRAIN_STEPS = 1000
"""Times run from 0 (clean) to this (noise), as in Stable Diffusion."""
BETAS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": TRAIN_STEPS,
}
"""The schedule Stable Diffusion was trained with (Rombach et al. 2022, its configuration files)."""
SAMPLERS: dict[Prediction, tuple[str, ...]] = {
    "epsilon": ("ddim", "dpm++"),
    "sample": ("ddim", "dpm++"),
    "flow": ("flow-euler",),
}
"""What can follow each prediction; the first is the default. DDIM: Song et al. 2021; DPM-Solver++: Lu et al. 2022;
Euler steps on straight paths: Liu et al. 2023 (rectified flow), 4 to 8 of them."""


def draw_times(count: int, prediction: Prediction, generator: torch.Generator) -> torch.Tensor:
    """(count,) times for training, float32 on the generator's device: whole ones, or any on a straight path."""
    if prediction == "flow":
        return torch.rand(count, generator=generator, device=generator.device) * TRAIN_STEPS
    return torch.randint(TRAIN_STEPS, (count,), generator=generator, device=generator.device).float()


def noised(clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor, prediction: Prediction) -> torch.Tensor:
    """Maps (b, c, h, w) at ``times`` (b,): on the straight path from map to noise, or on Stable Diffusion's schedule."""
    if prediction == "flow":
        return torch.lerp(clean, noise, _column(times / TRAIN_STEPS).to(clean.dtype))
    kept = _column(_kept(times))
    return (kept.sqrt() * clean + (1 - kept).sqrt() * noise).to(clean.dtype)


def target(clean: torch.Tensor, noise: torch.Tensor, prediction: Prediction) -> torch.Tensor:
    """What the network should answer (Eq. 6 for the noise)."""
    return {"epsilon": noise, "sample": clean, "flow": noise - clean}[prediction]


def clean_from(answer: torch.Tensor, noisy: torch.Tensor, times: torch.Tensor, prediction: Prediction) -> torch.Tensor:
    """The clean map (b, c, h, w) that an answer to ``noisy`` at ``times`` (b,) stands for: losses on maps and pictures use it."""
    if prediction == "sample":
        return answer
    if prediction == "flow":
        return noisy - _column(times / TRAIN_STEPS).to(noisy.dtype) * answer
    kept = _column(_kept(times))
    return ((noisy - (1 - kept).sqrt() * answer) / kept.sqrt()).to(noisy.dtype)


def sampler(prediction: Prediction, name: str, steps: int) -> Any:
    """A diffusers scheduler that is ready for ``steps`` steps from pure noise; an empty name is the default.

    Raises ``BadInput`` for one that can't follow the prediction.
    """
    known = SAMPLERS[prediction]
    name = name or known[0]
    if name not in known:
        raise BadInput(f"The sampler {name!r} can't follow a network that predicts {prediction!r}: use {' or '.join(known)}.")
    if not 1 <= steps <= TRAIN_STEPS:
        raise BadInput(f"{steps} steps can't be taken: give 1 to {TRAIN_STEPS}.")
    if name == "flow-euler":
        flow = FlowMatchEulerDiscreteScheduler(num_train_timesteps=TRAIN_STEPS)
        flow.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps).tolist())
        return flow
    # trailing: few steps, too, begin where there is only noise (Lin et al. 2024); the last one ends without any
    options: dict[str, Any] = BETAS | {"prediction_type": prediction, "timestep_spacing": "trailing"}
    if name == "ddim":
        found = DDIMScheduler(**options, clip_sample=False, set_alpha_to_one=True)
    else:
        found = DPMSolverMultistepScheduler(**options, use_karras_sigmas=True)
    found.set_timesteps(steps)
    return found


@functools.cache
def _schedule() -> torch.Tensor:
    """(1000,): the share of the signal's variance that is left at every whole time."""
    return DDPMScheduler(**BETAS).alphas_cumprod


def _kept(times: torch.Tensor) -> torch.Tensor:
    return _schedule().to(times.device)[times.long()]


def _column(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]
