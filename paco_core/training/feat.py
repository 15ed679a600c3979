"""The task ``paco-feat-1``: features of pictures of objects, for a perceptual distance and for KID.

Contrastive by object (supervised contrastive loss, Khosla et al., NeurIPS 2020, arXiv:2004.11362, equation 2: pictures of the
same object attract), with two more heads: what category it is, and what is wrong with the picture.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from paco_core.data.bank import Bank, read_bank
from paco_core.errors import BadInput
from paco_core.nets.features import WIDTHS, FeatureNet, means
from paco_core.training.distortions import KINDS, distort
from paco_core.training.feat_figures import SEED, HeldOut, embedded, figures, read_held_out
from paco_core.training.task import Defaults, TaskInputs
from paco_core.training.views import Shelf, draw_views

SIDE_PX, BANK_PX = 64, 128
TEMPERATURE = 0.1
"""Of the contrastive loss, as in its paper."""
CATEGORY_WEIGHT, FLAW_WEIGHT = 0.3, 1.0
EMBEDDING = 128
SHOWN = 100
"""Training pictures that a sample is chosen of, where none are held out."""
SAMPLE_ROWS, SAMPLE_COLUMNS = 10, 7


class FeatModel(nn.Module):
    """The network and the heads that teach it; the heads don't ship."""

    def __init__(self, categories: int) -> None:
        super().__init__()
        self.net = FeatureNet()
        wide = sum(WIDTHS)
        self.embed = nn.Sequential(nn.Linear(wide, wide), nn.SiLU(), nn.Linear(wide, EMBEDDING))
        self.category = nn.Linear(wide, categories)
        self.flaws = nn.Linear(wide, len(KINDS))


@dataclass(frozen=True)
class FeatBatch:
    """Two pictures of every object, one half of the batch after the other."""

    rgb: torch.Tensor
    """(n, 3, side, side), 0 to 1."""
    groups: torch.Tensor
    categories: torch.Tensor
    flaws: torch.Tensor
    """(n, kinds): strengths, 0 to 1."""


class FeatTask:
    """See ``paco_core.training.task.Task``."""

    name = "paco-feat-1"
    defaults = Defaults(batch=128, lr=2e-3, minutes=40.0, ema=0.998)

    def __init__(self, inputs: TaskInputs) -> None:
        if inputs.options:
            raise BadInput(f"{self.name} has no options of its own: leave out --set {next(iter(inputs.options))}.")
        if inputs.batch < 4 or inputs.batch % 2:
            raise BadInput(f"--batch {inputs.batch}: {self.name} needs an even number from 4, two pictures of every object.")
        bank = read_bank(inputs.packs, size=BANK_PX).to(inputs.device)
        self.objects = inputs.batch // 2
        self.shelf, self.weights, self.groups = Shelf.of(bank), bank.weights, bank.groups
        self.categories = _numbered(bank.categories).to(inputs.device)
        self.partners = Partners(bank)
        self.held_out: HeldOut | None = read_held_out(inputs.held_out, inputs.device) if inputs.held_out else None
        self.shown = self._shown(inputs.device)

    def build(self) -> FeatModel:
        """Network and heads."""
        return FeatModel(int(self.categories.max()) + 1)

    def shipped(self, model: nn.Module) -> nn.Module:
        """The network alone."""
        return model.get_submodule("net")

    def about(self, model: nn.Module) -> dict[str, str]:
        """Nothing: there is one such network."""
        return {}

    def batch(self, generator: torch.Generator, share: float) -> FeatBatch:
        """Objects drawn by the bank's weights, two pictures of each (other views where there are some), with flaws."""
        first = torch.multinomial(self.weights, self.objects, replacement=True, generator=generator)
        index = torch.cat([first, self.partners.draw(first, generator)])
        rgb, flaws = distort(draw_views(self.shelf, index, SIDE_PX, generator), generator)
        rgb = rgb.contiguous(memory_format=torch.channels_last)
        return FeatBatch(rgb, self.groups[index], self.categories[index], flaws)

    def loss(self, model: nn.Module, batch: FeatBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Contrastive + category + flaws."""
        assert isinstance(model, FeatModel)
        maps = model.net(batch.rgb)
        features, judged = means(maps), model.net.vector(maps)
        same = contrastive(model.embed(features).float(), batch.groups)
        category = functional.cross_entropy(model.category(features).float(), batch.categories)
        flaws = functional.binary_cross_entropy_with_logits(model.flaws(judged).float(), batch.flaws)
        parts = {"same": same.detach(), "category": category.detach(), "flaws": flaws.detach()}
        return same + CATEGORY_WEIGHT * category + FLAW_WEIGHT * flaws, parts

    def sample(self, model: nn.Module) -> np.ndarray:
        """Objects on the left (held-out ones where there are some), and the other pictures that are nearest to each."""
        pictures = self.shown
        unit = embedded(self.shipped(model), pictures)
        order = (unit @ unit.T).fill_diagonal_(2).topk(min(SAMPLE_COLUMNS, len(unit)), dim=1).indices[:SAMPLE_ROWS]
        sheet = torch.cat([torch.cat(list(pictures[row]), dim=2) for row in order], dim=1)
        return (255 * sheet).round().byte().permute(1, 2, 0).cpu().numpy()

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """See ``feat_figures``; empty without held-out packs."""
        return {} if self.held_out is None else figures(self.shipped(model), self.held_out)

    def _shown(self, device: torch.device) -> torch.Tensor:
        if self.held_out is not None:
            return torch.cat([self.held_out.queries, self.held_out.gallery])
        generator = torch.Generator(device).manual_seed(SEED)
        index = torch.multinomial(self.weights, SHOWN, replacement=True, generator=generator)
        return draw_views(self.shelf, index, SIDE_PX, generator)


class Partners:
    """For every picture of a bank, the pictures of the same object."""

    def __init__(self, bank: Bank) -> None:
        self.order = bank.groups.argsort(stable=True)
        self.place = self.order.argsort()
        _, number, counts = bank.groups.unique(return_inverse=True, return_counts=True)
        self.start, self.count = (counts.cumsum(0) - counts)[number], counts[number]

    def draw(self, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Another picture of each object (n,); the same one where there is no other."""
        start, count = self.start[index], self.count[index]
        further = 1 + (torch.rand(len(index), generator=generator, device=index.device) * (count - 1)).long()
        return self.order[start + (self.place[index] - start + further) % count]


def contrastive(embedded: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """Supervised contrastive loss of (n, d) vectors; every group must be there twice."""
    unit = functional.normalize(embedded, dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    logits = (unit @ unit.T / TEMPERATURE).masked_fill(itself, float("-inf"))
    positive = (groups[:, None] == groups) & ~itself
    log_share = logits - logits.logsumexp(dim=1, keepdim=True)
    return -(log_share.masked_fill(~positive, 0).sum(1) / positive.sum(1)).mean()


def _numbered(texts: tuple[str, ...]) -> torch.Tensor:
    numbers = {text: n for n, text in enumerate(dict.fromkeys(texts))}
    return torch.tensor([numbers[text] for text in texts])
