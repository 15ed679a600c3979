"""PACO's second stage: what it starts as, what learns, how maps are sampled, and both stages in one file."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paco_core.errors import BadInput
from paco_core.nets.conditioning import condition_grid, edge_map
from paco_core.nets.diffusion import BETAS, SAMPLERS, TRAIN_STEPS, clean_from, draw_times, noised, sampler, target
from paco_core.nets.paco import Paco
from paco_core.nets.paco_config import PACO_SD, PACO_SMALL, PACO_TINY, PacoConfig, Prediction
from paco_core.nets.visible_to_complete import VisibleToComplete
from tests.paconets import changed, condition, noise, seeded, stir, stripes

STARTED = replace(PACO_TINY, pretrained=True, text_buckets=0, prediction="epsilon")
PREDICTIONS: tuple[Prediction, ...] = ("epsilon", "sample", "flow")
FOLLOWS = [(prediction, name) for prediction, names in SAMPLERS.items() for name in names]


def made(config: PacoConfig = PACO_TINY) -> VisibleToComplete:
    torch.manual_seed(0)
    return VisibleToComplete(config).eval()


def count(net: torch.nn.Module, *, learns: bool = False) -> int:
    return sum(weight.numel() for weight in net.parameters() if weight.requires_grad or not learns)


def test_at_the_start_the_answer_is_that_of_the_plain_network():
    net, times = made(), torch.tensor([10.0, 900.0])
    told = condition()
    skips, middle = net.control(noise(), times, told.text, told.grid, return_dict=False)
    assert len(skips) == 4 and all(not residual.any() for residual in (*skips, middle))
    assert torch.equal(net(noise(), times, told), net.unet(noise(), times, told.text).sample)


def test_once_trained_the_condition_matters():
    net, times = stir(made()), torch.tensor([500.0, 500.0])
    assert not torch.allclose(net(noise(), times, condition()), net(noise(), times, condition(seed=5)), atol=1e-3)


def test_the_copy_starts_as_the_encoder_it_copies():
    net = made()
    theirs, ours = net.unet.state_dict(), net.control.state_dict()
    shared = [name for name in ours if name in theirs]
    assert any(name.startswith("mid_block.") for name in shared) and any(name.startswith("down_blocks.") for name in shared)
    assert all(torch.equal(ours[name], theirs[name]) for name in shared)


def test_one_step_moves_the_decoder_and_the_copy_and_nothing_that_is_frozen():
    net = stir(made(STARTED)).train()

    def step() -> None:
        optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2)
        net(noise(), torch.tensor([10, 900]), condition()).square().mean().backward()
        optimiser.step()

    moved = set(changed(net, step))
    learns = {name for name in net.state_dict() if name.startswith(("unet.up_blocks.", "unet.conv_norm_out.", "unet.conv_out."))}
    learns |= {name for name in net.state_dict() if name.startswith("control.")}
    assert moved == learns


def test_the_first_step_leaves_the_zero_convolutions():
    net = made(STARTED).train()

    def step() -> None:
        optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
        net(noise(), torch.tensor([10, 900]), condition()).square().mean().backward()
        optimiser.step()

    moved = set(changed(net, step))
    assert {name for name in moved if name.startswith("control.")} == {
        f"control.{part}.{kind}"
        for part in [*(f"controlnet_down_blocks.{index}" for index in range(4)), "controlnet_mid_block"]
        for kind in ("weight", "bias")
    }


def test_the_scales_have_the_sizes_that_are_promised():
    with torch.device("meta"):
        large, small = VisibleToComplete(PACO_SD), Paco(PACO_SMALL)
    assert count(large) == 1_219_716_164 and count(large, learns=True) == 871_003_204
    assert count(small) == count(small, learns=True) == 11_984_016 < 12_000_000
    assert len(large.control.controlnet_down_blocks) == 12


@pytest.mark.parametrize(("prediction", "name"), FOLLOWS)
def test_sampling_depends_on_its_generator_alone(prediction: Prediction, name: str):
    net = stir(made(replace(PACO_TINY, prediction=prediction)))
    told = condition()
    one, same, other = (net.sample(told, steps=3, scheduler=name, generator=seeded(seed)) for seed in (0, 0, 1))
    assert one.shape == (2, 4, 8, 8) and one.isfinite().all()
    assert torch.equal(one, same) and not torch.allclose(one, other)


class Knows(VisibleToComplete):
    """A network that knows the answer: ``clean``."""

    clean: torch.Tensor
    rows: list[int]

    def forward(self, noisy, times, condition):
        self.rows.append(len(noisy))
        times = times.expand(len(noisy)).float()
        clean = self.clean.expand_as(noisy)
        if self.config.prediction == "sample":
            return clean
        if self.config.prediction == "flow":
            return (noisy - clean) / (times / TRAIN_STEPS)[:, None, None, None]
        kept = sampler("epsilon", "ddim", 1).alphas_cumprod[times.long()][:, None, None, None]
        return (noisy - kept.sqrt() * clean) / (1 - kept).sqrt()


def knowing(prediction: Prediction) -> Knows:
    net = Knows(replace(PACO_TINY, prediction=prediction))
    net.clean, net.rows = noise(1, seed=7), []
    return net


@pytest.mark.parametrize("steps", [1, 4, 20])
@pytest.mark.parametrize(("prediction", "name"), FOLLOWS)
def test_a_network_that_knows_the_answer_is_sampled_to_it(prediction: Prediction, name: str, steps: int):
    net = knowing(prediction)
    found = net.sample(condition(), steps=steps, scheduler=name, generator=seeded())
    assert (found - net.clean).abs().max() < 1e-3
    assert net.rows == [2] * steps


def test_every_step_is_reported():
    heard = []

    def hear(stage: str, done: int, total: int, note: str = "") -> None:
        heard.append((stage, done, total))

    knowing("flow").sample(condition(), steps=3, progress=hear)
    assert heard == [("denoise", 1, 3), ("denoise", 2, 3), ("denoise", 3, 3)]


def test_guidance_of_1_needs_no_second_pass_and_more_doubles_the_rows():
    net = knowing("flow")
    net.sample(condition(), steps=2, guidance=1.0, generator=seeded())
    net.sample(condition(), steps=2, guidance=3.0, generator=seeded())
    assert net.rows == [2, 2, 4, 4]


def test_guidance_goes_from_no_names_through_the_names_and_on():
    net, told, time = stir(made()), condition(), torch.tensor(500.0)
    nothing = replace(told, text=told.no_text.expand_as(told.text))
    without, with_names = net(noise(), time, nothing), net(noise(), time, told)
    assert torch.allclose(net.guided(noise(), time, told, 0.0), without, atol=1e-5)
    assert torch.allclose(net.guided(noise(), time, told, 9.0), without + 9 * (with_names - without), atol=1e-4)


def test_names_are_dropped_row_by_row():
    told = condition()
    dropped = told.without_names(torch.tensor([True, False]))
    assert torch.equal(dropped.text[0], told.no_text[0]) and torch.equal(dropped.text[1], told.text[1])
    assert dropped.grid is told.grid


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_a_sampler_that_can_t_follow_and_no_steps_are_refused(prediction: Prediction):
    with pytest.raises(BadInput, match="can't follow a network that predicts"):
        sampler(prediction, "flow-euler" if prediction != "flow" else "ddim", 4)
    with pytest.raises(BadInput, match="0 steps"):
        sampler(prediction, "", 0)


@given(st.sampled_from(PREDICTIONS), st.integers(0, 999), st.integers(0, 9))
def test_the_target_leads_back_to_the_clean_map(prediction: Prediction, time: int, seed: int):
    clean, added, times = noise(seed=seed), noise(seed=seed + 10), torch.tensor([float(time)] * 2)
    noisy = noised(clean, added, times, prediction)
    back = clean_from(target(clean, added, prediction), noisy, times, prediction)
    assert torch.allclose(back, clean, atol=1e-3)


def test_training_and_sampling_use_the_schedule_of_stable_diffusion():
    assert BETAS["beta_schedule"] == "scaled_linear"
    kept = sampler("epsilon", "ddim", 10).alphas_cumprod
    ones, zeros = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
    at_999 = noised(ones, zeros, torch.tensor([999.0]), "epsilon")
    assert at_999.item() == pytest.approx(kept[999].sqrt().item()) and 0.06 < at_999.item() < 0.07
    assert sampler("epsilon", "ddim", 10).timesteps[0] == sampler("sample", "dpm++", 1).timesteps[0] == 999
    assert sampler("flow", "", 4).timesteps.tolist() == [1000, 750, 500, 250]


def test_times_are_within_the_schedule_and_whole_where_they_have_to_be():
    times = draw_times(1000, "epsilon", seeded())
    assert torch.equal(times, times.round()) and times.min() >= 0 and times.max() <= 999
    straight = draw_times(1000, "flow", seeded())
    assert straight.min() >= 0 and straight.max() < TRAIN_STEPS and not torch.equal(straight, straight.round())


def test_a_grid_holds_the_map_the_cover_of_objects_and_occluders_and_their_edges():
    masks = stripes(2)
    occluders = torch.zeros(1, 1, 16, 16)
    occluders[..., 0, :] = 1
    partial = noise(1)
    grid = condition_grid(partial, masks, occluders)
    assert grid.shape == (1, 7, 8, 8) and torch.equal(grid[:, :4], partial)
    assert grid[0, 4].sum() * 4 == masks.sum() and torch.allclose(grid[0, 5, 0], torch.full((8,), 0.5))
    assert grid[0, 5, 1:].sum() == 0 and set(grid[0, 6].unique().tolist()) == {0.0, 1.0}


def test_edges_stand_between_touching_objects_and_on_both_sides():
    masks = torch.zeros(1, 2, 6, 6)
    masks[:, 0, :, :3], masks[:, 1, :, 3:] = 1, 1
    assert torch.equal(edge_map(masks)[0, 0], torch.tensor([0.0, 0, 1, 1, 0, 0]).expand(6, 6))
    assert not edge_map(masks.amax(1, keepdim=True)).any()


def test_the_order_of_objects_does_not_change_the_grid():
    masks, turned = stripes(3), torch.tensor([2, 0, 1])
    grids = [condition_grid(noise(1), some, some[:, :0].sum(1, keepdim=True)) for some in (masks, masks[:, turned])]
    assert torch.equal(*grids)
