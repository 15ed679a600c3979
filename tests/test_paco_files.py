"""From Stable Diffusion's folders to both stages, and from both stages to one file and back: what fits, what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from paco_core.errors import BadInput
from paco_core.nets.paco import CONFIG_KEY, Paco, load_paco, save_paco
from paco_core.nets.paco_config import PACO_SD, PACO_SD21, PACO_SMALL, PACO_TINY, PacoConfig, config_from_json
from paco_core.nets.parallel_vae import plain_vae
from paco_core.nets.pretrained import check_architecture, generator_from_folder, vae_from_folder
from paco_core.nets.visible_to_complete import plain_unet
from tests.paconets import condition, noise, seeded, stir, stripes, written

STARTED = replace(PACO_TINY, pretrained=True, text_buckets=0, prediction="epsilon")


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


def test_a_u_net_of_the_same_architecture_is_loaded_to_the_last_weight(tmp_path: Path):
    torch.manual_seed(1)
    plain = stir(plain_unet(STARTED))
    net, told, times = generator_from_folder(STARTED, written(plain, tmp_path)), condition(), torch.tensor([10, 900])
    assert torch.allclose(net(noise(), times, told), plain(noise(), times, told.text).sample, atol=1e-5)
    assert net.training and not any(weight.requires_grad for weight in net.unet.mid_block.parameters())


def test_a_u_net_of_another_architecture_is_refused_even_where_its_shapes_fit(tmp_path: Path):
    other = replace(STARTED, unet_heads=(1, 4))
    with pytest.raises(BadInput, match=r"another network than paco-tiny.*attention_head_dim is \[1, 4\], not \[1, 2\]"):
        generator_from_folder(STARTED, written(plain_unet(other), tmp_path))


STABLE_DIFFUSION = {
    "_class_name": "UNet2DConditionModel",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
"""What the folder of Stable Diffusion 1.5 says of its U-Net."""
STABLE_DIFFUSION_2 = {"attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024, "use_linear_projection": True}
"""Where 2.1 differs."""


@pytest.mark.parametrize(("config", "says"), [(PACO_SD, {}), (PACO_SD21, STABLE_DIFFUSION_2)])
def test_both_stable_diffusions_are_known_by_what_their_folders_say(config: PacoConfig, says: dict, tmp_path: Path):
    with torch.device("meta"):
        wanted = plain_unet(config)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(STABLE_DIFFUSION | says))
    check_architecture(wanted, tmp_path, config.name)
    path.write_text(json.dumps(STABLE_DIFFUSION | says | {"transformer_layers_per_block": 1000}))
    with pytest.raises(BadInput, match="transformer_layers_per_block is 1000, not 1"):
        check_architecture(wanted, tmp_path, config.name)


def test_a_folder_with_a_weight_too_many_is_refused(tmp_path: Path):
    path = written(plain_unet(STARTED), tmp_path) / "diffusion_pytorch_model.safetensors"
    save_file(load_file(path) | {"extra.weight": torch.zeros(1)}, path, metadata={"format": "pt"})
    with pytest.raises(BadInput, match=r"extra\.weight"):
        generator_from_folder(STARTED, tmp_path)


def test_one_file_holds_both_stages_and_how_to_build_them(tmp_path: Path):
    config = replace(PACO_TINY, latent_mean=(0.5,), latent_std=(2.0,))
    model = stir(Paco(config)).half().float()
    save_paco(model, tmp_path / "paco.safetensors", about={"step": "3"})
    found = load_paco(tmp_path / "paco.safetensors")
    assert found.config == config and not found.training
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in found.state_dict().items())
    assert len(found.state_dict()) == len(model.state_dict())
    maps = [net.generator.eval().sample(condition(), steps=2, generator=seeded()) for net in (model, found)]
    assert torch.equal(*maps)
    assert torch.equal(*(net.vae.decode(maps[0][:1], stripes(1))[0] for net in (model, found)))


def test_a_file_that_promises_a_larger_network_than_it_holds_is_refused_before_that_is_built(tmp_path: Path):
    path = tmp_path / "paco.safetensors"
    save_paco(Paco(PACO_TINY), path, about={})
    huge = json.dumps(json.loads(PACO_TINY.to_json()) | {"unet_channels": [4096, 4096]})
    save_file(load_file(path), path, metadata={CONFIG_KEY: huge})
    with pytest.raises(BadInput, match="fewer weights than the network it describes"):
        load_paco(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x04rubbish", b"\xff" * 64])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "paco.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="no safetensors file"):
        load_paco(path)
    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(BadInput, match="does not say what network"):
        load_paco(path)
    with pytest.raises(BadInput, match="no file of weights"):
        load_paco(tmp_path / "nowhere.safetensors")
