"""Meshes into the scene: every refinement is tried, measured against the photo, and kept only if it explains it better.

The order of the steps follows the frames: crop-camera correction and same-pixel depth (Gen3DSR), gravity, silhouette
(don't-care regions from the occlusion order, amodal start; docs/method.md), contact along the viewing ray.
"""

import logging
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from paco_core.contacts import find_feet
from paco_core.errors import error_text
from paco_core.progress import Progress, silent
from paco_core.rescue import surviving
from paco_core.types import CompleteObject, Deocclusion
from scene3d import contact
from scene3d.contact import Resting
from scene3d.draft import Draft, Matrix, PlaceConfig
from scene3d.rays import RayMesh
from scene3d.rest import find_rest
from scene3d.sight import bring_into_sight
from scene3d.silhouette import WORST_DEPTH, Fit, Target, depth_ratio, fit_of, make_target
from scene3d.transforms import rotation_between, similarity, world_axes_in_camera, wxyz_from_rotation
from scene3d.types import Ground, LiftedMesh, LiftInput, PlacedObject, PlacementStep, Pose, TexturedMesh

log = logging.getLogger(__name__)


DEFAULT = PlaceConfig()
WHOLE = 0.3
"""An object of which more than this share is hidden, or that the photo cuts, tells little about sizes."""
NEAR_HEIGHTS = 8.0
"""In camera heights: sizes of what is farther, less than 7° below the horizon, depend on the pitch's last degree."""


def place(
    deocclusion: Deocclusion,
    inputs: tuple[LiftInput, ...],
    lifted: tuple[LiftedMesh, ...],
    ground: Ground,
    guess_scale: Callable[[tuple[tuple[str, float, float], ...], float], tuple[float, str]],
    config: PlaceConfig = DEFAULT,
    *,
    progress: Progress = silent,
    lost: list[str] | None = None,
) -> tuple[tuple[PlacedObject, ...], float, str]:
    """Place every lifted object. Returns (objects, metres per depth unit, where that scale comes from).

    ``guess_scale`` is asked only for relative depth: it gets (name, height, width) of every object and the camera's height,
    all in depth units, and answers with metres per unit and a phrase. An object that can't be fitted stands where its visible
    depth says, and tells why in ``fallback``; one for which even that fails is left out, with a sentence in ``lost``.
    """
    lost = [] if lost is None else lost
    drafts = []
    for k, (obj, item, mesh) in enumerate(zip(deocclusion.objects, inputs, lifted, strict=True)):
        with surviving(f"{obj.id} {obj.name}: left out of the scene, it can't be placed", lost):
            drafts.append(_draft(deocclusion, obj, item, mesh, ground, config))
        progress("place", k + 1, len(lifted), obj.name)
    find_rest(drafts, deocclusion, ground, config)
    if _metric(deocclusion):
        metres, source = 1.0, f"metric depth ({deocclusion.depth.source})"
    else:
        telling = _telling(drafts, deocclusion, ground)
        sizes = tuple((d.obj.name, contact.extent_height(d.mesh, d.pose, ground), _width(d)) for d in telling)
        metres, source = guess_scale(sizes, ground.camera_height)
        bring_into_sight(drafts, deocclusion, ground)
    placed = []
    for d in drafts:
        with surviving(f"{d.obj.id} {d.obj.name}: left out of the scene, it can't be placed", lost):
            placed.append(_finished(d, ground, metres))
    return tuple(placed), metres, source


def _draft(
    deocclusion: Deocclusion, obj: CompleteObject, item: LiftInput, lifted: LiftedMesh, ground: Ground, config: PlaceConfig
) -> Draft:
    """``_fit_alone``, or for an odd object its start pose, which nothing was compared with."""
    try:
        return _fit_alone(deocclusion, obj, item, lifted, ground, config)
    except Exception as error:
        log.warning("object %d (%s) is not fitted to the photo", obj.id, obj.name, exc_info=True)
        centre = item.camera_from_crop @ lifted.crop_from_lift[:3, 3]
        scale = lifted.metres_per_unit if _metric(deocclusion) else None
        scale = scale or _start_scale(deocclusion, obj, centre)
        pose = similarity(item.camera_from_crop @ lifted.crop_from_lift[:3, :3], scale * centre, scale)
        mesh = RayMesh(lifted.mesh.vertices, lifted.mesh.faces)
        nothing = np.zeros((8, 8), np.float32)
        target = Target(deocclusion.camera.K, nothing > 0, nothing, np.full_like(nothing, np.nan))
        return Draft(obj, lifted, mesh, target, pose, Fit(0.0, 0.0), problem=f"not fitted to the photo: {error_text(error)}")


def _fit_alone(
    deocclusion: Deocclusion, obj: CompleteObject, item: LiftInput, lifted: LiftedMesh, ground: Ground, config: PlaceConfig
) -> Draft:
    """Steps that need no other object: start, crop camera, gravity, same-pixel depth, silhouette."""
    target = make_target(
        obj, deocclusion.segmentation, deocclusion.occlusion, deocclusion.depth, deocclusion.camera, side_px=config.raster_px
    )
    mesh = RayMesh(lifted.mesh.vertices, lifted.mesh.faces)
    centre = item.camera_from_crop @ lifted.crop_from_lift[:3, 3]
    scale = lifted.metres_per_unit if _metric(deocclusion) else None
    scale = scale or _start_scale(deocclusion, obj, centre)
    turn = lifted.crop_from_lift[:3, :3]
    draft = Draft(obj, lifted, mesh, target, similarity(turn, scale * centre, scale), Fit(0.0, 0.0))
    draft.fit = fit_of(target, mesh, draft.pose)
    _try(draft, "crop camera", similarity(item.camera_from_crop @ turn, scale * centre, scale), config)
    lean = rotation_between(draft.pose[:3, 1] / np.linalg.norm(draft.pose[:3, 1]), ground.up_camera)
    if not np.allclose(lean, np.eye(3), atol=1e-4):
        upright = similarity(lean @ draft.pose[:3, :3], draft.pose[:3, 3])
        _try(draft, "gravity", upright, config)
    ratio = depth_ratio(target, mesh, draft.pose)
    if ratio is not None:
        _try(draft, "same-pixel depth", similarity(np.eye(3), np.zeros(3), ratio) @ draft.pose, config)
    _polish(draft, config)
    return draft


