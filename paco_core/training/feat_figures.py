"""How good features are, on objects that they have not seen, next to an untrained network of the same shape."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from paco_core.data.bank import Bank, read_bank
from paco_core.errors import BadInput
from paco_core.nets.features import FeatureNet, means
from paco_core.training.trials import Distance, agreement, rising
from paco_core.training.views import Shelf, draw_views

SIDE_PX = 128
"""Of the pictures that are measured with; twice what the network is trained at: it is to hold for larger pictures, too."""
MAX_OBJECTS, MAX_TRIALS = 400, 48
"""Objects to find again, and pictures to damage: about 20 s on a processor."""
NEIGHBOURS = 5
SEED = 20_24
"""Of what is drawn to measure with, which is the same in every run."""


@dataclass(frozen=True)
class HeldOut:
    """Two pictures of every object: other views where there are some, always on other canvases, in other light."""

    queries: torch.Tensor
    """(n, 3, side, side), 0 to 1."""
    gallery: torch.Tensor
    """The other picture of each."""
    categories: tuple[str, ...]
    has_views: torch.Tensor
    """(n,) bool: the two are different views of a model, not one picture twice."""
    control: dict[str, float] = field(default_factory=dict)
    """Figures of the untrained network; filled when they are first needed."""


def read_held_out(packs: Sequence[Path], device: torch.device) -> HeldOut:
    """Pictures of at most ``MAX_OBJECTS`` objects, spread over all. Raises ``BadInput`` for no pack, and for one object alone."""
    bank = read_bank(packs, size=SIDE_PX, measuring=True)
    first, second = _two_of_each(bank)
    if len(first) < 2:
        raise BadInput(f"{packs[0]} holds one object: nothing to tell it from. Give --held-out a pack of several.")
    shelf = Shelf.of(bank)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        queries, gallery = (
            _drawn(shelf, index, generator).to(device, memory_format=torch.channels_last) for index in (first, second)
        )
    categories = tuple(bank.categories[i] for i in first.tolist())
    return HeldOut(queries, gallery, categories, (first != second).to(device))


def figures(net: nn.Module, held_out: HeldOut) -> dict[str, float]:
    """All figures of a network, and under ``untrained …`` those of the same network with the weights it started from."""
    if not held_out.control:
        with torch.random.fork_rng([]):
            torch.manual_seed(SEED)
            control = FeatureNet().to(held_out.queries.device).eval()
        held_out.control.update({f"untrained {name}": value for name, value in _figures(control, held_out).items()})
    return {**_figures(net, held_out), **held_out.control}


@torch.no_grad()
def _figures(net: nn.Module, held_out: HeldOut) -> dict[str, float]:
    queries, gallery = (embedded(net, pictures) for pictures in (held_out.queries, held_out.gallery))
    nearest = (queries @ gallery.T).argmax(dim=1)
    found = (nearest == torch.arange(len(nearest), device=nearest.device)).float()
    views = held_out.has_views
    trials = held_out.queries[:: max(1, len(queries) // MAX_TRIALS)]
    from_originals = distance_from(net, trials)
    answers = agreement(trials, from_originals, seed=SEED)
    climbs = rising(trials, from_originals, seed=SEED)
    return {
        **({"other view found": found[views].mean().item()} if views.any() else {}),
        **({"same picture found": found[~views].mean().item()} if not views.all() else {}),
        "category of 5 nearest": _category_right(queries, held_out.categories),
        "2AFC": sum(answers.values()) / len(answers),
        **{f"2AFC {question}": share for question, share in answers.items()},
        **{f"rises with {name}": share for name, share in climbs.items()},
    }


def embedded(net: nn.Module, pictures: torch.Tensor) -> torch.Tensor:
    """(n, d) unit vectors."""
    return functional.normalize(torch.cat([means(net(part)) for part in pictures.split(64)]), dim=1)


def distance_from(net: nn.Module, originals: torch.Tensor) -> Distance:
    """Means over pixels of squared differences of maps with unit vectors at each, summed over the stages."""

    def unit_maps(pictures: torch.Tensor) -> list[torch.Tensor]:
        return [functional.normalize(m.float(), dim=1) for m in net(pictures)]

    true = unit_maps(originals)

    def distance(pictures: torch.Tensor) -> torch.Tensor:
        apart = zip(unit_maps(pictures), true, strict=True)
        return torch.stack([(a - b).square().sum(1).mean((1, 2)) for a, b in apart]).sum(0)

    return distance


def _category_right(unit: torch.Tensor, categories: Sequence[str]) -> float:
    """Share of pictures whose category most of the nearest others have (the nearest one decides between equals)."""
    near = (unit @ unit.T).fill_diagonal_(-2).topk(min(NEIGHBOURS, len(unit) - 1), dim=1).indices.tolist()
    votes = [[categories[j] for j in row] for row in near]
    return sum(max(row, key=row.count) == own for row, own in zip(votes, categories, strict=True)) / len(categories)


def _two_of_each(bank: Bank) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices of the first and of the middle picture of every object, objects spread evenly."""
    members: dict[int, list[int]] = {}
    for i, group in enumerate(bank.groups.tolist()):
        members.setdefault(group, []).append(i)
    rows = list(members.values())
    rows = rows[:: -(-len(rows) // MAX_OBJECTS)]
    return torch.tensor([row[0] for row in rows]), torch.tensor([row[len(row) // 2] for row in rows])


def _drawn(shelf: Shelf, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.cat([draw_views(shelf, part, SIDE_PX, generator) for part in index.split(64)])
