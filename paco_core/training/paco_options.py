"""What ``--set`` may say to the two tasks of PACO."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from paco_core.errors import BadInput
from paco_core.nets.paco_config import PACO_SD, PACO_SD21, PACO_SD_TINY, PACO_SMALL, PACO_TINY, PacoConfig
from paco_core.registry import did_you_mean

SCALES = {config.name: config for config in (PACO_SMALL, PACO_SD, PACO_SD21, PACO_TINY, PACO_SD_TINY)}
T = TypeVar("T")


@dataclass(frozen=True)
class StageOptions:
    """Of both stages."""

    scale: str = "paco-small"
    """Which network: see ``SCALES``."""
    base: str = ""
    """Folder of a Stable Diffusion as diffusers writes it, for scales that start from one."""
    side: int = 128
    """Of scenes, px; a multiple of what the network shrinks by."""
    small_side: int = 64
    """The same at first …"""
    large_from: float = 0.7
    """… until this share of the budget: small scenes cost a quarter."""
    bank: int = 128
    """Side of the pictures of whole objects that scenes are made of, px: larger scenes want larger ones."""
    literal_sum: int = 0
    """1: objects are added up as section 4.1 is written, canvases and all; the second stage has it from its first."""
    checkpointing: int = 0
    """1: what lies between the blocks of the networks is computed again on the way back, in place of being kept in memory."""

    def side_at(self, share: float) -> int:
        """Of the scenes of a step."""
        return self.small_side if share < self.large_from else self.side

    @property
    def config(self) -> PacoConfig:
        """Raises ``BadInput`` for an unknown scale, and where ``base`` is missing or makes no sense."""
        if self.scale not in SCALES:
            raise BadInput(
                f"--set scale={self.scale} is unknown.{did_you_mean(self.scale, tuple(SCALES))} Known: {', '.join(SCALES)}."
            )
        config = SCALES[self.scale]
        if config.pretrained != bool(self.base):
            needs = (
                "starts from a Stable Diffusion: give --set base=FOLDER"
                if config.pretrained
                else "starts from nothing: leave base out"
            )
            raise BadInput(f"{self.scale} {needs}.")
        if min(self.side, self.small_side) < 1 or self.side % config.factor or self.small_side % config.factor:
            raise BadInput(f"side={self.side} and small_side={self.small_side} have to be multiples of {config.factor}.")
        return replace(config, literal_sum=bool(self.literal_sum))


def read_options(options: Mapping[str, str], kind: type[T], task: str) -> T:
    """``--set name=value`` pairs as a dataclass. Raises ``BadInput`` for an unknown name, and for text in place of a number."""
    kinds = {field.name: type(field.default) for field in fields(kind)}  # pyright: ignore[reportArgumentType]
    values = {}
    for name, text in options.items():
        if name not in kinds:
            raise BadInput(f"{task} has no option {name!r}.{did_you_mean(name, tuple(kinds))} --set takes {', '.join(kinds)}.")
        try:
            values[name] = kinds[name](text)
        except ValueError as error:
            raise BadInput(f"--set {name}={text}: give {'a whole number' if kinds[name] is int else 'a number'}.") from error
    negative = [name for name, value in values.items() if isinstance(value, int | float) and not 0 <= value < float("inf")]
    if negative:
        raise BadInput(f"--set {negative[0]}={values[negative[0]]}: give a number from 0.")
    return kind(**values)
