"""``paco export``: the files of a run folder that people and programs open."""

import time
from dataclasses import dataclass, replace
from typing import Literal

from paco_core.progress import Progress
from scene3d.pipeline import Config, reconstruct_in
from viewers.commands import Outcome
from viewers.job import Job, summary
from viewers.stages import StageOptions, going_on


@dataclass(frozen=True, kw_only=True)
class Options(StageOptions):
    """Write the scene, the objects' files and the report of a run folder; what is missing before that is done first."""

    texture: Literal["jpeg", "png"] | None = None
    """Pictures in the GLB files: small, or without loss."""


def run(options: Options, progress: Progress) -> Outcome:
    """Export, and say where the results are."""
    start = time.monotonic()

    def change(config: Config) -> Config:
        return config if options.texture is None else replace(config, glb=replace(config.glb, texture=options.texture))

    with going_on(options, change) as open_run:
        result = reconstruct_in(open_run.run, open_run.inputs, open_run.config, progress=progress)
        return summary([Job(result, time.monotonic() - start, open_run.config.objects)])
