"""PACO at the paper's scale, end to end, on a tiny Stable Diffusion with random weights: both stages, export, sampling."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.autograd.graph import saved_tensors_hooks

from paco_core.nets.conditioning import Condition
from paco_core.nets.names_text import ClipNames
from paco_core.nets.paco import Paco, load_paco
from paco_core.nets.paco_config import PACO_SD_TINY
from paco_core.training import log as runlog
from paco_core.training.checkpoint import read_checkpoint
from paco_core.training.options import TrainOptions
from paco_core.training.paco_stage1 import Stage1Task
from paco_core.training.paco_stage2 import Stage2Task
from paco_core.training.results import FIGURES, WEIGHTS
from paco_core.training.runner import train
from paco_core.training.task import TaskInputs
from tests.paconets import condition, seeded, stable_diffusion, stir, stripes
from tests.tinypacks import write_tiny_pack

ROOT = Path(__file__).parents[1]
STAGE1, STAGE2 = "paco-stage-1", "paco-stage-2"
ADVERSARIAL = ("gan=0.5", "gan_from=0.3", "checkpointing=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack and a Stable Diffusion; runs end here, too."""
    made = tmp_path_factory.mktemp("sd")
    write_tiny_pack(made / "train.pack", objects=6)
    stable_diffusion(made / "base", PACO_SD_TINY)
    return made


def options(folder: Path, *more: str) -> tuple[str, ...]:
    """``--set`` of a stage."""
    return ("scale=paco-sd-tiny", f"base={folder / 'base'}", "side=32", "small_side=16", "large_from=0.5", *more)


def go(folder: Path, name: str, out: str, *more: str, **given) -> Path:
    """Train a stage for a few steps; its weights."""
    fixed = {"packs": (folder / "train.pack",), "device": "cpu", "steps": 3, "batch": 2, "lr": 1e-3, "every_minutes": 1e9}
    train(name, TrainOptions(**{**fixed, "out": folder / out, "set": options(folder, *more), **given}))
    return folder / out / WEIGHTS


@pytest.fixture(scope="module")
def first(folder: Path) -> Path:
    """Weights of the first stage, with all that its recipe asks for."""
    return go(folder, STAGE1, "stage1", *ADVERSARIAL, rates=("vae.vae.decoder=0.2",), accumulate=2)


@pytest.fixture(scope="module")
def both(folder: Path, first: Path) -> Path:
    """Weights of both stages."""
    return go(folder, STAGE2, "stage2", f"stage1={first}", "pixels=0.1", rates=("generator.unet.=0.5",))


def model_of(folder: Path, run: str) -> dict[str, torch.Tensor]:
    state = read_checkpoint(folder / run)
    assert state is not None
    return state["trainer"]["model"]


def moved(now: dict[str, torch.Tensor], before: dict[str, torch.Tensor], prefix: str) -> set[str]:
    """Names of ``before`` (behind ``prefix`` in ``now``) whose values are others now; widened ones are not asked about."""
    shared = [name for name, value in before.items() if now[prefix + name].shape == value.shape]
    return {name for name in shared if not torch.equal(now[prefix + name], before[name])}


def test_the_first_stage_leaves_the_encoder_as_it_was(folder: Path, first: Path):
    plain = load_file(folder / "base" / "vae" / "diffusion_pytorch_model.safetensors")
    widened = ("decoder.conv_in.weight", "decoder.conv_out.weight", "decoder.conv_out.bias")
    learns = {name for name in plain if name.startswith("decoder.")} - set(widened)
    assert moved(model_of(folder, "stage1"), plain, "vae.vae.") == learns
    weights = load_file(first)
    assert weights["query.out.weight"].any(), "the mask query has left zero"
    assert not [name for name in weights if name.startswith("adversary")]


def test_the_second_stage_changes_what_the_paper_lets_learn_and_nothing_else(folder: Path, both: Path, first: Path):
    now, plain = model_of(folder, "stage2"), load_file(folder / "base" / "unet" / "diffusion_pytorch_model.safetensors")
    learns = {name for name in plain if name.startswith(("up_blocks.", "conv_norm_out.", "conv_out."))}
    assert moved(now, plain, "generator.unet.") == learns
    copied = {name: value for name, value in plain.items() if f"generator.control.{name}" in now}
    assert moved(now, copied, "generator.control.") == copied.keys()
    entry = now["generator.control.controlnet_cond_embedding.zero.weight"]
    assert entry.any(), "the zero convolution has learned"
    assert not moved({name: value.half() for name, value in now.items()}, load_file(first), "vae.")


@pytest.mark.parametrize(("name", "run"), [(STAGE1, "stage1"), (STAGE2, "stage2")])
def test_a_stage_that_pauses_after_every_step_ends_the_same(folder: Path, first: Path, both: Path, name: str, run: str):
    given = {"rates": ("vae.vae.decoder=0.2",), "accumulate": 2} if name == STAGE1 else {"rates": ("generator.unet.=0.5",)}
    more = ADVERSARIAL if name == STAGE1 else (f"stage1={first}", "pixels=0.1")
    for step in (1, 2, 3):
        weights = go(folder, name, f"{run}-pieces", *more, pause_after_minutes=1e-9, **given)
        assert (weights.parent / FIGURES).exists() == (step == 3)
    assert all(map(torch.equal, load_file(weights).values(), load_file(folder / run / WEIGHTS).values()))


