"""How good are colours of hidden parts? ``python benchmarks/hidden_colours.py A.pack [B.pack …] [--count 200] [--weights FILE]``.

Held-out targets as in ``paco eval deocclusion``, the true mask given to every method. ``--weights`` (of pcnet) adds the row where
its colours are part of the base. ``--shadow .5``: what is in front throws a soft shadow that takes half of the light
away from the rest; the truth stays lit.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy import ndimage

from paco_core.backends.base import CompletionTarget
from paco_core.backends.hidden_colours import invent
from paco_core.backends.pcnet_network import PcnetNetwork
from paco_core.evaluation.deocclusion import Completed, Method, by_fill, evaluate, of_object
from paco_core.evaluation.deocclusion_table import COLOUR_COLUMNS, look_columns, summarise
from paco_core.evaluation.figures import figure_table
from paco_core.evaluation.fill_methods import EDGE_PX, METHODS
from paco_core.evaluation.scenes import AmodalScene
from paco_core.evaluation.targets import TARGET_ID, read_held_out, target_scenes
from paco_core.masks import erode
from paco_core.registry import BACKENDS
from paco_core.shape import best_mirrors
from paco_core.threads import on_one_blas_thread

FEATURES = "paco-feat-1"
THROWN_PX, SOFT_PX, CONTACT = (2.0, 7.0), (1.5, 3.5), 0.8
"""How far shadows are thrown, how soft their edges are, and how dark they are where things touch; targets have 128 px a side."""
RIVALS = ("Laplace", "nearest pixel", "exemplar")
"""The fill with the least error, and the two with the best KID."""


def shaded(scene: AmodalScene, number: int, strength: float) -> AmodalScene:
    """The scene with a shadow of what is in front, thrown by some pixels to any side, and dark where the two touch."""
    rng, front = np.random.default_rng(number), scene.segmentation.masks[1]
    angle, way = rng.uniform(0, 2 * np.pi), rng.uniform(*THROWN_PX)
    solid = front.astype(np.float32)
    thrown = ndimage.shift(solid, (way * np.sin(angle), way * np.cos(angle)), order=1)
    dark = np.maximum(ndimage.gaussian_filter(thrown, rng.uniform(*SOFT_PX)), CONTACT * ndimage.gaussian_filter(solid, 2))
    rgb = scene.photo.rgb * np.where(front, 1, 1 - strength * dark)[..., None]
    return replace(scene, photo=replace(scene.photo, rgb=np.rint(rgb).astype(np.uint8)))


def ours(scene: AmodalScene, network: PcnetNetwork | None = None) -> Completed:
    """``hidden_colours`` for the target, which is the first of a scene's two regions."""
    rgb, (visible, occluder) = scene.photo.rgb, scene.segmentation.masks
    trusted = erode(visible, EDGE_PX)
    told = None
    if network is not None:
        told = network.answers([CompletionTarget(TARGET_ID, "", rgb, visible, occluder)])[0].rgb
    made, _ = invent(
        rgb, scene.amodal[0], trusted if trusted.any() else visible, told, best_mirrors(visible, occluder), 0, occluder
    )
    return Completed(scene.amodal, np.stack([np.where(visible[..., None], rgb, made), rgb]))


@on_one_blas_thread
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--shadow", type=float, default=0.0)
    options = parser.parse_args()
    runs: dict[str, Callable[[AmodalScene], Completed]] = {"hidden colours": ours}
    if options.weights is not None:
        runs["hidden colours, a quarter pcnet"] = partial(ours, network=PcnetNetwork(options.weights))
    methods = {name: Method(run, colours=True) for name, run in runs.items()}
    methods |= {name: by_fill(METHODS[name]) for name in RIVALS}
    targets = target_scenes(read_held_out(options.packs, []), options.count)
    scenes = (shaded(scene, k, options.shadow) if options.shadow else scene for k, scene in enumerate(targets))
    found = evaluate(scenes, methods, extractor=BACKENDS.create("features", FEATURES))
    rows = [summarise(of_object(run, TARGET_ID), FEATURES) for run in found]
    print(figure_table(rows, (*COLOUR_COLUMNS, *look_columns(FEATURES)[:2])))
    print({run.method: f"{run.seconds / options.count:.2f} s" for run in found})


if __name__ == "__main__":
    main()
