"""One description builds every scale of PACO: ``paco-sd`` (the paper's), ``paco-small`` (laptops), tiny ones for trying out."""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from paco_core.errors import BadInput

Fusion = Literal["linear", "stem", "late"]
"""Where objects are added up: behind the first convolution (the paper), behind a residual block more, behind the encoder."""
Prediction = Literal["epsilon", "sample", "flow"]
"""What the generator predicts: the noise (the paper), the clean map, or the velocity noise - map of a straight path."""

WIDEST, DEEPEST, MOST_BUCKETS = 4096, 6, 1 << 16
"""More channels, levels or text buckets than any network of ours has: descriptions that ask for more come from elsewhere."""
SD_SCALING = 0.18215
"""By which Stable Diffusion multiplies latents, so that their deviation is about 1 (Rombach et al. 2022, ``scaling_factor``)."""


@dataclass(frozen=True)
class PacoConfig:
    """Sizes and choices of both stages; whatever is not here is the same at every scale."""

    name: str
    pretrained: bool
    """It starts from Stable Diffusion: what the paper freezes is frozen. Otherwise everything learns."""
    vae_channels: tuple[int, ...]
    """Widths of the autoencoder's levels; every level but the last halves the size."""
    vae_layers: int
    latent_channels: int
    """Channels c of a map; maps are (b, c, h, w) with h, w = picture / ``factor``."""
    query_width: int
    """Width d of the attention of Eq. 1; a multiple of 4."""
    unet_channels: tuple[int, ...]
    unet_layers: int
    unet_attention: tuple[bool, ...]
    """Which levels of the U-Net attend to the names."""
    unet_heads: tuple[int, ...]
    """Attention heads of every level."""
    groups: int
    """Of every group normalisation."""
    text_width: int
    text_slots: int
    text_buckets: int
    """Rows of the table of hashed words; 0: CLIP encodes the names."""
    prediction: Prediction
    latent_mean: tuple[float, ...] = (0.0,)
    """What is subtracted from an autoencoder's latents, one value or one a channel."""
    latent_std: tuple[float, ...] = (1.0,)
    """By which latents are then divided: maps have mean 0 and deviation 1."""
    fusion: Fusion = "linear"
    literal_sum: bool = False
    """Add features up without the correction by the canvas, as Section 4.1 is written."""
    sees_colours: bool = False
    """The decoder knows the visible part's colours, diffused into the hidden part: the mask query reads them, and answers are
    added to them. The photo is at hand whenever a map is decoded; the paper's decoder is told the mask alone. Without them a
    small autoencoder paints everything brown for its first thousand steps (measured)."""
    patch: int = 1
    """The autoencoder reads and writes squares of so many pixels as channels (pixel-unshuffle, linear as the fusion): at 2, its
    finest and dearest convolutions run at half the side."""
    canvas: float = 1.0
    """Colour (-1 to 1) around objects: white, as in Figure 3."""
    linear_projection: bool = False
    """How the U-Net's transformers enter and leave (Stable Diffusion 2 uses linear layers)."""

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise BadInput(f"The description of the network {str(self.name)[:40]!r} can't be built: {problem}.")

    @property
    def factor(self) -> int:
        """Picture side over map side."""
        return self.patch * 2 ** (len(self.vae_channels) - 1)

    def to_json(self) -> str:
        """For the metadata of a file of weights; ``config_from_json`` reads it."""
        return json.dumps(asdict(self), sort_keys=True)


