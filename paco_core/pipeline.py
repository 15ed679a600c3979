"""The 2D half as a diagram in code: a photo and its masks become complete objects over a completed background."""

from dataclasses import dataclass, field, replace

from paco_core.background import BackgroundConfig, fill_background
from paco_core.camera import estimate_camera
from paco_core.complete import CompletionConfig, complete
from paco_core.depth import estimate_depth
from paco_core.depthfile import resize_depth
from paco_core.occlusion import find_occlusions
from paco_core.photo import limit_size
from paco_core.progress import Progress, silent
from paco_core.registry import BACKENDS
from paco_core.segment import SegmentationConfig, resize_masks, segment
from paco_core.store import RunFolder, StageResult
from paco_core.types import (
    Background,
    Camera,
    CompleteObject,
    Deocclusion,
    DepthMap,
    OcclusionGraph,
    Photo,
    Segmentation,
)


@dataclass(frozen=True)
class Inputs:
    """What the user brings. Only the photo and the masks are needed."""

    photo: Photo
    segmentation: Segmentation
    """Masks as they were read; they may overlap and leave gaps."""
    camera: Camera | None = None
    depth: DepthMap | None = None
    fov_deg: float | None = None
    """Of the photo's longer side, when there is no ``camera``."""
    pitch_deg: float | None = None
    """How far the camera looks down, for the geometric depth."""
    order: tuple[str, ...] = ()
    """``"cup>saucer"``: who hides whom, in the user's words."""


@dataclass(frozen=True)
class DeocclusionConfig:
    """Methods by name (``paco backends`` lists them) and their settings."""

    depth: str = "geometric"
    order: str = "boundary"
    completer: str = "classical"
    background: str = "exemplar"
    max_side_px: int = 2048
    """Larger photos are worked on at this size: textures of objects have at most 1024 px, and time grows with the pixels."""
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    completion: CompletionConfig = field(default_factory=CompletionConfig)
    filling: BackgroundConfig = field(default_factory=BackgroundConfig)


@dataclass(frozen=True)
class DeocclusionStages:
    """Every stage's result with its key, for the stages that follow."""

    segmentation: StageResult[Segmentation]
    camera: StageResult[Camera]
    depth: StageResult[DepthMap]
    occlusion: StageResult[OcclusionGraph]
    objects: StageResult[tuple[CompleteObject, ...]]
    background: StageResult[Background]
    deocclusion: Deocclusion


def shrink(inputs: Inputs, max_side_px: int) -> Inputs:
    """The same inputs at no more than ``max_side_px`` on the photo's longer side.

    Masks and depth of another size than the photo stay as they are: the stages that read them say what is wrong.
    """
    hw = inputs.photo.hw
    photo, factor = limit_size(inputs.photo, max_side_px)
    fitting = inputs.segmentation.masks.shape[1:] == hw and (inputs.depth is None or inputs.depth.z.shape == hw)
    if factor == 1 or not fitting:
        return inputs
    x, y = photo.hw[1] / hw[1], photo.hw[0] / hw[0]
    c = inputs.camera
    return replace(
        inputs,
        photo=photo,
        segmentation=resize_masks(inputs.segmentation, photo.hw),
        camera=c and Camera(c.fx * x, c.fy * y, c.cx * x, c.cy * y, photo.hw[1], photo.hw[0], c.source),
        depth=inputs.depth and resize_depth(inputs.depth, photo.hw),
    )


def deocclude(
    inputs: Inputs, run: RunFolder, config: DeocclusionConfig, *, seed: int = 0, progress: Progress = silent
) -> DeocclusionStages:
    """Photo → masks → camera, depth → order and layers → complete objects → background; each stage resumable."""
    inputs, total = shrink(inputs, config.max_side_px), 6
    photo = inputs.photo
    estimator = BACKENDS.create("depth", config.depth, **({"pitch_deg": inputs.pitch_deg} if config.depth == "geometric" else {}))
    predictor, completer = BACKENDS.create("order", config.order), BACKENDS.create("completer", config.completer)
    filler = BACKENDS.create("background", config.background)

    segmentation = run.stage(
        "segmentation",
        {"masks": inputs.segmentation, "photo": photo, "config": config.segmentation},
        lambda: segment(photo, inputs.segmentation, config.segmentation),
        Segmentation,
    )
    progress("segment", 1, total, f"{len(segmentation.value.ids)} objects")
    camera = run.stage(
        "camera",
        {"photo": photo, "given": inputs.camera, "fov_deg": inputs.fov_deg},
        lambda: estimate_camera(photo, fov_deg=inputs.fov_deg, given=inputs.camera),
        Camera,
    )
    depth = run.stage(
        "depth",
        {"segmentation": segmentation, "camera": camera, "given": inputs.depth, "by": config.depth, "pitch": inputs.pitch_deg},
        lambda: estimate_depth(photo, segmentation.value, camera.value, estimator, given=inputs.depth),
        DepthMap,
    )
    progress("depth", 2, total, f"{depth.value.source}, {depth.value.kind}")
    occlusion = run.stage(
        "occlusion",
        {"segmentation": segmentation, "depth": depth, "by": config.order, "order": inputs.order},
        lambda: find_occlusions(photo, segmentation.value, depth.value, predictor, overrides=inputs.order),
        OcclusionGraph,
    )
    progress("order", 3, total, f"{max(occlusion.value.layers) + 1} layers")
    objects = run.stage(
        "objects",
        {"segmentation": segmentation, "occlusion": occlusion, "by": config.completer, "config": config.completion, "seed": seed},
        lambda: complete(photo, segmentation.value, occlusion.value, completer, config.completion, seed=seed, progress=progress),
        tuple[CompleteObject, ...],
    )
    progress("complete", 4, total, f"{len(objects.value)} objects")
    background = run.stage(
        "background",
        {"objects": objects, "by": config.background, "config": config.filling},
        lambda: fill_background(photo, objects.value, segmentation.value, filler, config.filling),
        Background,
    )
    progress("background", 5, total, background.value.method)
    whole = Deocclusion(photo, segmentation.value, camera.value, depth.value, occlusion.value, objects.value, background.value)
    return DeocclusionStages(segmentation, camera, depth, occlusion, objects, background, whole)
