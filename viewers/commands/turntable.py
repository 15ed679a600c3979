"""``paco turntable``: a short film of the scene of a run folder."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from paco_core.progress import Progress
from scene3d.scene import load_scene
from scene3d.turntable import Turntable, write_turntable
from viewers.commands import Outcome


@dataclass(frozen=True)
class Options:
    """Film the scene of a run folder: the camera swings round the photo's view, or goes once round the objects."""

    run: Positional[Path]
    """The run folder."""
    out: Path | None = None
    """The film: .mp4 (needs paco-scene3d[video]), .webp or .gif; turntable.webp in the run folder when not given."""
    swing: float = 35.0
    """Degrees to both sides of the photo's view."""
    full: bool = False
    """Once round the objects instead."""
    size: int | None = None
    """Longer side, px: 640 when not given, 480 for a GIF."""
    fps: float | None = None
    """Pictures a second: 20 when not given, 12.5 for a GIF."""
    seconds: float = 5.0
    """How long it takes; the film then begins anew."""


def run(options: Options, progress: Progress) -> Outcome:
    """Write the film."""
    path = options.out or options.run / "turntable.webp"
    gif = path.suffix.lower() == ".gif"  # its files are large, and it counts time in hundredths of a second
    size = (480 if gif else 640) if options.size is None else options.size
    fps = (12.5 if gif else 20.0) if options.fps is None else options.fps
    plan = Turntable(None if options.full else options.swing, size, fps, options.seconds)
    write_turntable(load_scene(options.run), path, plan, progress=progress)
    return Outcome(f"{path}: {plan.pictures} pictures, {path.stat().st_size / 1e6:.1f} MB")