def config_from_json(text: str) -> PacoConfig:
    """What ``to_json`` wrote. Raises ``BadInput`` for anything else."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"The description of the network is no JSON ({error}): take the weights as they were exported.") from error
    kinds = {field.name: field.type for field in fields(PacoConfig)}
    if not isinstance(values, dict) or set(values) != set(kinds):
        raise BadInput("The description of the network has other entries than this version's: export the weights again.")
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    for name, value in given.items():
        if not _fits(value, kinds[name]):
            raise BadInput(f"The description of the network says {name} = {str(value)[:40]!r}: export the weights again.")
    return PacoConfig(**given)


def _problem(config: PacoConfig) -> str:
    """What is wrong, or nothing."""
    sizes = (config.latent_channels, config.query_width, config.text_width, config.text_slots, config.patch, *config.vae_channels)
    layers, levels = (config.vae_layers, config.unet_layers), (len(config.vae_channels), len(config.unet_channels))
    if not 1 <= min(sizes + layers + levels) <= max(sizes) <= WIDEST or max(layers + levels) > DEEPEST:
        return "a size is 0, or larger than any of ours"
    if len({len(config.unet_channels), len(config.unet_attention), len(config.unet_heads)}) > 1:
        return "unet_channels, unet_attention and unet_heads name different numbers of levels"
    if any(width % config.groups for width in (*config.vae_channels, *config.unet_channels)):
        return f"not all widths are multiples of groups={config.groups}"
    if any(width % heads for width, heads in zip(config.unet_channels, config.unet_heads, strict=True)):
        return "not all U-Net widths are multiples of their heads"
    if config.query_width % 4:
        return f"query_width={config.query_width} is no multiple of 4"
    if any(len(values) not in (1, config.latent_channels) for values in (config.latent_mean, config.latent_std)):
        return "latent_mean and latent_std need one value, or one a latent channel"
    return "latent_std has to be above 0" if min(config.latent_std) <= 0 else ""


def _fits(value: object, kind: object) -> bool:
    """Whether a value from outside has the annotated type and a sane size."""
    if kind in (Fusion, Prediction):
        return value in get_args(kind)
    if kind is str or kind is bool:
        return isinstance(value, kind)
    if kind is float:
        return isinstance(value, int | float) and abs(value) <= 1
    if kind is int:
        return type(value) is int and 0 <= value <= MOST_BUCKETS
    if not isinstance(value, tuple) or not 1 <= len(value) <= WIDEST:
        return False
    if kind == tuple[float, ...]:
        return all(isinstance(item, int | float) and abs(item) < WIDEST for item in value)
    if kind == tuple[bool, ...]:
        return all(type(item) is bool for item in value)
    return all(type(item) is int and 1 <= item <= WIDEST for item in value)


PACO_SD = PacoConfig(
    name="paco-sd",
    pretrained=True,
    vae_channels=(128, 256, 512, 512),
    vae_layers=2,
    latent_channels=4,
    query_width=64,
    unet_channels=(320, 640, 1280, 1280),
    unet_layers=2,
    unet_attention=(True, True, True, False),
    unet_heads=(8, 8, 8, 8),
    groups=32,
    text_width=768,
    text_slots=77,
    text_buckets=0,
    prediction="epsilon",
    latent_std=(1 / SD_SCALING,),
)
"""The paper's: Stable Diffusion 1.5."""

PACO_SD21 = replace(PACO_SD, name="paco-sd21", text_width=1024, unet_heads=(5, 10, 20, 20), linear_projection=True)
"""Stable Diffusion 2.1's base, the one for 512 px that predicts noise."""

PACO_SMALL = PacoConfig(
    name="paco-small",
    pretrained=False,
    vae_channels=(64, 96, 128),
    vae_layers=1,
    latent_channels=16,
    query_width=64,
    unet_channels=(64, 96, 128),
    unet_layers=1,
    unet_attention=(False, True, True),
    unet_heads=(2, 3, 4),
    groups=8,
    text_width=128,
    text_slots=12,
    text_buckets=2048,
    prediction="flow",
    sees_colours=True,
    patch=2,
)
"""For laptops, trained from scratch; 16 channels a map, because a map has to hold several objects. 11.9 million weights."""

PACO_TINY = PacoConfig(
    name="paco-tiny",
    pretrained=False,
    vae_channels=(8, 16),
    vae_layers=1,
    latent_channels=4,
    query_width=8,
    unet_channels=(8, 16),
    unet_layers=1,
    unet_attention=(False, True),
    unet_heads=(1, 2),
    groups=4,
    text_width=8,
    text_slots=4,
    text_buckets=64,
    prediction="flow",
)
"""The same classes in milliseconds."""

PACO_SD_TINY = replace(
    PACO_TINY,
    name="paco-sd-tiny",
    pretrained=True,
    text_slots=16,
    text_buckets=0,
    prediction="epsilon",
    latent_std=PACO_SD.latent_std,
)
"""``paco-sd`` with a Stable Diffusion of milliseconds: to try out a folder, a launcher and a recipe."""
