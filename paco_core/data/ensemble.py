"""Object Ensemble scenes (PACO, Liu et al. 2024, section 4.4): whole objects arranged on a canvas, with everything known.

Composed in torch on the bank's device with fixed shapes and a presence mask; the same code on any device, other random numbers.
"""

from dataclasses import dataclass

import torch

from paco_core.data.arrange import Arrangement, Dice, EnsembleSettings, arrange
from paco_core.data.bank import Bank
from paco_core.data.draw import canvases, draw, draw_alpha, jittered, pixel_centres

SOLID = 0.5
"""Alpha from which a pixel counts as the object's."""
CANDIDATES = 3
"""Arrangements tried for each scene wanted."""
PARTLY = (0.1, 0.9)
"""Share of an object's part within the frame that is visible, where it teaches something: every scene has such a one."""
SURELY = (0.15, 0.85)
"""The same on small masks, which are not exact."""


@dataclass(frozen=True)
class EnsembleBatch:
    """b scenes of n slots, s px; slots go from front to back. Colours are 0 … 1."""

    composite: torch.Tensor
    """(b, 3, s, s): the picture; its canvas's mean colour outside of the frame."""
    objects: torch.Tensor
    """(b, n, 3, s, s): every object whole and alone, on its canvas's mean colour."""
    alpha: torch.Tensor
    """(b, n, s, s): of whole objects, soft."""
    amodal: torch.Tensor
    """(b, n, s, s) bool: whole objects, also outside of the frame."""
    visible: torch.Tensor
    """(b, n, s, s) bool: what the picture shows of them; disjoint, within the frame."""
    labels: torch.Tensor
    """(b, s, s) int64: 0 canvas, else the slot + 1 that is seen."""
    frame: torch.Tensor
    """(b, s, s) bool: what the photo shows; the rest of the canvas holds only truth."""
    canvas: torch.Tensor
    """(b, 3, s, s)."""
    canvas_rgb: torch.Tensor
    """(b, 3): the canvas's mean colour."""
    order: torch.Tensor
    """(b, n, n) int8, antisymmetric: 1 where i hides a part of j that would else be seen, -1 where j hides a part of i."""
    layers: torch.Tensor
    """(b, n) int64: 0 hidden by nobody, else one more than the deepest of those in front; -1 where absent."""
    present: torch.Tensor
    """(b, n) bool."""
    hidden: torch.Tensor
    """(b, n): share of the whole object that is not visible; 0 where absent."""
    ids: torch.Tensor
    """(b, n) int64: indices into the bank (names, categories); -1 where absent."""

    def __len__(self) -> int:
        return len(self.ids)


def compose(
    bank: Bank, generator: torch.Generator, settings: EnsembleSettings, batch: int, photos: torch.Tensor | None = None
) -> EnsembleBatch:
    """``batch`` scenes; the generator lives on the bank's device. ``photos`` (m, 3, h, w) uint8 may be backgrounds.

    Objects that are hidden too much are taken away. Of several arrangements those are drawn in which an object is partly
    hidden; a scene that still has none becomes a copy of one that has. Raises ``ValueError`` for settings that don't fit.
    """
    _check(bank, settings)
    dice = Dice(generator)
    placed, alpha, objects = _drawn(bank, dice, settings, batch)
    frame = _frame_mask(placed, settings.size)
    amodal, visible = _masks(alpha, frame)
    kept = placed.present & _shows_enough(amodal, visible, settings)
    alpha = alpha * kept[..., None, None]
    amodal, visible = _masks(alpha, frame)
    good = _instead_of_bad(_worth(_hidden(amodal & frame[:, None], visible), kept, settings, PARTLY))
    canvas, canvas_rgb = canvases(dice, settings, batch, photos)
    scene = (alpha, objects, frame, amodal, visible, kept, placed.ids)
    alpha, objects, frame, amodal, visible, kept, ids = (value[good] for value in scene)
    objects = objects * kept[..., None, None, None]
    order = _order(amodal & frame[:, None])
    alone = objects + (1 - alpha[:, :, None]) * canvas_rgb[:, None, :, None, None]
    composite = torch.where(frame[:, None], _painted(objects, alpha, canvas), canvas_rgb[..., None, None])
    numbers = torch.arange(1, ids.shape[1] + 1, dtype=torch.uint8, device=ids.device)
    labels = (visible * numbers[:, None, None]).sum(1)
    layers = _layers(order).masked_fill(~kept, -1)
    ids = ids.masked_fill(~kept, -1)
    return EnsembleBatch(
        composite, alone, alpha, amodal, visible, labels, frame, canvas, canvas_rgb, order, layers, kept,
        _hidden(amodal, visible), ids,
    )  # fmt: skip