def _metric(deocclusion: Deocclusion) -> bool:
    return deocclusion.depth.kind == "metric"


def _start_scale(deocclusion: Deocclusion, obj: CompleteObject, centre: Float[np.ndarray, "3"]) -> float:
    """Depth units per lift unit that put the object's centre at its median visible depth."""
    mask = deocclusion.segmentation.mask(obj.id) & deocclusion.depth.valid
    if not mask.any():
        mask = deocclusion.depth.valid
    return float(np.median(deocclusion.depth.z[mask]) / centre[2])


def _try(draft: Draft, name: str, pose: Matrix, config: PlaceConfig) -> bool:
    """Keep ``pose`` if it lowers the energy; record the attempt."""
    fit = fit_of(draft.target, draft.mesh, pose)
    kept = fit.energy < draft.fit.energy - config.min_gain
    draft.steps.append(PlacementStep(name, kept, draft.fit.energy, fit.energy))
    if kept:
        draft.pose, draft.fit = pose, fit
    return kept


def _polish(draft: Draft, config: PlaceConfig) -> None:
    """Pattern search over image shift (two directions) and size at constant depth; one recorded step."""
    before, pose, best = draft.fit.energy, draft.pose, draft.fit
    for step in config.polish_steps:
        for _ in range(3):
            moves = _moves(pose, step)
            fits = [fit_of(draft.target, draft.mesh, m) for m in moves]
            k = int(np.argmin([f.energy for f in fits]))
            if fits[k].energy >= best.energy - config.min_gain:
                break
            pose, best = moves[k], fits[k]
    draft.steps.append(PlacementStep("silhouette", best.energy < before, before, best.energy))
    draft.pose, draft.fit = pose, best


def _moves(pose: Matrix, step: float) -> list[Matrix]:
    centre, size = pose[:3, 3], float(np.linalg.norm(pose[:3, 0]))
    shifts = [similarity(np.eye(3), s * step * size * a) for a in np.eye(3)[:2] for s in (1.0, -1.0)]
    sizes = [similarity(np.eye(3), centre * (1 - k), k) for k in (1 + step, 1 / (1 + step))]
    return [m @ pose for m in shifts + sizes]


def _telling(drafts: list[Draft], deocclusion: Deocclusion, ground: Ground) -> list[Draft]:
    """Those whose size is seen: whole, and standing where their foot is in view. What hangs got its place from its size."""
    feet = find_feet(deocclusion.segmentation)
    whole = [d for d in drafts if not d.obj.truncated and d.obj.hidden_fraction < WHOLE]
    standing = [d for d in whole if d.resting and d.resting.kind == "floor" and feet[d.obj.id].below == 0]
    near = [d for d in standing if np.linalg.norm(d.pose[:3, 3]) < NEAR_HEIGHTS * ground.camera_height]
    return near or standing or whole or drafts


def _width(draft: Draft) -> float:
    """Larger horizontal extent (the lift frame's x and z are horizontal), depth units."""
    size = float(np.linalg.norm(draft.pose[:3, 0]))
    return size * float(max(np.ptp(draft.mesh.vertices[:, 0]), np.ptp(draft.mesh.vertices[:, 2])))


def _finished(draft: Draft, ground: Ground, metres: float) -> PlacedObject:
    """From the camera frame in depth units to the world in metres; the mesh moves to the object frame."""
    axes = world_axes_in_camera(ground.up_camera)
    size = float(np.linalg.norm(draft.pose[:3, 0]))
    turn = axes @ draft.pose[:3, :3] / size
    scaled = draft.lifted.mesh.vertices * (size * metres)
    low, high = scaled.min(axis=0), scaled.max(axis=0)
    pivot = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    centre = metres * (axes @ draft.pose[:3, 3] + [0.0, ground.camera_height, 0.0])
    mesh = draft.lifted.mesh
    resting = draft.resting or Resting("background", None, 0.0)
    visible = 1.0 - draft.obj.hidden_fraction
    return PlacedObject(
        id=draft.obj.id,
        name=draft.obj.name,
        mesh=TexturedMesh(scaled - pivot, mesh.faces, mesh.uv, mesh.texture),
        world_from_object=Pose(centre + turn @ pivot, wxyz_from_rotation(turn)),
        support=resting.kind,
        support_id=resting.carrier,
        iou_visible=draft.fit.iou,
        pose_confidence=float(draft.fit.iou * (1 - min(draft.fit.depth / WORST_DEPTH, 1.0)) * (0.5 + 0.5 * visible)),
        steps=tuple(draft.steps),
        lift_method=draft.lifted.method,
        flat=draft.lifted.flat,
        watertight=draft.lifted.watertight,
        layer=draft.obj.layer,
        visible_fraction=visible,
        fallback=draft.obj.fallback or draft.lifted.fallback or draft.problem,
    )
