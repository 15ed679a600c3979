"""Square crops round single hidden objects of Object Ensemble scenes: what a network that completes one object is given.

Torch on the scenes' device, fixed shapes. ``windows`` is also the rule by which crops are made of photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch.nn import functional

from paco_core.data.ensemble import SOLID, EnsembleBatch
from paco_core.nets.direct_plan import MARGIN, REACH

HIDDEN = (0.03, 0.85)
"""Share of an object that is hidden, of those that are worth a crop."""


@dataclass(frozen=True)
class Crops:
    """m crops of s px; masks are float 0 or 1."""

    rgb: torch.Tensor
    """(m, 3, s, s): the picture, 0 … 1."""
    visible: torch.Tensor
    """(m, 1, s, s): of one object, as given to the network."""
    occluder: torch.Tensor
    """(m, 1, s, s): what is visible of everything in front of it, and all that lies outside of the photo."""
    truth: torch.Tensor
    """(m, 3, s, s): the whole object's colours, right within ``amodal``."""
    amodal: torch.Tensor
    """(m, 1, s, s): the whole object."""
    shown: torch.Tensor
    """(m, 1, s, s): what the picture truly shows of it."""
    hidden: torch.Tensor
    """(m,): share of the whole object that is not visible."""

    def __len__(self) -> int:
        return len(self.rgb)

    def pick(self, index: torch.Tensor | slice) -> "Crops":
        """Some of them."""
        return Crops(*(getattr(self, field.name)[index] for field in fields(self)))

    def mirrored(self) -> "Crops":
        """All of them, left and right swapped."""
        pictures = (getattr(self, field.name) for field in fields(self) if field.name != "hidden")
        return Crops(*(picture.flip(3) for picture in pictures), hidden=self.hidden)


def joined(parts: Sequence[Crops]) -> Crops:
    """All crops of ``parts``, which have one side, one after the other."""
    return Crops(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Crops)))


def windows(visible: torch.Tensor, occluder: torch.Tensor) -> torch.Tensor:
    """(m, 3): centre x, y and side, px, of the square round the visible part and what hides it nearby.

    Masks (m, h, w) bool. The square may leave the picture. An empty visible mask gets a square round the whole picture.
    """
    near = _boxes(visible)
    reach = REACH * (near[:, 2:] - near[:, :2]).amax(1, keepdim=True)
    x = torch.arange(visible.shape[2], device=visible.device) + 0.5
    y = torch.arange(visible.shape[1], device=visible.device) + 0.5
    left, top, right, bottom = torch.cat([near[:, :2] - reach, near[:, 2:] + reach], 1)[..., None].unbind(1)
    columns, rows = (x > left) & (x < right), (y > top) & (y < bottom)
    box = _boxes(visible | occluder & rows[:, :, None] & columns[:, None, :])
    low, high = box[:, :2], box[:, 2:]
    return torch.cat([(low + high) / 2, MARGIN * (high - low).amax(1, keepdim=True)], 1)


def crop(pictures: torch.Tensor, windows_px: torch.Tensor, side_px: int) -> torch.Tensor:
    """(m, c, side, side), bilinear: the windows (m, 3) of pictures (m, c, h, w); 0 outside of the pictures."""
    height, width = pictures.shape[2:]
    size = torch.tensor([width, height], device=pictures.device)
    centre, scale = windows_px[:, :2] / size * 2 - 1, windows_px[:, 2:] / size
    theta = torch.cat([torch.diag_embed(scale), centre[..., None]], 2)
    grid = functional.affine_grid(theta, [len(pictures), pictures.shape[1], side_px, side_px], align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="zeros", align_corners=False)


def draw_crops(batch: EnsembleBatch, generator: torch.Generator, *, count: int, side_px: int) -> Crops:
    """``count`` crops of partly hidden objects, drawn from all of ``batch``; some of them twice where there are too few."""
    given = batch.visible
    scene, slot = _targets(batch, generator, count)
    front = in_front(batch.order)[scene, :, slot]
    own = given[scene, slot]
    occluder = (given[scene] & front[..., None, None]).any(1) | ~batch.frame[scene]
    alpha = batch.alpha[scene, slot, None]
    truth = _straight(batch.objects[scene, slot], alpha, batch.canvas_rgb[scene])
    masks = torch.stack([own, occluder, batch.visible[scene, slot]], 1).float()
    cut = crop(torch.cat([batch.composite[scene], truth, masks, alpha], 1), windows(own, occluder), side_px)
    rgb, colours, solid = cut[:, :3], cut[:, 3:6], (cut[:, 6:] > SOLID).float()
    own, occluder, shown, amodal = solid.split(1, 1)
    return Crops(rgb, own, occluder * (1 - own), colours, amodal, shown * amodal, batch.hidden[scene, slot])


def _targets(batch: EnsembleBatch, generator: torch.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Scenes and slots of ``count`` objects, those that are partly hidden before all others."""
    worth = batch.present & (batch.hidden > HIDDEN[0]) & (batch.hidden < HIDDEN[1])
    lots = torch.rand(worth.shape, generator=generator, device=worth.device)
    order = (lots + worth + batch.present).flatten().argsort(descending=True)
    turn = torch.arange(count, device=worth.device) % worth.sum().clamp(min=1)
    chosen = order[turn]
    return chosen // worth.shape[1], chosen % worth.shape[1]


def in_front(order: torch.Tensor) -> torch.Tensor:
    """(b, n, n) bool: i hides a part of j, itself or through others."""
    front = order > 0
    for _ in range(order.shape[1].bit_length()):
        front = front | (front.float() @ front.float() > 0)
    return front


def _straight(colours: torch.Tensor, alpha: torch.Tensor, canvas: torch.Tensor) -> torch.Tensor:
    """Colours without what the canvas (m, 3) adds at soft edges; the canvas where the object is not."""
    behind = canvas[..., None, None]
    own = (colours - (1 - alpha) * behind) / alpha.clamp(min=SOLID)
    return torch.where(alpha > SOLID, own.clamp(0, 1), colours)


def _boxes(masks: torch.Tensor) -> torch.Tensor:
    """(m, 4) float: left, top, right, bottom in px; the whole picture for an empty mask."""
    columns, rows = masks.any(1).float(), masks.any(2).float()
    left, top = columns.argmax(1), rows.argmax(1)
    right = columns.shape[1] - columns.flip(1).argmax(1)
    bottom = rows.shape[1] - rows.flip(1).argmax(1)
    return torch.stack([left, top, right, bottom], 1).float()
