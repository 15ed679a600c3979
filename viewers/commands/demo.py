"""``paco demo``: the photos that come with the package, one run folder each."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from paco_core.demo import DEMO_NAMES, load_demo
from paco_core.progress import Progress
from scene3d.pipeline import Inputs
from viewers.commands import Outcome
from viewers.job import RunOptions, reconstruct_into, settings_of, summary


@dataclass(frozen=True)
class Options(RunOptions):
    """Reconstruct the photos that come with the package. The same command again goes on where it was stopped."""

    name: Positional[Literal["coffee", "motorcycle", "both"]] = "both"
    """Which photo."""
    out: Path = Path("runs/demo")
    """Folder for the run folders, one per photo."""


def run(options: Options, progress: Progress) -> Outcome:
    """Reconstruct, and say where the results are."""
    settings = settings_of(options)
    names = DEMO_NAMES if options.name == "both" else (options.name,)
    told = summary([reconstruct_into(options.out / name, partial(read_inputs, name), settings, progress) for name in names])
    return replace(told, text="\n\n".join([told.text, *map(_credit, names)]))


def read_inputs(name: str) -> Inputs:
    """Photo, masks and what else is published with a demo photo."""
    demo = load_demo(name)
    return Inputs(demo.photo, demo.segmentation, demo.camera, demo.depth)


def _credit(name: str) -> str:
    """Whose photo it is."""
    demo = load_demo(name)
    return f"{name}: {demo.attribution}. Licence: {demo.licence}."
