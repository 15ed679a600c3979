"""PACO's first stage: what a sum of objects holds, and how one of them comes out again."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from paco_core.errors import BadInput
from paco_core.nets.mask_query import MaskQuery, sine_positions
from paco_core.nets.paco_config import PACO_SD, PACO_SMALL, PACO_TINY, Fusion, PacoConfig, config_from_json
from paco_core.nets.parallel_vae import MASK_LOGIT, ParallelVae, latent_statistics, plain_vae
from paco_core.nets.pretrained import vae_from_folder
from tests.paconets import SIDE_PX, changed, on_canvas, seeded, stir, stripes, written

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


def test_far_from_a_mask_the_answer_still_depends_on_the_place():
    torch.manual_seed(0)
    query = MaskQuery(4, 16, 2)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 2:6, 2:6] = 1
    answer = query(torch.randn(1, 4, 16, 16), mask, torch.zeros_like(mask))
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
    assert sum(weight.numel() for weight in small.parameters()) == 3_644_628


def plain_vae_decoder() -> list[torch.Tensor]:
    with torch.device("meta"):
        return list(plain_vae(PACO_SD).decoder.parameters())


def test_a_folder_of_the_same_architecture_is_loaded_to_the_last_weight(tmp_path: Path):
    torch.manual_seed(1)
    plain: Any = stir(plain_vae(STARTED))
    latents = torch.randn(1, 4, 8, 8, generator=seeded())
    expected = plain.decode(latents).sample
    vae = vae_from_folder(STARTED, written(plain, tmp_path))
    assert torch.allclose(vae.decode(latents, stripes(1))[0][:, 0], expected, atol=1e-5)
    assert not any(weight.requires_grad for weight in vae.vae.encoder.parameters())


def test_old_names_of_attention_layers_are_read(tmp_path: Path):
    plain: Any = stir(plain_vae(STARTED))
    path = written(plain, tmp_path) / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = load_file(path)
    for new, name in old.items():
        state = {key.replace(f"attentions.0.{new}.", f"attentions.0.{name}."): value for key, value in state.items()}
    save_file(state, path, metadata={"format": "pt"})
    vae = vae_from_folder(STARTED, tmp_path)
    names = [name for name in plain.state_dict() if name.startswith("encoder.")]
    assert all(torch.equal(vae.vae.state_dict()[name], plain.state_dict()[name]) for name in names)


def test_a_folder_of_another_architecture_is_refused(tmp_path: Path):
    other = replace(STARTED, vae_channels=(8, 8))
    with pytest.raises(BadInput, match=r"another network.*block_out_channels is \[8, 8\], not \[8, 16\]"):
        vae_from_folder(STARTED, written(plain_vae(other), tmp_path))


def test_a_folder_whose_latents_are_scaled_otherwise_is_refused(tmp_path: Path):
    path = written(plain_vae(STARTED), tmp_path) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scaling_factor": 0.13025}))
    with pytest.raises(BadInput, match=r"scaling_factor is 0\.13025, not 0\.18215"):
        vae_from_folder(STARTED, tmp_path)


def test_a_folder_whose_weights_are_not_those_it_describes_is_refused(tmp_path: Path):
    path = written(plain_vae(STARTED), tmp_path) / "diffusion_pytorch_model.safetensors"
    state = load_file(path)
    del state["decoder.conv_in.bias"]
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(BadInput, match=r"decoder\.conv_in\.bias"):
        vae_from_folder(STARTED, tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadInput, match="can't be read as AutoencoderKL"):
        vae_from_folder(STARTED, tmp_path)


def test_weights_that_can_carry_code_are_not_read(tmp_path: Path):
    plain = written(plain_vae(STARTED), tmp_path)
    (plain / "diffusion_pytorch_model.safetensors").rename(plain / "diffusion_pytorch_model.bin")
    with pytest.raises(BadInput, match="can carry code"):
        vae_from_folder(STARTED, plain)
    with pytest.raises(BadInput, match=r"config\.json is not there"):
        vae_from_folder(STARTED, tmp_path / "nowhere")


@pytest.mark.parametrize("config", [PACO_SD, PACO_SMALL, PACO_TINY, STARTED])
def test_a_description_survives_its_file(config: PacoConfig):
    assert config_from_json(config.to_json()) == config


@pytest.mark.parametrize(
    "change",
    [
        {"vae_channels": (8, 1 << 20)},
        {"vae_channels": (9, 16)},
        {"vae_channels": (8,) * 9},
        {"latent_std": (0.0,)},
        {"latent_mean": (0.0, 0.0)},
        {"unet_layers": 4000},
        {"query_width": 6},
        {"text_width": 0},
        {"unet_heads": (1,)},
    ],
)
def test_a_description_that_can_t_be_built_is_refused(change: dict):
    with pytest.raises(BadInput, match="can't be built"):
        replace(PACO_TINY, **change)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "paco"}', "[" * 100_000])
def test_a_description_that_is_none_is_refused(text: str):
    with pytest.raises(BadInput, match="The description of the network"):
        config_from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"fusion": "sum"},
        {"canvas": "white"},
        {"unet_heads": [1, "2"]},
        {"vae_channels": []},
        {"vae_channels": 8},
        {"text_buckets": 1 << 40},
        {"latent_std": [float("nan")]},
        {"pretrained": 1},
        {"more": 1},
    ],
)
def test_a_description_with_wrong_values_is_refused(change: dict):
    text = json.dumps(json.loads(PACO_TINY.to_json()) | change)
    with pytest.raises(BadInput, match="The description of the network"):
        config_from_json(text)
