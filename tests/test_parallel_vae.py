"""PACO's first stage: what a sum of objects holds, and how one of them comes out again."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from paco_core.nets.mask_query import MaskQuery, sine_positions
from paco_core.nets.paco_config import PACO_SD, PACO_SMALL, PACO_TINY, Fusion, PacoConfig
from paco_core.nets.parallel_vae import MASK_LOGIT, ParallelVae, latent_statistics, plain_vae
from tests.paconets import SIDE_PX, changed, on_canvas, seeded, stir, stripes

FUSIONS: tuple[Fusion, ...] = ("linear", "stem", "late")
STARTED = replace(PACO_TINY, pretrained=True)


def made(config: PacoConfig = PACO_TINY) -> ParallelVae:
    torch.manual_seed(0)
    return ParallelVae(config).eval()


def here(objects: int = 3) -> torch.Tensor:
    return torch.ones(1, objects, dtype=torch.bool)


@pytest.mark.parametrize("canvas", [1.0, 0.0])
def test_the_sum_over_disjoint_parts_is_the_feature_of_their_composite(canvas: float):
    vae, masks = made(replace(PACO_TINY, canvas=canvas)), stripes()
    parts = on_canvas(masks, canvas)
    composite = ((parts - canvas) * masks[:, :, None]).sum(1) + canvas
    plain = vae.vae.encoder.conv_in(composite)
    assert torch.allclose(vae.superposed(parts), plain, atol=1e-5)
    assert torch.allclose(vae.summed(parts, here()), plain, atol=1e-5)


@pytest.mark.parametrize("canvas", [1.0, 0.0])
def test_the_plain_sum_of_the_paper_is_not(canvas: float):
    parts = on_canvas(stripes(), canvas)
    literal = made(replace(PACO_TINY, canvas=canvas, literal_sum=True))
    corrected = made(replace(PACO_TINY, canvas=canvas))
    assert (literal.summed(parts, here()) - corrected.superposed(parts)).abs().mean() > 0.05
    one = parts[:, :1]
    assert torch.allclose(literal.encode(one, here(1)).mean, corrected.encode(one, here(1)).mean, atol=1e-5)


def test_the_fast_path_is_the_slow_one_for_overlapping_objects():
    vae = made()
    rgb = torch.rand(2, 4, 3, SIDE_PX, SIDE_PX, generator=seeded()) * 2 - 1
    assert torch.allclose(vae.superposed(rgb), vae.summed(rgb, torch.ones(2, 4, dtype=torch.bool)), atol=1e-5)


@pytest.mark.parametrize("literal", [False, True])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_absent_slots_change_nothing_whatever_they_hold(fusion: Fusion, literal: bool):
    vae, masks = made(replace(PACO_TINY, fusion=fusion, literal_sum=literal)), stripes(2)
    rgb = on_canvas(masks, 1.0)
    rubbish = torch.full_like(rgb[:, :1], float("nan"))
    more, alpha = torch.cat([rgb, rubbish], dim=1), torch.cat([masks, masks[:, :1]], dim=1)
    alone = vae.encode(rgb, here(2), masks).mean
    assert torch.allclose(vae.encode(more, torch.tensor([[True, True, False]]), alpha).mean, alone, atol=1e-5)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_order_of_objects_changes_nothing(fusion: Fusion):
    vae, masks = made(replace(PACO_TINY, fusion=fusion)), stripes(3)
    rgb, turned = on_canvas(masks, 1.0), torch.tensor([2, 0, 1])
    one, other = vae.encode(rgb, here(), masks), vae.encode(rgb[:, turned], here(), masks[:, turned])
    assert torch.allclose(one.mean, other.mean, atol=1e-5) and torch.allclose(one.logvar, other.logvar, atol=1e-5)


def test_no_objects_are_the_empty_canvas():
    vae = made()
    nothing = vae.encode(torch.zeros(1, 2, 3, SIDE_PX, SIDE_PX), torch.zeros(1, 2, dtype=torch.bool)).mean
    canvas = vae.encode(torch.ones(1, 1, 3, SIDE_PX, SIDE_PX), here(1)).mean
    assert torch.allclose(nothing, canvas, atol=1e-5)


def test_fresh_weights_hardly_add_noise():
    deviation = made().encode(on_canvas(stripes(), 1.0), here()).std
    assert deviation.shape == (1, 4, SIDE_PX // 2, SIDE_PX // 2) and deviation.max() < 0.15


def test_at_the_start_colours_are_those_of_the_plain_decoder_and_no_pixel_is_claimed():
    torch.manual_seed(0)
    plain: Any = plain_vae(PACO_TINY).eval()
    latents = torch.randn(2, 4, 8, 8, generator=seeded())
    expected = plain.decode(latents).sample
    rgb, logits = ParallelVae(PACO_TINY, plain).eval().decode(latents, stripes(3).expand(2, -1, -1, -1))
    assert rgb.shape == (2, 3, 3, SIDE_PX, SIDE_PX) and logits.shape == (2, 3, SIDE_PX, SIDE_PX)
    assert torch.allclose(rgb, expected[:, None].expand_as(rgb), atol=1e-5)
    assert torch.allclose(logits, torch.full_like(logits, MASK_LOGIT))


def test_once_trained_each_mask_and_its_occluder_ask_for_something_else_and_by_themselves():
    vae, masks = stir(made()), stripes(3)
    full_map = torch.randn(1, 4, 8, 8, generator=seeded())
    rgb, logits = vae.decode(full_map, masks)
    assert (rgb[:, 0] - rgb[:, 1]).abs().max() > 1e-3
    alone, alone_logits = vae.decode(full_map, masks[:, 1:2])
    assert torch.allclose(rgb[:, 1:2], alone, atol=1e-4) and torch.allclose(logits[:, 1:2], alone_logits, atol=1e-4)
    assert (vae.decode(full_map, masks, masks.roll(1, 1))[1] - logits).abs().max() > 1e-3


def test_an_autoencoder_that_sees_colours_starts_from_them():
    vae, masks = made(replace(PACO_TINY, sees_colours=True)), stripes(2)
    colour = torch.tensor([0.5, -0.25, 0.75]).view(1, 3, 1, 1)
    picture = torch.where(masks[:, :1] > 0, colour, torch.rand(1, 3, SIDE_PX, SIDE_PX, generator=seeded()))
    answer = vae.decode(torch.randn(1, 4, 8, 8, generator=seeded()), masks, None, picture)[0]
    assert torch.allclose(answer[:, 0], colour.expand_as(answer[:, 0]), atol=1e-5)


def test_an_autoencoder_that_sees_colours_reads_them_within_the_masks_alone():
    vae, masks = stir(made(replace(PACO_TINY, sees_colours=True))), stripes(2)
    full_map = torch.randn(1, 4, 8, 8, generator=seeded())
    picture = torch.rand(1, 3, SIDE_PX, SIDE_PX, generator=seeded()) * 2 - 1
    within = masks.amax(1, keepdim=True) > 0
    answer = vae.decode(full_map, masks, None, picture)
    elsewhere = vae.decode(full_map, masks, None, torch.where(within, picture, -picture))
    other = vae.decode(full_map, masks, None, torch.where(within, -picture, picture))
    assert torch.equal(answer[0], elsewhere[0]) and (answer[0] - other[0]).abs().max() > 1e-3
    with pytest.raises(ValueError, match="give the picture"):
        vae.decode(full_map, masks)


@pytest.mark.parametrize("patch", [1, 2])
def test_pictures_of_any_patch_come_back_at_their_size(patch: int):
    config = replace(PACO_TINY, patch=patch)
    vae = made(config)
    side = 4 * config.factor
    latents = vae.encode(torch.rand(2, 3, 3, side, side), torch.ones(2, 3, dtype=torch.bool)).mode()
    assert latents.shape == (2, 4, 4, 4)
    colours, logits = vae.decode(latents, torch.ones(2, 2, side, side))
    assert colours.shape == (2, 2, 3, side, side) and logits.shape == (2, 2, side, side)
    assert torch.allclose(logits, torch.full_like(logits, MASK_LOGIT))


def test_far_from_a_mask_the_answer_still_depends_on_the_place():
    torch.manual_seed(0)
    query = MaskQuery(4, 16, 2)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 2:6, 2:6] = 1
    answer = query(torch.randn(1, 4, 16, 16), torch.stack([mask, torch.zeros_like(mask)], dim=2))
    assert answer[0, :, 8:, 8:].flatten(1).std(1).max() > 1e-2


def test_positions_differ_between_all_cells():
    cells = sine_positions(16, 8, 8)[0].flatten(1).T
    assert torch.cdist(cells, cells)[~torch.eye(64, dtype=torch.bool)].min() > 0.1


def test_standardised_latents_have_mean_0_and_deviation_1_and_decode_takes_them_back():
    latents = torch.randn(64, 4, 8, 8, generator=seeded()) * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None] + 5
    mean, std = latent_statistics(latents)
    vae, unscaled = made(replace(PACO_TINY, latent_mean=mean, latent_std=std)), made()
    maps = vae.standardise(latents)
    assert torch.allclose(maps.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
    assert torch.allclose(maps.std((0, 2, 3)), torch.ones(4), atol=1e-4)
    masks = stripes(1)
    assert torch.allclose(vae.decode(maps[:1], masks)[0], unscaled.decode(latents[:1], masks)[0], atol=1e-4)


def test_one_step_moves_the_decoder_and_the_query_and_nothing_that_is_frozen():
    vae = stir(made(STARTED)).train()

    def step() -> None:
        optimiser = torch.optim.AdamW(vae.parameters(), lr=1e-2)
        latents = vae.encode(on_canvas(stripes(), 1.0), here()).mode()
        rgb, logits = vae.decode(vae.standardise(latents), stripes())
        (rgb.square().mean() + logits.square().mean()).backward()
        optimiser.step()

    moved = set(changed(vae, step))
    learns = {name for name in vae.state_dict() if name.startswith(("vae.decoder.", "query."))}
    # one bias in front of a softmax over keys can't change it: its gradient is 0 but for rounding
    assert moved <= learns and learns - moved <= {name for name in learns if name.endswith(("to_k.bias", "key.bias"))}


def test_fresh_networks_learn_everywhere():
    assert all(weight.requires_grad for weight in made().parameters())


def test_the_decoder_of_stable_diffusion_has_50_million_weights_that_learn():
    with torch.device("meta"):
        vae, small = ParallelVae(PACO_SD), ParallelVae(PACO_SMALL)
    learns = sum(weight.numel() for weight in vae.parameters() if weight.requires_grad)
    assert sum(weight.numel() for weight in plain_vae_decoder()) == 49_490_179
    assert learns == 49_905_924 and sum(weight.numel() for weight in vae.parameters()) == 84_069_608
    assert sum(weight.numel() for weight in small.parameters()) == 3_672_416


def plain_vae_decoder() -> list[torch.Tensor]:
    with torch.device("meta"):
        return list(plain_vae(PACO_SD).decoder.parameters())
