"""What real masks and photos do to a network's input: rough outlines, gaps, holes, shadows. Targets are never touched."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from paco_core.data.arrange import Dice

AT_PX = 128
"""Side at which the lengths of ``Roughness`` hold."""
GRAIN = (10, 40)
"""Cells a side of the two random fields that outlines follow: waves as of coarse polygons, and raggedness as of pixels."""
AWAY = 0.6
"""Share of the masks that keep away from their neighbours, in scenes with gaps."""
LEAST_LEFT = 0.4
"""A mask that would keep a smaller share of its area stays as it is."""
HOLE_CELLS = 12
"""Cells a side of the field whose peaks become holes …"""
HOLE_PEAK = 1.6
"""… above so many deviations: about three blobs of 5 px on the canvas."""
SHADOW_CELLS = 3
"""Cells a side of the fields that are shadows: large and smooth, as those of what stands outside of the photo."""
SHADOW_EDGE = (2.0, 12.0)
"""Steepness of their borders, from none to be seen to about 5 px."""


@dataclass(frozen=True)
class Roughness:
    """How much of it. Lengths are px at ``AT_PX`` a side. With exact masks only, gaps of 2 px cost a network everything."""

    share: float = 0.5
    """Of the scenes with moved outlines; as many have gaps."""
    shift_px: float = 2.0
    """Every mask grows or shrinks by up to so much …"""
    alike: float = 0.0
    """… in this share of the scenes all of them by the same: who draws one too small draws the others too small …"""
    rough_px: float = 1.0
    """… and from place to place by about so much more or less."""
    gap_px: int = 3
    """Widest gap between neighbours; 1 is the narrowest."""
    holes: float = 0.15
    """Share of the masks with holes."""
    shadows: float = 0.4
    """Share of the pictures with a shadow."""
    darkest: float = 0.45
    """What the deepest shadow leaves of the light."""


def rough_masks(visible: torch.Tensor, generator: torch.Generator, roughness: Roughness) -> torch.Tensor:
    """Visible masks (b, n, s, s), bool, as somebody or something less exact would have drawn them; disjoint if they were.

    Of a pixel that two grown masks claim, one gets it, so that some hiding objects shrink. A mask that would lose most of
    itself, as thin ones do, stays as it is; no mask is lost.
    """
    dice = Dice(generator)
    scenes = len(visible)
    moved = _one_owner(_moved(visible, dice, roughness), dice)
    rough = torch.where(_some(dice, scenes, roughness.share), moved, visible)
    rough = torch.where(_some(dice, scenes, roughness.share), _parted(rough, dice, roughness), rough)
    holes = _noise(dice, visible.shape[:2], HOLE_CELLS, visible.shape[-1]) > HOLE_PEAK
    rough = rough & ~(holes & (dice.uniform(*visible.shape[:2], 1, 1) < roughness.holes))
    left, whole = (masks.sum((2, 3), keepdim=True) for masks in (rough, visible))
    thin = left < LEAST_LEFT * whole
    rough = torch.where(thin, visible, rough & ~(visible & thin).any(1, keepdim=True))
    gone = (whole > 0) & ~rough.flatten(2).any(2)[..., None, None]
    return torch.where(gone.any(1, keepdim=True), visible, rough)


def shadowed(rgb: torch.Tensor, generator: torch.Generator, roughness: Roughness) -> torch.Tensor:
    """Pictures (b, 3, s, s), 0 … 1, some with a soft shadow over a part of them."""
    dice = Dice(generator)
    scenes = len(rgb)
    edge = dice.uniform(scenes, 1, 1, 1, low=SHADOW_EDGE[0], high=SHADOW_EDGE[1])
    dark = torch.sigmoid(edge * _noise(dice, (scenes, 1), SHADOW_CELLS, rgb.shape[-1]))
    depth = dice.uniform(scenes, 1, 1, 1, high=1 - roughness.darkest)
    return torch.where(_some(dice, scenes, roughness.shadows), rgb * (1 - depth * dark), rgb)


def _some(dice: Dice, scenes: int, share: float) -> torch.Tensor:
    return dice.uniform(scenes, 1, 1, 1) < share


def _noise(dice: Dice, shape: tuple[int, int] | torch.Size, cells: int, size: int) -> torch.Tensor:
    """Smooth random fields (*shape, size, size) of about unit deviation."""
    coarse = dice.normal(*shape, cells, cells)
    return functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)


def _moved(masks: torch.Tensor, dice: Dice, roughness: Roughness) -> torch.Tensor:
    """Outlines moved out and in: a blurred mask, cut at another height from place to place.

    Across a straight outline a box blur of k px falls by 1/k a pixel, so that a height is a distance.
    """
    unit = masks.shape[-1] / AT_PX
    reach = max(1, round((roughness.shift_px + 1.5 * roughness.rough_px) * unit))
    width = 2 * reach + 1
    blurred = masks.float()
    for kernel, padding in (((width, 1), (reach, 0)), ((1, width), (0, reach))):
        blurred = functional.avg_pool2d(blurred, kernel, stride=1, padding=padding, count_include_pad=False)
    shift = roughness.shift_px * dice.uniform(*masks.shape[:2], 1, 1, low=-1)
    shift = torch.where(_some(dice, len(masks), roughness.alike), shift[:, :1], shift)
    waves, ragged = (_noise(dice, masks.shape[:2], cells, masks.shape[-1]) for cells in GRAIN)
    distance = (shift + roughness.rough_px * (0.7 * waves + 0.3 * ragged)) * unit
    height = (0.5 - distance / width).clamp(0.5 / width, 1 - 0.5 / width)
    return blurred > height


def _one_owner(masks: torch.Tensor, dice: Dice) -> torch.Tensor:
    """Disjoint masks: of those that claim a pixel, the one with the highest lot gets it."""
    lots = masks * dice.uniform(*masks.shape[:2], 1, 1, low=0.1)
    return masks & (lots >= lots.amax(1, keepdim=True))


def _parted(masks: torch.Tensor, dice: Dice, roughness: Roughness) -> torch.Tensor:
    """Masks that keep away from their neighbours, some of them: gaps of 1 … ``gap_px``, twice that where both do."""
    widest = max(1, round(roughness.gap_px * masks.shape[-1] / AT_PX))
    gap = 1 + (dice.uniform(len(masks), 1, 1, 1) * widest).long()
    away = dice.uniform(*masks.shape[:2], 1, 1) < AWAY
    parted, grown = masks, masks.float()
    for width in range(1, widest + 1):
        grown = functional.max_pool2d(grown, 3, stride=1, padding=1)
        near_another = grown.sum(1, keepdim=True) - grown > 0
        parted = torch.where((gap == width) & away, masks & ~near_another, parted)
    return parted