def told(folder: Path, model: Paco) -> Condition:
    """Of two passes, named by CLIP."""
    names = ClipNames(model.config, folder / "base", torch.device("cpu"))
    return Condition(condition(model.config).grid, names.encode([["box"], ["disc", "triangle"]]), names.encode([[]]))


@pytest.mark.parametrize("scheduler", ["ddim", "dpm++"])
@pytest.mark.parametrize(("guidance", "rescale"), [(1.0, 0.0), (9.0, 0.0), (9.0, 0.7)])
def test_what_was_exported_is_loaded_and_sampled(folder: Path, both: Path, scheduler: str, guidance: float, rescale: float):
    model = load_paco(both)
    maps = model.generator.sample(
        told(folder, model), steps=4, scheduler=scheduler, guidance=guidance, guidance_rescale=rescale, generator=seeded()
    )
    assert maps.shape == (2, 4, 8, 8) and maps.isfinite().all()
    colours, logits = model.vae.decode(maps[:1], stripes(2))
    assert colours.shape == (1, 2, 3, 16, 16) and logits.shape == (1, 2, 16, 16)
    assert colours.isfinite().all() and logits.isfinite().all()


def test_rescaled_guidance_has_the_deviation_of_the_answer_with_names():
    torch.manual_seed(0)
    net = stir(Paco(PACO_SD_TINY)).generator.eval()
    noisy, time, about = torch.randn(2, 4, 8, 8, generator=seeded()), torch.tensor(500.0), condition(PACO_SD_TINY)
    with torch.no_grad():
        plain, far, back, half = (
            net.guided(noisy, time, about, guidance, rescale) for guidance, rescale in ((1, 0), (9, 0), (9, 1), (9, 0.5))
        )
    spread = [x.std(dim=(1, 2, 3)) for x in (plain, far, back)]
    assert torch.allclose(spread[2], spread[0], atol=1e-5) and not torch.allclose(spread[1], spread[0], rtol=0.05)
    assert torch.allclose(half, (far + back) / 2, atol=1e-5)


def task_of(kind: Callable[[TaskInputs], Any], folder: Path, *more: str) -> Any:
    told = dict(pair.split("=", 1) for pair in options(folder, *more))
    return kind(TaskInputs((folder / "train.pack",), (), torch.device("cpu"), 2, told))


def test_what_the_paper_says_literally_is_a_switch(folder: Path, first: Path):
    plain, literal = (task_of(Stage1Task, folder, f"literal_sum={choice}").build() for choice in (0, 1))
    assert (plain.vae.config.literal_sum, literal.vae.config.literal_sum) == (False, True)
    pair = [task_of(Stage2Task, folder, f"stage1={first}", f"layerlike={share}").batch(seeded(), 1.0).scenes for share in (0, 1)]
    assert torch.equal(pair[0].composite, pair[1].composite) and not torch.equal(pair[0].sampled, pair[1].sampled)


def kept_bytes(task: Stage2Task) -> tuple[int, dict[str, torch.Tensor]]:
    """What a step keeps for its way back, and the gradients that it finds."""
    torch.manual_seed(0)
    model, batch, kept = stir(task.build()), task.batch(seeded(), 1.0), 0

    def keep(value: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += value.nbytes
        return value

    with saved_tensors_hooks(keep, lambda value: value):
        loss, _ = task.loss(model, batch)
    loss.backward()
    return kept, {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


def test_checkpointing_keeps_less_and_finds_the_same_gradients(folder: Path, first: Path):
    pairs = [
        dict(pair.split("=", 1) for pair in options(folder, f"stage1={first}", *more)) for more in ((), ("checkpointing=1",))
    ]
    inputs = [TaskInputs((folder / "train.pack",), (), torch.device("cpu"), 2, pair) for pair in pairs]
    (all_bytes, gradients), (fewer, same) = (kept_bytes(Stage2Task(one)) for one in inputs)
    assert fewer < 0.6 * all_bytes
    assert gradients.keys() == same.keys()
    assert all(torch.allclose(gradients[name], same[name], atol=1e-6) for name in gradients)


def two_processes(folder: Path, name: str, out: str, *words: str, more: tuple[str, ...] = ()) -> int:
    """The exit code of torchrun."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "paco_core.training"]
    command += [name, "--packs", str(folder / "train.pack"), "--out", str(folder / out), "--device", "cpu", "--batch", "1"]
    command += ["--steps", "4", "--set", *options(folder, *more), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=300).returncode


@pytest.mark.slow
@pytest.mark.parametrize("name", [STAGE1, STAGE2])
def test_two_processes_train_pause_and_go_on(folder: Path, first: Path, name: str):
    more, out = (ADVERSARIAL if name == STAGE1 else (f"stage1={first}",)), f"{name}-two"
    assert two_processes(folder, name, out, "--pause-after-minutes", "1e-9", more=more) != 0
    state = read_checkpoint(folder / out)
    assert state is not None and state["trainer"]["steps"] == 1 and len(state["trainer"]["random_elsewhere"]) == 1
    assert two_processes(folder, name, out, more=more) == 0
    assert (folder / out / FIGURES).exists()
    assert load_file(folder / out / WEIGHTS) if name == STAGE1 else load_paco(folder / out / WEIGHTS)
    assert not [line for line in runlog.read(folder / out) if line["skipped"]]
