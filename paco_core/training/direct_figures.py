"""How well ``pcnet`` completes objects that it has not seen, next to what needs no training, and pictures of it."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from paco_core.data.crops import Crops
from paco_core.nets.priors import close_gaps, diffused, known_colours
from paco_core.training.direct_crops import HeldOut

PART = 32
"""Crops at a time."""
DIRECTIONS = 128
"""Of the half-planes that a hull is cut out of: it is wider by 1 % of an edge's length at most."""
CLOSED_FORM = "hull & occluder"
DIFFUSED = "diffused"
TINTS = {"visible": (0.2, 0.9, 0.3), "occluder": (0.9, 0.2, 0.2)}
TINT = 0.45
"""Strength of the colours that masks are shown with."""
GAP = 2
"""White px between pictures of a sheet."""


def figures(model: nn.Module, held_out: HeldOut) -> dict[str, float]:
    """Figures of the network and of the control, for exact and for loose masks; names begin with the pack's."""
    if not held_out.control:
        held_out.control.update(_named(held_out, without_network))
    return {**_named(held_out, lambda crops: judged(*completed(model, crops), crops)), **held_out.control}


def _named(held_out: HeldOut, measure: Callable[[Crops], dict[str, float]]) -> dict[str, float]:
    kinds = {"exact": held_out.exact, "loose": held_out.loose}
    return {f"{held_out.name}, {kind}: {name}": value for kind, crops in kinds.items() for name, value in measure(crops).items()}


@torch.no_grad()
def completed(model: nn.Module, crops: Crops) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole masks (m, 1, s, s), float 0 or 1, and colours (m, 3, s, s): what is given stays, the rest is the network's."""
    masks, pictures = [], []
    for rgb, visible, occluder in zip(*(x.split(PART) for x in (crops.rgb, crops.visible, crops.occluder)), strict=True):
        colours, logit, place = model(rgb, visible, occluder)
        masks.append(torch.maximum(visible, (logit > 0) * place))
        pictures.append(torch.where(visible > 0, rgb, colours.clamp(0, 1)))
    return torch.cat(masks), torch.cat(pictures)


def without_network(crops: Crops) -> dict[str, float]:
    """The hull where something hides it, and diffused colours: under their names, next to those of the network."""
    place = close_gaps(crops.visible, crops.occluder)
    masks = torch.maximum(crops.visible, hulls(crops.visible) * place)
    pictures = torch.where(crops.visible > 0, crops.rgb, diffused(crops.rgb, known_colours(crops.visible)))
    method = {"hidden IoU": CLOSED_FORM, "amodal IoU": CLOSED_FORM, "hidden PSNR": DIFFUSED, "gradient energy": DIFFUSED}
    return {f"{name}, {method[name]}": value for name, value in judged(masks, pictures, crops).items()}


def judged(masks: torch.Tensor, pictures: torch.Tensor, crops: Crops) -> dict[str, float]:
    """Means of IoU over objects; PSNR (dB) of all hidden pixels together; the median of how sharp hidden parts are."""
    hidden = crops.amodal * (1 - crops.shown)
    error = ((pictures - crops.truth).square() * hidden).sum() / (3 * hidden.sum().clamp(min=1))
    return {
        "hidden IoU": _iou(masks * (1 - crops.shown), hidden),
        "amodal IoU": _iou(masks, crops.amodal),
        "hidden PSNR": -10 * math.log10(max(float(error), 1e-5)),
        "gradient energy": _sharpness(pictures, crops.truth, hidden),
    }


def hulls(masks: torch.Tensor) -> torch.Tensor:
    """Convex hulls (m, 1, s, s) of masks that are float 0 or 1; empty ones of empty masks."""
    side = masks.shape[-1]
    line = torch.arange(side, device=masks.device, dtype=torch.float32)
    inside, filled = torch.ones_like(masks, dtype=torch.bool), masks > 0
    for step in range(DIRECTIONS):
        angle = 2 * math.pi * step / DIRECTIONS
        along = math.cos(angle) * line + math.sin(angle) * line[:, None]
        farthest = along.masked_fill(~filled, -math.inf).amax((2, 3), keepdim=True)
        inside &= along <= farthest + 1e-3
    return inside.float()


def _iou(masks: torch.Tensor, truth: torch.Tensor) -> float:
    both, either = (masks * truth).sum((1, 2, 3)), torch.maximum(masks, truth).sum((1, 2, 3))
    return float((both[either > 0] / either[either > 0]).mean())


def _sharpness(pictures: torch.Tensor, truth: torch.Tensor, hidden: torch.Tensor) -> float:
    """Median of gradient energy / the truth's, where all neighbours are hidden, too; flat truths don't count."""
    inner = 1 - functional.max_pool2d(1 - hidden, 3, stride=1, padding=1)
    ours, true = ((_energy(picture) * inner).sum((1, 2, 3)) for picture in (pictures, truth))
    told = true > 1e-3
    return float((ours[told] / true[told]).median()) if told.any() else math.nan


def _energy(picture: torch.Tensor) -> torch.Tensor:
    grey = picture.mean(1, keepdim=True)
    down, across = torch.gradient(grey, dim=(2, 3))
    return down.square() + across.square()


def sheet(model: nn.Module, crops: Crops, rows: int) -> np.ndarray:
    """uint8 (h, w, 3): ``rows`` rows of given, answer and truth, next to each other until the crops are used up."""
    masks, pictures = completed(model, crops)
    given = crops.rgb
    for tint, mask in zip(TINTS.values(), (crops.visible, crops.occluder), strict=True):
        given = given + TINT * mask * (given.new_tensor(tint)[:, None, None] - given)
    shown = [given, _on_white(pictures, masks), _on_white(crops.truth, crops.amodal)]
    cells = torch.cat([functional.pad(picture, (GAP, GAP, GAP, GAP), value=1.0) for picture in shown], dim=3)
    columns = [torch.cat(list(part), dim=1) for part in cells.split(rows) if len(part) == rows]
    return (255 * torch.cat(columns, dim=2)).round().byte().permute(1, 2, 0).cpu().numpy()


def _on_white(pictures: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    return 1 - masks + masks * pictures
