"""Table 3 of the PACO paper on our own scenes: ``python benchmarks/paco_stages.py WEIGHTS A.pack [B.pack …] [--steps 4]``.

Hidden objects of held-out Object Ensembles, decoded from the map of whole objects (stage 1), and, where the weights hold
both stages, from the map that is generated from visible parts (stage 2). Distances are ``paco-feat-1``'s, on white.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from paco_core.evaluation.crops import on_white, square_of
from paco_core.evaluation.distribution import SetDistance, kid
from paco_core.evaluation.features import FeatureExtractor
from paco_core.nets.conditioning import Condition, condition_grid
from paco_core.nets.paco import Paco, config_of, load_paco
from paco_core.nets.parallel_vae import ParallelVae
from paco_core.nets.weights import holds, load_weights
from paco_core.registry import BACKENDS
from paco_core.training import paco_figures
from paco_core.training.paco_figures import HIDDEN, SEED, Maps, Measured
from paco_core.training.paco_options import StageOptions
from paco_core.training.paco_scenes import pick
from paco_core.training.paco_stage2 import map_of

FEATURES = "paco-feat-1"


def read_ways(weights: Path, steps: int) -> tuple[ParallelVae, dict[str, Maps]]:
    """The autoencoder, and where its maps come from."""
    if holds(weights, "generator."):
        model = load_paco(weights)
        return model.vae, {"stage 1": paco_figures.true_maps, f"stage 2, {steps} steps": generated(model, steps)}
    vae = ParallelVae(config_of(weights))
    load_weights(vae, weights)
    return vae.eval().requires_grad_(False), {"stage 1": paco_figures.true_maps}


def generated(model: Paco, steps: int) -> Maps:
    def maps(vae: ParallelVae, measured: Measured) -> torch.Tensor:
        scenes, names = measured.scenes, model.generator.names
        assert names is not None, "names are hashed, not CLIP's"
        partial = map_of(vae, scenes.partial(), torch.ones_like(scenes.present[:, :1]))
        grid = condition_grid(partial, scenes.visible * scenes.sampled[..., None, None], scenes.hides_sampled)
        condition = Condition(grid, names.encode(measured.names), names.encode([[]]))
        return model.generator.sample(condition, steps=steps, generator=torch.Generator().manual_seed(SEED))

    return maps


def distance(vae: ParallelVae, measured: Measured, maps: Maps, extractor: FeatureExtractor) -> SetDistance:
    """KID of completed objects against the same objects as they are: visible pixels are the picture's, as in the program."""
    scenes, slots = measured.scenes, measured.slots
    colours, masks = paco_figures.decoded(vae, measured, maps)
    visible, amodal, truth, shares = (pick(x, slots) for x in (scenes.visible, scenes.amodal, scenes.whole, scenes.hidden))
    counted = (shares >= HIDDEN[0]) & (shares <= HIDDEN[1]) & pick(scenes.sampled, slots)
    colours = torch.where(visible[:, :, None] > 0, scenes.composite[:, None], colours)
    made, real = [], []
    for b, k in counted.nonzero().tolist():
        square = square_of(amodal[b, k].numpy() > 0)
        made.append(on_white(bytes_of(colours[b, k]), masks[b, k].numpy() > 0, square))
        real.append(on_white(bytes_of(truth[b, k]), amodal[b, k].numpy() > 0, square))
    first, second = (np.concatenate([extractor.pooled(picture[None]) for picture in several]) for several in (made, real))
    return kid(first, second, paired=True)


def bytes_of(colours: torch.Tensor) -> np.ndarray:
    return (127.5 * (colours.clamp(-1, 1) + 1)).round().byte().permute(1, 2, 0).contiguous().numpy()


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    vae, ways = read_ways(options.weights, options.steps)
    held_out = paco_figures.read_held_out(options.packs, torch.device("cpu"), StageOptions())
    extractor = BACKENDS.create("features", FEATURES)
    print("| scenes | stage | hidden part: mean | PSNR hidden, pooled | KID × 1000 |\n|---|---|---|---|---|")
    for one in held_out:
        for way, maps in ways.items():
            found = paco_figures.figures(vae, (one,), {way: maps})
            iou, psnr = (found[f"{one.name}, {way}: {figure}"] for figure in ("hidden IoU", "hidden PSNR"))
            print(f"| {one.name} | {way} | {iou:.3f} | {psnr:.2f} | {distance(vae, one, maps, extractor)} |", flush=True)


if __name__ == "__main__":
    main()
