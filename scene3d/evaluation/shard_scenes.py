"""Rendered scenes (``paco scenes``) as scenes whose hidden parts are known."""

import logging
from collections.abc import Iterator
from pathlib import Path

from paco_core.errors import BadInput
from paco_core.evaluation.scenes import AmodalScene
from scene3d.evaluation.room_scenes import amodal_scene
from scene3d.synthetic.shards import read_scenes

log = logging.getLogger(__name__)

SHARDS = "scenes-*.tar"


def has_shards(path: Path) -> bool:
    """Whether this is a folder of shards, or one of them."""
    return path.suffix == ".tar" if path.is_file() else next(path.glob(SHARDS), None) is not None


def shard_scenes(path: Path, skipped: list[str]) -> Iterator[AmodalScene]:
    """All scenes of a folder's shards, or of one, one at a time.

    What follows the damaged place of a shard is skipped, with a sentence in ``skipped``. Raises ``BadInput`` at the end when
    nothing could be read.
    """
    count = 0
    for shard in [path] if path.is_file() else sorted(path.glob(SHARDS)):
        try:
            for truth in read_scenes(shard):
                count += 1
                yield amodal_scene(truth)
        except BadInput as flaw:
            log.warning("%s", flaw)
            skipped.append(str(flaw))
    if not count:
        raise BadInput(f"{path} holds no scene that can be read. {skipped[0] if skipped else ''}".rstrip())
