"""What are the features of `paco-feat-1` worth, next to per-pixel errors and to an untrained network of the same shape?

python benchmarks/features.py PACK … [--weights FILE]; packs that nothing was trained on. Prints the tables of its model card.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from skimage.metrics import structural_similarity

from paco_core.backends.paco_feat import WEIGHTS
from paco_core.data.bank import read_bank
from paco_core.evaluation.distribution import kid
from paco_core.nets.features import FeatureNet
from paco_core.nets.weights import load_weights
from paco_core.training.feat_figures import MAX_TRIALS, SEED, distance_from, figures, read_held_out
from paco_core.training.trials import Distance, agreement, blurred, holed, noisy, rising, smeared

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
CORRUPTIONS = {"blur": (blurred, 1.5), "noise": (noisy, 0.06), "smear": (smeared, 0.2), "hole": (holed, 0.12)}
SEEDS = 2


def psnr_from(true: torch.Tensor) -> Distance:
    return lambda rgb: (rgb - true).square().mean(dim=(1, 2, 3))


def ssim_from(true: torch.Tensor) -> Distance:
    similarity = partial(structural_similarity, channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5)

    def distance(rgb: torch.Tensor) -> torch.Tensor:
        similar = [similarity(a.numpy(), b.numpy(), use_sample_covariance=False) for a, b in zip(rgb, true, strict=True)]
        return 1 - torch.tensor(np.array(similar))

    return distance


def row(name: str, values: list[float]) -> str:
    return f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |"


def head(*names: str) -> str:
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def print_pairs(distances: dict[str, Distance], trials: torch.Tensor) -> None:
    for title, measure in (("agrees in", agreement), ("rises with", rising)):
        columns = {name: measure(trials, distance, seed=SEED) for name, distance in distances.items()}
        print(f"\n{head(title, *columns)}")
        for question in next(iter(columns.values())):
            print(row(question, [shares[question] for shares in columns.values()]))
        print(row("mean", [sum(shares.values()) / len(shares) for shares in columns.values()]))


def print_kid(nets: dict[str, FeatureNet], pictures: torch.Tensor) -> None:
    """Between two halves of the pictures, a share of one half damaged; and between that half and itself before (paired)."""
    shuffled = pictures[torch.randperm(len(pictures), generator=torch.Generator().manual_seed(SEED))]
    real, made = shuffled.chunk(2)
    print(f"\n{head('KID x 1000, features', 'against', 'damage', *(f'{share:.0%} damaged' for share in SHARES))}")
    for name, net in nets.items():
        true, clean = features(net, real), features(net, made)
        for damage, (function, strength) in CORRUPTIONS.items():
            bad = features(net, function(made, strength, torch.Generator().manual_seed(SEED)))
            mixed = [np.concatenate([bad[: int(share * len(bad))], clean[int(share * len(bad)) :]]) for share in SHARES]
            others, itself = [kid(some, true) for some in mixed], [kid(some, clean, paired=True) for some in mixed]
            for against, found in (("others", others), ("itself", itself)):
                print(f"| {name} | {against} | {damage} | {' | '.join(f'{k.value:.2f} ± {k.std:.2f}' for k in found)} |")


@torch.inference_mode()
def features(net: FeatureNet, pictures: torch.Tensor) -> np.ndarray:
    return torch.cat([net.vector(net(part)) for part in pictures.split(32)]).numpy()


def on_white(packs: list[Path]) -> torch.Tensor:
    """One picture of every object: halves of the set are then independent of each other."""
    bank = read_bank(packs, size=128, measuring=True)
    firsts = {group: i for i, group in reversed(list(enumerate(bank.groups.tolist())))}
    rgba = bank.rgba[sorted(firsts.values())].float() / 255
    return rgba[:, :3] * rgba[:, 3:] + 1 - rgba[:, 3:]


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    trained, nets = FeatureNet().eval(), dict[str, FeatureNet]()
    load_weights(trained, given.weights)
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        nets[f"untrained {seed}"] = FeatureNet().eval()
    nets["trained"] = trained
    held_out = read_held_out(given.packs, torch.device("cpu"))
    trials = held_out.queries[:: max(1, len(held_out.queries) // MAX_TRIALS)]
    print(
        f"{len(held_out.queries)} objects, {int(held_out.has_views.sum())} with views; {len(trials)} pictures of 128 px damaged"
    )
    found = figures(trained, held_out)
    for name in ("other view found", "same picture found", "category of 5 nearest"):
        print(f"{name}: {found[name]:.3f}, untrained {found[f'untrained {name}']:.3f}")
    learned: dict[str, Callable] = {name: distance_from(net, trials) for name, net in nets.items()}
    print_pairs({"PSNR": psnr_from(trials), "SSIM": ssim_from(trials), **learned}, trials)
    print_kid({name: nets[name] for name in ("untrained 0", "trained")}, on_white(given.packs))


if __name__ == "__main__":
    main()
