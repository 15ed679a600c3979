"""How good are colours of hidden parts? ``python benchmarks/hidden_colours.py A.pack [B.pack …] [--count 200] [--weights FILE]``.

Held-out targets as in ``paco eval deocclusion``, the true mask given to every method. ``--weights`` (of pcnet) adds the row where
its colours are part of the base.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

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
RIVALS = ("Laplace", "nearest pixel", "exemplar")
"""The fill with the least error, and the two with the best KID."""


def ours(scene: AmodalScene, network: PcnetNetwork | None = None) -> Completed:
    """``hidden_colours`` for the target, which is the first of a scene's two regions."""
    rgb, (visible, occluder) = scene.photo.rgb, scene.segmentation.masks
    trusted = erode(visible, EDGE_PX)
    told = None
    if network is not None:
        told = network.answers([CompletionTarget(TARGET_ID, "", rgb, visible, occluder)])[0].rgb
    made, _ = invent(rgb, scene.amodal[0], trusted if trusted.any() else visible, told, best_mirrors(visible, occluder), seed=0)
    return Completed(scene.amodal, np.stack([np.where(visible[..., None], rgb, made), rgb]))


@on_one_blas_thread
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    runs: dict[str, Callable[[AmodalScene], Completed]] = {"hidden colours": ours}
    if options.weights is not None:
        runs["hidden colours, a quarter pcnet"] = partial(ours, network=PcnetNetwork(options.weights))
    methods = {name: Method(run, colours=True) for name, run in runs.items()}
    methods |= {name: by_fill(METHODS[name]) for name in RIVALS}
    scenes = target_scenes(read_held_out(options.packs, []), options.count)
    found = evaluate(scenes, methods, extractor=BACKENDS.create("features", FEATURES))
    rows = [summarise(of_object(run, TARGET_ID), FEATURES) for run in found]
    print(figure_table(rows, (*COLOUR_COLUMNS, *look_columns(FEATURES)[:2])))
    print({run.method: f"{run.seconds / options.count:.2f} s" for run in found})


if __name__ == "__main__":
    main()
