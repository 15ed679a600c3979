"""``paco eval consistency``: what the methods say of photos that were mirrored, made smaller or cut, without any truth."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tyro.conf import Positional

from paco_core.completers import make_completer
from paco_core.errors import BadInput
from paco_core.evaluation.ade20k import is_ade20k, read_ade20k
from paco_core.evaluation.consistency import COLUMNS, agreement_rows, by_stages, consistency_rows, evaluate_consistency
from paco_core.evaluation.figures import figure_table, read_figures
from paco_core.evaluation.usable import skipped_text, usable
from paco_core.photo import limit_size
from paco_core.progress import Progress
from paco_core.registry import BACKENDS
from paco_core.segment import SegmentationConfig, resize_masks, segment
from paco_core.types import Photo, Segmentation
from scene3d.evaluation.photo_scenes import PhotoScene, choose, find_scenes, load_scene
from scene3d.evaluation.scene_consistency import CENTRE, Placer, SceneAgreement, by_pipeline, compare_scenes, scene_rows
from scene3d.pipeline import Config
from viewers.commands import Outcome
from viewers.commands.eval_hidden import notes
from viewers.evaluation import Evaluation, Part, write_evaluation
from viewers.table import write_csv


@dataclass(frozen=True)
class Consistency:
    """The same photo mirrored, at half the size and with its border cut off: does the answer change with it?"""

    folder: Positional[Path]
    """Photos with masks, as for `paco eval photos`, or an ADE20K folder."""
    only: Path | None = None
    """A text file with the names of the scenes to run, one a line."""
    out: Path = Path("runs/consistency")
    """Where report.html, table.md, photos.csv and figures.json go."""
    against: Path | None = None
    """figures.json of an earlier evaluation: the table shows what changed since."""
    max_side_px: int = 1024
    """Larger photos are made this small first."""
    scene: bool = False
    """Reconstruct the scenes, too, and compare where objects stand: four reconstructions a photo."""


def run_consistency(options: Consistency, config: Config, progress: Progress, command: str) -> Outcome:
    """Measure, write the files, and show the table."""
    before = None if options.against is None else read_figures(options.against)
    stages = config.deocclusion
    answerer = by_stages(
        BACKENDS.create("depth", stages.depth),
        BACKENDS.create("order", stages.order),
        make_completer(stages.completer, stages.paco, device=config.device),
        seed=config.seed,
    )
    skipped: list[str] = []
    total, photos = _read(options, skipped)
    scenes: list[SceneAgreement] = []
    photos = _watched(photos, by_pipeline(config), scenes) if options.scene else photos
    found = evaluate_consistency(photos, answerer, total=total, progress=progress)
    rows, placed = consistency_rows(found), scene_rows(scenes)
    methods = f"{stages.depth} depth, {stages.order} order, {stages.completer} completion"
    table = Part(methods, figure_table(rows, COLUMNS, before, label="change"))
    places = [Part(f"Scenes, {config.lifter}", figure_table(placed, (CENTRE,), before, label="change"))] if placed else []
    evaluation = Evaluation("Consistency without truth", (table, *places, *notes(skipped_text(skipped))), rows + placed)
    text = write_evaluation(evaluation, options.out, command)
    write_csv(options.out / "photos.csv", agreement_rows(found))
    return Outcome(f"{text}\n  photos  {options.out / 'photos.csv'}")


def _watched(
    photos: Iterable[tuple[Photo, Segmentation]], placer: Placer, found: list[SceneAgreement]
) -> Iterator[tuple[Photo, Segmentation]]:
    """The same photos; what their scenes agree on is added to ``found`` on the way."""
    for photo, seen in photos:
        found += compare_scenes(photo, seen, placer)
        yield photo, seen


def _read(options: Consistency, skipped: list[str]) -> tuple[int, Iterator[tuple[Photo, Segmentation]]]:
    """How many photos there are, and those that can be used, with masks as the stages have them."""
    if not options.folder.is_dir():
        raise BadInput(f"There is no folder {options.folder}. Give one with photos and masks.")
    ready = partial(_ready, max_side_px=options.max_side_px)
    if is_ade20k(options.folder):
        if options.only is not None:
            raise BadInput("--only is for folders of scenes, which have names; an ADE20K folder is measured whole.")
        count, photos = read_ade20k(options.folder, skipped)
        return count, usable(photos, ready, skipped)
    scenes = choose(find_scenes(options.folder), options.only)
    return len(scenes), usable(scenes, lambda scene: ready(_named(scene)), skipped)


def _named(scene: PhotoScene) -> tuple[Photo, Segmentation]:
    """Called like its scene: in data sets all photos are ``image.jpg``."""
    photo, seen = load_scene(scene)
    return replace(photo, name=scene.name), seen


def _ready(loaded: tuple[Photo, Segmentation], max_side_px: int) -> tuple[Photo, Segmentation]:
    photo, _ = limit_size(loaded[0], max_side_px)
    return photo, segment(photo, resize_masks(loaded[1], photo.hw), SegmentationConfig(), note=lambda _: None)