def _check(bank: Bank, settings: EnsembleSettings) -> None:
    fewest, most = settings.count
    if not 1 <= fewest <= most <= settings.slots:
        raise ValueError(f"{fewest} to {most} objects don't fit into {settings.slots} slots")
    if bank.rgba.shape[-1] % 8:
        raise ValueError(f"pictures of {bank.rgba.shape[-1]} px can't be halved three times: read the bank at a multiple of 8")


def _drawn(bank: Bank, dice: Dice, settings: EnsembleSettings, batch: int) -> tuple[Arrangement, torch.Tensor, torch.Tensor]:
    """The best of many arrangements, as alpha (b, n, s, s) and colours times alpha (b, n, 3, s, s)."""
    tried, looks = arrange(bank, dice, settings, CANDIDATES * batch)
    masks = draw_alpha(looks, tried, max(settings.size // 4, 8))
    frame = _frame_mask(tried, masks.shape[-1])
    kept = tried.present & _shows_enough(*_masks(masks, frame), settings)
    amodal, visible = _masks(masks * kept[..., None, None], frame)
    worth = _worth(_hidden(amodal & frame[:, None], visible), kept, settings, SURELY)
    placed = tried.pick(worth.float().argsort(descending=True, stable=True)[:batch])
    colour, alpha = draw(bank, placed, settings.size)
    return placed, alpha, jittered(colour, alpha, dice, settings.jitter)


def _frame_mask(placed: Arrangement, size: int) -> torch.Tensor:
    at = pixel_centres(size, placed.frame.device)[:, :2]
    low, high = placed.frame[:, None, :2], placed.frame[:, None, 2:]
    return ((at > low) & (at < high)).all(-1).view(-1, size, size)


def _masks(alpha: torch.Tensor, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole and visible masks of slots that go from front to back."""
    amodal = alpha > SOLID
    first = amodal.cumsum(1, dtype=torch.uint8) == 1
    return amodal, amodal & first & frame[:, None]


def _hidden(amodal: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    whole = amodal.sum((2, 3))
    return torch.where(whole > 0, 1 - visible.sum((2, 3)) / whole.clamp(min=1), 0.0)


def _shows_enough(amodal: torch.Tensor, visible: torch.Tensor, settings: EnsembleSettings) -> torch.Tensor:
    shown = visible.sum((2, 3))
    least = (settings.least_visible * amodal.sum((2, 3))).clamp(min=settings.least_area * visible.shape[-1] ** 2)
    return shown >= least


def _worth(hidden: torch.Tensor, kept: torch.Tensor, settings: EnsembleSettings, visible: tuple[float, float]) -> torch.Tensor:
    """Whether scenes have enough objects, one of them partly hidden."""
    partly = kept & (1 - hidden >= visible[0]) & (1 - hidden <= visible[1])
    return partly.any(1) & (kept.sum(1) >= settings.count[0])


def _instead_of_bad(good: torch.Tensor) -> torch.Tensor:
    """Indices of all scenes, those of bad ones replaced by those of good ones where there are any."""
    first = good.float().argsort(descending=True, stable=True)
    every = torch.arange(len(good), device=good.device)
    return torch.where(good | ~good.any(), every, first[every % good.sum().clamp(min=1)])


def _painted(objects: torch.Tensor, alpha: torch.Tensor, canvas: torch.Tensor) -> torch.Tensor:
    """From the back to the front (Porter and Duff 1984, "over")."""
    picture = canvas
    for slot in range(alpha.shape[1] - 1, -1, -1):
        picture = objects[:, slot] + (1 - alpha[:, slot, None]) * picture
    return picture


def _order(amodal: torch.Tensor) -> torch.Tensor:
    flat = amodal.flatten(2).float()
    front = torch.triu((flat @ flat.transpose(1, 2) > 0).to(torch.int8), diagonal=1)
    return front - front.transpose(1, 2)


def _layers(order: torch.Tensor) -> torch.Tensor:
    """Longest chain of occluders; slots go from front to back, so that one pass is enough."""
    layers = torch.zeros(order.shape[:2], dtype=torch.int64, device=order.device)
    for slot in range(1, order.shape[1]):
        layers[:, slot] = ((layers[:, :slot] + 1) * (order[:, :slot, slot] > 0)).amax(1)
    return layers
