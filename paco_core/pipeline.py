"""The 2D half as a diagram in code: a photo and its masks become complete objects over a completed background."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from paco_core.backends.base import Completer
from paco_core.background import BackgroundConfig, fill_background
from paco_core.camera import estimate_camera
from paco_core.complete import complete_layers, in_order, plan_completion
from paco_core.completers import PacoOptions, identity_of, make_completer
from paco_core.completion_target import CompletionConfig
from paco_core.depth import estimate_depth
from paco_core.depthfile import resize_depth
from paco_core.objects import GIVEN
from paco_core.occlusion import find_occlusions
from paco_core.photo import limit_size
from paco_core.progress import Progress, counting_on, silent
from paco_core.registry import BACKENDS
from paco_core.rescue import NobodyInFront, level_floor, mean_background
from paco_core.segment import SegmentationConfig, resize_masks, segment
from paco_core.store import Rescue, RunFolder, StageResult
from paco_core.threads import on_one_blas_thread
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

STEPS = 5
"""Segment, depth, order, complete, background."""


INPUTS = "inputs"
"""Under this name a run folder keeps the ``Inputs``, at the size at which they are worked on, for commands that go on."""


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
    masks_from: str = GIVEN
    """In words, for the report."""


@dataclass(frozen=True)
class DeocclusionConfig:
    """Methods by name (``paco backends`` lists them) and their settings."""

    segmenter: str = "colour"
    """For photos without masks, and for boxes and points."""
    depth: str = "geometric"
    order: str = "boundary"
    completer: str = "pcnet"
    paco: PacoOptions = field(default_factory=PacoOptions)
    """Of the completer of that name."""
    background: str = "exemplar"
    max_side_px: int = 2048
    """Larger photos are worked on at this size: textures of objects have at most 1024 px, and time grows with the pixels."""
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    completion: CompletionConfig = field(default_factory=CompletionConfig)
    filling: BackgroundConfig = field(default_factory=BackgroundConfig)


@dataclass(frozen=True)
class Sight:
    """What is seen, before anything is completed."""

    segmentation: StageResult[Segmentation]
    camera: StageResult[Camera]
    depth: StageResult[DepthMap]
    occlusion: StageResult[OcclusionGraph]


@dataclass(frozen=True)
class DeocclusionStages:
    """Every stage's result with its key, for the stages that follow."""

    seen: Sight
    layers: tuple[StageResult[tuple[CompleteObject, ...]], ...]
    """The complete objects, the front first; objects of one layer are completed together."""
    background: StageResult[Background]
    deocclusion: Deocclusion
    masks_from: str
    """In words."""


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


@on_one_blas_thread
def deocclude(
    inputs: Inputs,
    run: RunFolder,
    config: DeocclusionConfig,
    *,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = silent,
) -> DeocclusionStages:
    """Photo → masks → camera, depth → order and layers → complete objects → background; each stage resumable.

    Whatever a method does wrong, there is a result: ``StageResult.fallback`` and ``CompleteObject.fallback`` say what is plainer
    than it should be. Raises ``BadInput`` for what can't be used.
    """
    inputs = shrink(inputs, config.max_side_px)
    run.keep(INPUTS, inputs)
    photo = inputs.photo
    seen = _look(inputs, run, config, progress)
    completer = make_completer(config.completer, config.paco, device=device)
    layers = _complete(photo, seen, run, config, completer, seed, progress)
    objects = in_order((obj for layer in layers for obj in layer.value), seen.segmentation.value)
    filler = BACKENDS.create("background", config.background)
    background = run.stage(
        "background",
        {"photo": photo.rgb, "objects": layers, "by": config.background, "config": config.filling},
        lambda: fill_background(photo, objects, seen.segmentation.value, filler, config.filling),
        Background,
        rescue=Rescue(
            lambda: mean_background(photo, objects, seen.segmentation.value), "the objects are painted over in one colour"
        ),
    )
    progress("background", 5, STEPS, background.value.method)
    known = (seen.segmentation.value, seen.camera.value, seen.depth.value, seen.occlusion.value)
    return DeocclusionStages(seen, layers, background, Deocclusion(photo, *known, objects, background.value), inputs.masks_from)


def _look(inputs: Inputs, run: RunFolder, config: DeocclusionConfig, progress: Progress) -> Sight:
    """Masks, camera, depth and who hides whom."""
    photo = inputs.photo
    estimator = BACKENDS.create("depth", config.depth, **({"pitch_deg": inputs.pitch_deg} if config.depth == "geometric" else {}))
    predictor = BACKENDS.create("order", config.order)
    segmentation = run.stage(
        "segmentation",
        {"masks": inputs.segmentation, "photo": photo.rgb, "config": config.segmentation},
        lambda: segment(photo, inputs.segmentation, config.segmentation),
        Segmentation,
    )
    progress("segment", 1, STEPS, f"{len(segmentation.value.ids)} objects")
    camera = run.stage(
        "camera",
        {"hw": photo.hw, "focal_35mm": photo.focal_35mm, "given": inputs.camera, "fov_deg": inputs.fov_deg},
        lambda: estimate_camera(photo, fov_deg=inputs.fov_deg, given=inputs.camera),
        Camera,
    )
    depth = run.stage(
        "depth",
        {"segmentation": segmentation, "camera": camera.value, "given": inputs.depth}
        | ({"by": config.depth, "pitch": inputs.pitch_deg} if inputs.depth is None else {}),
        lambda: estimate_depth(photo, segmentation.value, camera.value, estimator, given=inputs.depth),
        DepthMap,
        rescue=Rescue(lambda: level_floor(camera.value), "everything is taken to stand on a level floor"),
    )
    progress("depth", 2, STEPS, f"{depth.value.source}, {depth.value.kind}")
    graph = partial(find_occlusions, photo, segmentation.value, depth.value, overrides=inputs.order)
    occlusion = run.stage(
        "occlusion",
        {"segmentation": segmentation, "depth": depth, "by": config.order, "order": inputs.order},
        lambda: graph(predictor),
        OcclusionGraph,
        rescue=Rescue(lambda: graph(NobodyInFront()), "nothing is taken to hide anything but what --order says"),
    )
    progress("order", 3, STEPS, f"{max(occlusion.value.layers) + 1} layers")
    return Sight(segmentation, camera, depth, occlusion)


def _complete(
    photo: Photo,
    seen: Sight,
    run: RunFolder,
    config: DeocclusionConfig,
    completer: Completer,
    seed: int,
    progress: Progress,
) -> tuple[StageResult[tuple[CompleteObject, ...]], ...]:
    """One stage per layer, keyed by what its objects look like: a change in one of them leaves the other layers alone."""
    plan = plan_completion(photo, seen.segmentation.value, seen.occlusion.value, config.completion)
    layers = {f"complete/layer_{k}": layer for k, layer in enumerate(plan)}
    count = len(seen.segmentation.value.ids)

    def compute(names: tuple[str, ...]) -> Iterator[tuple[CompleteObject, ...]]:
        some = [layers[name] for name in names]
        told = counting_on(progress, count - sum(layer.size for layer in some), count)
        return complete_layers(some, completer, config.completion, seed=seed, progress=told)

    by = identity_of(config.completer, config.paco)
    keys = {name: {"layer": layer, "by": by, "seed": seed} for name, layer in layers.items()}
    done = run.stages(keys, compute, tuple[CompleteObject, ...])
    progress("complete", 4, STEPS, f"{count} objects")
    return done
