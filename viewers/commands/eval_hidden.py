"""``paco eval order`` and ``depth``: the 2D half where the truth is known."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from paco_core.errors import BadInput
from paco_core.evaluation.cocoa import read_cocoa
from paco_core.evaluation.depth import PICKS, DepthScene, by_estimator, constant, depth_scene, empty_floor, evaluate_depth
from paco_core.evaluation.figures import figure_table, read_figures
from paco_core.evaluation.order_methods import COLUMNS, evaluate_order, order_methods
from paco_core.evaluation.rgbd import read_rgbd
from paco_core.evaluation.scenes import AmodalScene
from paco_core.evaluation.usable import skipped_text
from paco_core.progress import Progress
from paco_core.registry import BACKENDS
from scene3d.evaluation.room_scenes import room_scenes
from scene3d.evaluation.shard_scenes import has_shards, shard_scenes
from scene3d.pipeline import Config
from viewers.commands import Outcome
from viewers.evaluation import Evaluation, Part, write_evaluation

ROOMS = "rooms"


@dataclass(frozen=True)
class Source:
    """Where the truth comes from."""

    scenes: Positional[str] = ROOMS
    """"rooms" (procedural, with everything known), a folder of rendered scenes (`paco scenes`), a COCOA file, or a folder with
    one JSON file a photo."""
    photos: Path | None = None
    """Folder of a COCOA file's photos, when they don't lie beside it."""
    count: int = 20
    """How many rooms; seeds 0, 1, 2 …"""
    things: bool = False
    """COCOA: leave stuff out, as PACO does; with it, as SSSD counts."""


@dataclass(frozen=True)
class Found:
    """Scenes to measure on, as they are needed."""

    scenes: Iterator[AmodalScene]
    total: int
    """How many there are; 0 where only reading tells."""
    colours: bool
    """Whether those of hidden parts are known."""
    depth: bool
    """Whether depth and camera are known."""
    origin: str = ""
    """A sentence for the report, where the source's name does not say it all."""


@dataclass(frozen=True)
class Order(Source):
    """Who hides whom, against the true order."""

    out: Path = Path("runs/order")
    """Where report.html, table.md and figures.json go."""
    against: Path | None = None
    """figures.json of an earlier evaluation: the table shows what changed since."""


@dataclass(frozen=True)
class Depth:
    """Estimated depth against true depth."""

    scenes: Positional[str] = ROOMS
    """"rooms" (procedural), a folder of rendered scenes (`paco scenes`), or one of photos with depth (docs/evaluation.md)."""
    count: int = 20
    """How many rooms; seeds 0, 1, 2 …"""
    out: Path = Path("runs/depth")
    """Where report.html, table.md and figures.json go."""
    against: Path | None = None
    """figures.json of an earlier evaluation: the table shows what changed since."""


def find(source: Source, skipped: list[str]) -> Found:
    """The scenes that a source names; sentences about those that can't be used in ``skipped``. Raises ``BadInput``."""
    if source.scenes == ROOMS:
        return _rooms(source.count)
    path = Path(source.scenes)
    if not path.exists():
        raise BadInput(f"There is no file or folder {path}. Give rendered scenes, a COCOA file or folder, or the word {ROOMS}.")
    if has_shards(path):
        return Found(shard_scenes(path, skipped), 0, colours=True, depth=True)
    return Found(read_cocoa(path, source.photos, stuff=not source.things, skipped=skipped), 0, colours=False, depth=False)


def check_count(count: int) -> None:
    """Raise ``BadInput`` where there would be nothing to evaluate."""
    if count < 1:
        raise BadInput(f"--count {count} leaves nothing to evaluate: ask for at least 1.")


def _rooms(count: int) -> Found:
    check_count(count)
    return Found(room_scenes(range(count)), count, colours=True, depth=True)


def _depth_scenes(options: Depth, skipped: list[str]) -> tuple[int, Iterator[DepthScene]]:
    path = Path(options.scenes)
    if options.scenes != ROOMS and not has_shards(path):
        return read_rgbd(path, skipped)
    found = _rooms(options.count) if options.scenes == ROOMS else Found(shard_scenes(path, skipped), 0, colours=True, depth=True)
    return found.total, map(depth_scene, found.scenes)


def notes(*sentences: str) -> tuple[Part, ...]:
    """Those that say something, as parts of a report."""
    return tuple(Part("", note=sentence) for sentence in sentences if sentence)


def run_depth(options: Depth, config: Config, progress: Progress, command: str) -> Outcome:
    """Measure, write the files, and show the table."""
    before = None if options.against is None else read_figures(options.against)
    estimator = BACKENDS.create("depth", config.deocclusion.depth)
    methods = {"constant": constant, "empty level floor": empty_floor, estimator.name: by_estimator(estimator)}
    skipped: list[str] = []
    total, scenes = _depth_scenes(options, skipped)
    bare: list[str] = []
    rows = evaluate_depth(_noting_bare(scenes, bare), methods, total=total, progress=progress)
    told = f"{len(bare)} of them have no masks: there, methods get the photo and the camera alone." if bare else ""
    table = Part("Depth", figure_table(rows, tuple(PICKS), before, label="depth, aligned by"))
    found = Evaluation("Estimated depth", (table, *notes(told, skipped_text(skipped))), rows)
    return Outcome(write_evaluation(found, options.out, command))


def _noting_bare(scenes: Iterable[DepthScene], bare: list[str]) -> Iterator[DepthScene]:
    for scene in scenes:
        if not scene.segmentation.ids:
            bare.append(scene.photo.name)
        yield scene


def run_order(options: Order, config: Config, progress: Progress, command: str) -> Outcome:
    """Measure, write the files, and show the table."""
    before = None if options.against is None else read_figures(options.against)
    skipped: list[str] = []
    found = find(options, skipped)
    methods = order_methods(BACKENDS.create("order", config.deocclusion.order), depth_known=found.depth)
    rows = evaluate_order(found.scenes, methods, total=found.total, progress=progress)
    parts = (Part("Order", figure_table(rows, COLUMNS, before)), *notes(skipped_text(skipped)))
    return Outcome(write_evaluation(Evaluation("Who hides whom", parts, rows), options.out, command))
