"""``paco scenes``: render scenes whose truth is known, into shards that training and evaluation read."""

from dataclasses import dataclass
from pathlib import Path

from paco_core.progress import Progress
from paco_core.threads import available_processors
from scene3d.synthetic.scene_sheet import write_scene_sheet
from scene3d.synthetic.scenes import SceneSettings
from scene3d.synthetic.shards import ShardPlan, write_shards
from scene3d.synthetic.surroundings import Kind
from viewers.commands import Outcome


@dataclass(frozen=True)
class Options:
    """Render rooms, table tops and open ground with exact colour, depth, normals, masks, complete objects, poses and meshes."""

    out: Path = Path("runs/scenes")
    """Where the shards go; the same command again makes only what is missing."""
    count: int = 64
    """How many scenes."""
    first_seed: int = 0
    """Seeds count up from here: the same seed is the same scene."""
    models: Path | None = None
    """Folder of GLB models, with an index.jsonl where there is one; without it shapes are procedural."""
    textures: Path | None = None
    """Folder of textures and panoramas with an index.jsonl; without it patterns are procedural."""
    split: str = ""
    """Only models of this split of the index: train, val or test."""
    measuring: bool = False
    """Also use models that the index allows for measuring only."""
    hw: tuple[int, int] = (256, 256)
    """Height and width of the photos, px."""
    objects: tuple[int, int] = (2, 10)
    """Fewest and most objects."""
    elevation: tuple[float, float] = (0.0, 45.0)
    """How far the camera looks down, degrees."""
    hfov: tuple[float, float] = (35.0, 75.0)
    """Horizontal field of view, degrees."""
    kinds: tuple[Kind, ...] = ("room", "table", "open")
    """Which kinds of scenes."""
    glb: bool = True
    """Write each scene's GLB, too."""
    jobs: int = 0
    """Processes; 0: one for each processor."""


def run(options: Options, progress: Progress) -> Outcome:
    """Render what is missing, and a sheet of the first scenes to look at."""
    settings = SceneSettings(options.hw, options.objects, options.elevation, options.hfov, options.kinds)
    plan = ShardPlan(
        options.count, options.first_seed, options.models, options.textures, options.split,
        not options.measuring, settings, options.glb,
    )  # fmt: skip
    written = write_shards(plan, options.out, jobs=options.jobs or available_processors(), progress=progress)
    sheet = write_scene_sheet(written.shards, options.out / "sheet.jpg")
    there = f", {options.count - written.made} were there" if written.made < options.count else ""
    lines = [f"{written.made} scenes made{there}.", "", f"  shards  {options.out} ({len(written.shards)})", f"  sheet   {sheet}"]
    if written.skipped:
        lines += [
            "",
            f"{len(written.skipped)} models or textures were left out:",
            *(f"  {text}" for text in written.skipped[:20]),
        ]
    return Outcome("\n".join(lines))
