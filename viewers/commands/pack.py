"""``paco pack``: whole objects in one file that travels to where training runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, subcommand

from paco_core.data.coco import find_coco
from paco_core.data.cutouts import find_cutouts
from paco_core.data.pack import QUALITIES, PackPlan, PackSummary, write_pack
from paco_core.errors import BadInput
from paco_core.progress import Progress
from scene3d.synthetic.models import find_models
from scene3d.synthetic.views import library_items
from viewers.commands import Outcome

SHOWN = 12
"""So many of what is left out are listed on the screen; ``pack.json`` lists all."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What becomes a pack, and of which kind."""

    out: Path
    """The pack file."""
    split: str = "train"
    """``train``, ``val`` or ``test``, as the index says it."""
    size: int = 128
    """Px, longest side of the pictures with their margin."""
    max_mb: float = 24.0
    """Where it would be larger, first quality and then pictures give way."""
    measuring: bool = False
    """Also take what nothing that ships may be trained on; the pack is marked and training refuses it."""
    seed: int = 0
    """Of views, light and order."""


@dataclass(frozen=True)
class Cutouts(Target):
    """Pictures with alpha."""

    folder: Positional[Path]
    """Where their index.jsonl lies."""
    only_measuring: bool = False
    """Of what --measuring takes, leave out what may be trained on."""


@dataclass(frozen=True)
class Models(Target):
    """Textured 3D models, seen from all around."""

    folder: Positional[Path]
    """Where the GLB files lie, with an index.jsonl."""
    views: int = 10
    """Pictures of each model."""
    processes: int = 2
    """How many models are rendered at a time."""


@dataclass(frozen=True)
class Coco(Target):
    """Un-occluded objects of COCO's photos. The split is only noted down; the photos' licences are yours to heed."""

    annotations: Positional[Path]
    """COCO's instances file."""
    images: Positional[Path]
    """Folder with its photos."""
    depth: Path | None = None
    """Folder with one depth file a photo; without it, convexity tells who is hidden."""
    photos: int = 20_000
    """Look at so many of them, at random."""


@dataclass(frozen=True)
class Options:
    """Pack whole objects for training."""

    what: (
        Annotated[Cutouts, subcommand("cutouts")] | Annotated[Models, subcommand("models")] | Annotated[Coco, subcommand("coco")]
    )


def run(options: Options, progress: Progress) -> Outcome:
    """Pack, and say what was left out."""
    match options.what:
        case Cutouts():
            return _cutouts(options.what, progress)
        case Models():
            return _models(options.what, progress)
        case Coco():
            return _coco(options.what, progress)


def _cutouts(what: Cutouts, progress: Progress) -> Outcome:
    folder = find_cutouts(what.folder)
    if what.only_measuring and not what.measuring:
        raise BadInput("--only-measuring goes with --measuring: the pack is marked, and training refuses it.")
    chosen = folder.select(what.split, measuring=what.measuring, training=not what.only_measuring)
    found = chosen.items(what.size, what.seed)
    summary = write_pack(what.out, found, _plan(what), total=len(chosen.entries), progress=progress)
    return Outcome(_said(summary, folder.skipped))


def _models(what: Models, progress: Progress) -> Outcome:
    if what.views < 1 or what.processes < 1:
        raise BadInput("--views and --processes must be at least 1.")
    library = find_models(what.folder)
    chosen = library.select(lambda entry: entry.split == what.split and (what.measuring or entry.use == "train"))
    found = library_items(chosen, views=what.views, size=what.size, seed=what.seed, processes=what.processes)
    summary = write_pack(what.out, found, _plan(what), total=len(chosen.entries), progress=progress)
    return Outcome(_said(summary, library.skipped))


def _coco(what: Coco, progress: Progress) -> Outcome:
    folder, skipped = find_coco(what.annotations, what.images, what.depth)
    chosen = folder.select(what.photos, what.seed)
    summary = write_pack(what.out, chosen.items(what.size), _plan(what), total=len(chosen.content), progress=progress)
    return Outcome(_said(summary, skipped))


def _plan(what: Target) -> PackPlan:
    use: Literal["train", "eval"] = "eval" if what.measuring else "train"
    return PackPlan(what.split, use, what.size, int(what.max_mb * 1e6), _command(what))


def _command(what: Target) -> str:
    """What makes the same pack anywhere."""
    own = f" --views {what.views}" if isinstance(what, Models) else ""
    own += " --only-measuring" if isinstance(what, Cutouts) and what.only_measuring else ""
    given = f"--split {what.split} --size {what.size} --max-mb {what.max_mb:g} --seed {what.seed}"
    return f"paco pack {type(what).__name__.lower()} FOLDER {given}{own}{' --measuring' if what.measuring else ''}"


def _said(summary: PackSummary, unread: Sequence[str]) -> str:
    lines = [
        f"{summary.path}: {summary.pictures} pictures of {summary.objects} objects, {summary.bytes / 1e6:.1f} MB, "
        f"WebP quality {summary.quality}."
    ]
    if summary.quality < QUALITIES[0]:
        lines.append(f"Quality is below {QUALITIES[0]} to stay within --max-mb.")
    if summary.dropped:
        lines.append(f"{summary.dropped} pictures did not fit into --max-mb: the last views are dropped.")
    left_out = [*unread, *summary.skipped]
    if left_out:
        more = f"\n  … and {len(left_out) - SHOWN} more" if len(left_out) > SHOWN else ""
        lines.append(f"{len(left_out)} left out:\n  " + "\n  ".join(left_out[:SHOWN]) + more)
    return "\n".join(lines)
