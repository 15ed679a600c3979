"""PACO's second stage: what it starts as, what learns, how maps are sampled, and both stages in one file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from paco_core.errors import BadInput
from paco_core.nets.conditioning import condition_grid, edge_map
from paco_core.nets.diffusion import BETAS, SAMPLERS, TRAIN_STEPS, clean_from, draw_times, noised, sampler, target
from paco_core.nets.names_text import ClipNames, HashedNames
from paco_core.nets.paco import CONFIG_KEY, Paco, load_paco, save_paco
from paco_core.nets.paco_config import PACO_SD, PACO_SD21, PACO_SMALL, PACO_TINY, PacoConfig, Prediction
from paco_core.nets.pretrained import check_architecture, generator_from_folder
from paco_core.nets.visible_to_complete import VisibleToComplete, plain_unet
from tests.paconets import changed, condition, seeded, stir, stripes, written

STARTED = replace(PACO_TINY, pretrained=True, text_buckets=0, prediction="epsilon")
PREDICTIONS: tuple[Prediction, ...] = ("epsilon", "sample", "flow")
FOLLOWS = [(prediction, name) for prediction, names in SAMPLERS.items() for name in names]


def made(config: PacoConfig = PACO_TINY) -> VisibleToComplete:
    torch.manual_seed(0)
    return VisibleToComplete(config).eval()


def noise(rows: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, 4, 8, 8, generator=seeded(seed))


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
    assert count(small) == count(small, learns=True) == 11_956_228 < 12_000_000
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


def test_the_order_of_objects_changes_neither_grid_nor_hashed_names():
    masks, turned = stripes(3), torch.tensor([2, 0, 1])
    grids = [condition_grid(noise(1), some, some[:, :0].sum(1, keepdim=True)) for some in (masks, masks[:, turned])]
    assert torch.equal(*grids)
    names = stir(HashedNames(PACO_SMALL))
    one, other = names.encode([("red chair", "dog")]), names.encode([("dog", "red chair")])
    assert torch.allclose(one.sum(1), other.sum(1), atol=1e-5)


def test_hashed_names_are_the_same_everywhere_and_alike_for_alike_words():
    names = HashedNames(PACO_SMALL)
    tokens = names.tokens([("Dog",), ("dogs",), ("teapot",), ()])
    # crc32("<dog>") % 2048 + 1, worked out with zlib outside of this project
    assert tokens.shape == (4, 12, 16) and tokens[0, 0, :4].tolist() == CRC_OF_DOG
    dog, dogs, teapot, nothing = (set(row[row > 0].tolist()) for row in tokens)
    assert len(dog & dogs) >= 2 and len(dog & teapot) == 0 and not nothing
    vectors = stir(names)(tokens)
    assert vectors.shape == (4, 12, 128) and torch.equal(vectors[3], names.nothing.expand(12, -1))


CRC_OF_DOG = [1561, 1933, 382, 1477]


@given(st.lists(st.lists(st.text(max_size=60), max_size=20), min_size=1, max_size=3))
def test_any_names_become_tokens_of_the_table(several: list[list[str]]):
    tokens = HashedNames(PACO_TINY).tokens(several)
    assert tokens.shape == (len(several), 4, 16) and tokens.min() >= 0 and tokens.max() <= PACO_TINY.text_buckets


def test_a_folder_of_the_same_architecture_is_loaded_to_the_last_weight(tmp_path: Path):
    torch.manual_seed(1)
    plain = stir(plain_unet(STARTED))
    net, told, times = generator_from_folder(STARTED, written(plain, tmp_path)), condition(), torch.tensor([10, 900])
    assert torch.allclose(net(noise(), times, told), plain(noise(), times, told.text).sample, atol=1e-5)
    assert net.training and not any(weight.requires_grad for weight in net.unet.mid_block.parameters())


def test_a_folder_of_another_architecture_is_refused_even_where_its_shapes_fit(tmp_path: Path):
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


def clip_folder(folder: Path, width: int) -> Path:
    """A tiny CLIP as Stable Diffusion carries it; every letter is a token."""
    transformers = pytest.importorskip("transformers", reason="CLIP needs the package transformers")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer" / "tokenizer_config.json").write_text('{"tokenizer_class": "CLIPTokenizer"}')
    sizes = {"hidden_size": width, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"vocab_size": len(words), "bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": 0}
    tiny = transformers.CLIPTextConfig(**sizes, **ends, max_position_embeddings=16)
    transformers.CLIPTextModel(tiny).save_pretrained(folder / "text_encoder")
    return folder


def test_clip_reads_names_joined_by_and(tmp_path: Path):
    config = replace(STARTED, text_slots=16)
    names = ClipNames(config, clip_folder(tmp_path, width=8), torch.device("cpu"))
    text = names.encode([("a", "b"), ("a and b",), ("b", "a"), ()])
    assert text.shape == (4, 16, 8) and not text.requires_grad
    assert torch.allclose(text[0], text[1]) and not torch.allclose(text[0], text[2])


def test_a_clip_of_another_width_or_none_is_refused(tmp_path: Path):
    folder = clip_folder(tmp_path / "wide", width=16)
    with pytest.raises(BadInput, match="makes 16 numbers a word, paco-tiny reads 8"):
        ClipNames(replace(STARTED, text_slots=16), folder, torch.device("cpu"))
    with pytest.raises(BadInput, match="no CLIP text encoder"):
        ClipNames(STARTED, tmp_path / "nowhere", torch.device("cpu"))
