"""A bank of whole objects, read from pack files. Needs torch, NumPy and Pillow only: training machines have little else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from paco_core.data.packfile import MARGIN_PX, MAX_SIDE_PX, read_pack
from paco_core.errors import BadInput

BALANCE = 0.5
"""Styles, and categories within a style, count as their number of groups to this power. 1 would let 140 motorbikes among 900
photos rule the scenes, 0 would show a lone bird as often as all motorbikes."""

T = TypeVar("T")


@dataclass(frozen=True)
class Bank:
    """Whole objects to compose scenes of."""

    rgba: torch.Tensor
    """(n, 4, s, s) uint8, straight alpha; box centred, longest side s - 2 ``MARGIN_PX``; colours go on where alpha is 0."""
    names: tuple[str, ...]
    """What each object is called; may be empty."""
    categories: tuple[str, ...]
    styles: tuple[str, ...]
    """``photo``, ``picture``, ``lowpoly``, ``realistic``, ``scan`` …"""
    groups: torch.Tensor
    """(n,) int64: pictures of the same object share a number."""
    weights: torch.Tensor
    """(n,) float32, sum 1: how often to draw each; see ``balanced``."""

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> "Bank":
        """The same bank with its tensors elsewhere."""
        tensors = (self.rgba.to(device), self.groups.to(device), self.weights.to(device))
        return Bank(tensors[0], self.names, self.categories, self.styles, tensors[1], tensors[2])


def read_bank(paths: Sequence[Path], *, size: int, measuring: bool = False) -> Bank:
    """Pack files as one bank of ``size`` px pictures.

    ``measuring`` also takes packs of pictures that nothing may be trained on. Raises ``BadInput`` for what is no pack, is
    damaged, of another version, too large, or not for training.
    """
    if not paths:
        raise BadInput("No pack is given. `paco pack` makes them.")
    if not 4 * MARGIN_PX < size <= MAX_SIDE_PX:
        raise BadInput(f"A bank of {size} px can't be made: choose {4 * MARGIN_PX + 1} to {MAX_SIDE_PX}.")
    rgba, items = [], []
    for path in paths:
        listed, pictures = read_pack(path, size, measuring=measuring)
        items += listed
        rgba.append(pictures)
    columns = {key: tuple(item[key] for item in items) for key in ("name", "category", "style", "group")}
    numbers = {group: n for n, group in enumerate(dict.fromkeys(columns["group"]))}
    return Bank(
        torch.from_numpy(np.concatenate(rgba)),
        columns["name"],
        columns["category"],
        columns["style"],
        torch.tensor([numbers[group] for group in columns["group"]]),
        torch.tensor(balanced(columns["style"], columns["category"], columns["group"]), dtype=torch.float32),
    )


def balanced(styles: Sequence[str], categories: Sequence[str], groups: Sequence[str]) -> list[float]:
    """Weight of every picture, sum 1: shared between styles, then categories, then groups, then a group's pictures.

    Groups of a category count the same; categories and styles as (number of groups) ** ``BALANCE``.
    """
    places = list(zip(styles, categories, groups, strict=True))
    pictures = _counts(places)
    members = _counts(place[:2] for place in pictures)
    by_style = _sums((style, count**BALANCE) for (style, _), count in members.items())
    sizes = _sums((place[0], 1.0) for place in pictures)
    whole = sum(size**BALANCE for size in sizes.values())

    def weight(place: tuple[str, str, str]) -> float:
        of_style = sizes[place[0]] ** BALANCE / whole
        of_category = members[place[:2]] ** BALANCE / by_style[place[0]]
        return of_style * of_category / members[place[:2]] / pictures[place]

    return [weight(place) for place in places]


def _counts(keys: Iterable[T]) -> dict[T, int]:
    found: dict[T, int] = {}
    for key in keys:
        found[key] = found.get(key, 0) + 1
    return found


def _sums(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in pairs:
        found[key] = found.get(key, 0.0) + value
    return found
