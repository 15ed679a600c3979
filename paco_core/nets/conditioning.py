"""What the generator is told beside the noise: the visible parts, who hides them, edges and names (PACO, Section 4.2)."""

from dataclasses import dataclass

import torch
from torch.nn import functional

MASK_CHANNELS = 3
"""Of a grid, behind the partial map: the sampled objects, their occluders, the edges of both."""


@dataclass(frozen=True)
class Condition:
    """Of one pass. All on one device."""

    grid: torch.Tensor
    """(b, c + 3, h, w): see ``condition_grid``."""
    text: torch.Tensor
    """(b, slots, width): the names of the sampled objects."""
    no_text: torch.Tensor
    """(1, slots, width): no names, for guidance."""

    def without_names(self, rows: torch.Tensor) -> "Condition":
        """Names taken away where ``rows`` (b,) says so: a network trained like this can be guided (Ho & Salimans 2022)."""
        text = torch.where(rows[:, None, None], self.no_text, self.text)
        return Condition(self.grid, text, self.no_text)

    def doubled(self) -> "Condition":
        """All rows without names, then all rows with them; the grid is the same in both."""
        nothing = self.no_text.expand_as(self.text)
        return Condition(torch.cat([self.grid, self.grid]), torch.cat([nothing, self.text]), self.no_text)


def condition_grid(partial_map: torch.Tensor, masks: torch.Tensor, occluders: torch.Tensor) -> torch.Tensor:
    """(b, c + 3, h, w) from the map (b, c, h, w) of the visible parts, the sampled objects' visible masks (b, n, H, W) and
    their occluders' (b, m, H, W), 0 to 1; empty slots are all zero.

    Masks shrink by area, so that a cell knows how much of it is covered; edges by their maximum, so that thin ones survive.
    """
    masks, occluders = masks.to(partial_map.dtype), occluders.to(partial_map.dtype)
    size = (partial_map.shape[-2], partial_map.shape[-1])
    covered = torch.cat([masks.amax(1, keepdim=True), occluders.amax(1, keepdim=True)], dim=1)
    edges = edge_map(torch.cat([masks, occluders], dim=1))
    shrunk = functional.adaptive_avg_pool2d(covered, size)
    return torch.cat([partial_map, shrunk, functional.adaptive_max_pool2d(edges, size)], dim=1)


def edge_map(masks: torch.Tensor) -> torch.Tensor:
    """(b, n, H, W) to (b, 1, H, W): 1 on both sides of every outline (morphological gradient, 3 x 3)."""
    widest = functional.max_pool2d(masks, 3, stride=1, padding=1)
    narrowest = -functional.max_pool2d(-masks, 3, stride=1, padding=1)
    return (widest - narrowest).amax(1, keepdim=True)
