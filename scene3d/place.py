"""Meshes into the scene: every refinement is tried, measured against the photo, and kept only if it explains it better.

The order of the steps follows the frames: crop-camera correction and same-pixel depth (Gen3DSR), gravity, silhouette
(don't-care regions from the occlusion order, amodal start; docs/method.md), contact along the viewing ray.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from paco_core.contacts import find_carriers, find_feet
from paco_core.errors import error_text
from paco_core.progress import Progress, silent
from paco_core.rescue import surviving
from paco_core.types import CompleteObject, Deocclusion
from scene3d import contact
from scene3d.contact import Resting
from scene3d.rays import RayMesh
from scene3d.silhouette import WORST_DEPTH, Fit, Target, depth_ratio, fit_of, make_target
from scene3d.transforms import rotation_between, similarity, world_axes_in_camera, wxyz_from_rotation
from scene3d.types import Ground, LiftedMesh, LiftInput, PlacedObject, PlacementStep, Pose, TexturedMesh

log = logging.getLogger(__name__)

Matrix = Float[np.ndarray, "4 4"]

TOUCHING = 0.2
"""Of the gap that costs the full contact weight: 1 cm with metric depth. Nearer than this there is nothing to move."""
MAX_STRETCH = 2.5
"""An object of which the photo shows less than two fifths of the height is not guessed down to the floor."""
STRETCH_LOSS = 0.02
"""Silhouette that a stretched base may cost: it has to disappear behind what hides it."""


@dataclass(frozen=True)
class PlaceConfig:
    """How hard placement tries."""

    raster_px: int = 112
    """Side of the raster in which silhouettes are compared; 112 px resolve 1 % of an object."""
    polish_steps: tuple[float, ...] = (0.03, 0.015, 0.007)
    """Pattern-search steps, share of the object's size."""
    min_gain: float = 1e-4
    """Energy that a step must save: below this it is noise of the raster."""
    contact_weight: float = 0.2
    """Of a gap of ``contact_gap_m`` (metric) or ``contact_gap_share`` of the height, in the energy: what touches may cost as much
    as three noise levels of depth, not more; else the object stands on something that nobody masked."""
    contact_gap_m: float = 0.05
    contact_gap_share: float = 0.05


@dataclass
class _Draft:
    """One object while it is being placed (camera frame, depth unit)."""

    obj: CompleteObject
    lifted: LiftedMesh
    mesh: RayMesh
    target: Target
    pose: Matrix
    fit: Fit
    resting: Resting | None = None
    steps: list[PlacementStep] = field(default_factory=list)
    problem: str | None = None
    """Why it was not placed as it should be."""


def place(
    deocclusion: Deocclusion,
    inputs: tuple[LiftInput, ...],
    lifted: tuple[LiftedMesh, ...],
    ground: Ground,
    guess_scale: Callable[[tuple[tuple[str, float, float], ...], float], tuple[float, str]],
    config: PlaceConfig = PlaceConfig(),
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
    _rest(drafts, deocclusion, ground, config)
    if deocclusion.depth.kind == "metric":
        metres, source = 1.0, f"metric depth ({deocclusion.depth.source})"
    else:
        sizes = tuple((d.obj.name, contact.extent_height(d.mesh, d.pose, ground), _width(d)) for d in drafts)
        metres, source = guess_scale(sizes, ground.camera_height)
    placed = []
    for d in drafts:
        with surviving(f"{d.obj.id} {d.obj.name}: left out of the scene, it can't be placed", lost):
            placed.append(_finished(d, ground, metres))
    return tuple(placed), metres, source


def _draft(
    deocclusion: Deocclusion, obj: CompleteObject, item: LiftInput, lifted: LiftedMesh, ground: Ground, config: PlaceConfig
) -> _Draft:
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
        return _Draft(obj, lifted, mesh, target, pose, Fit(0.0, 0.0), problem=f"not fitted to the photo: {error_text(error)}")


def _fit_alone(
    deocclusion: Deocclusion, obj: CompleteObject, item: LiftInput, lifted: LiftedMesh, ground: Ground, config: PlaceConfig
) -> _Draft:
    """Steps that need no other object: start, crop camera, gravity, same-pixel depth, silhouette."""
    target = make_target(
        obj, deocclusion.segmentation, deocclusion.occlusion, deocclusion.depth, deocclusion.camera, side_px=config.raster_px
    )
    mesh = RayMesh(lifted.mesh.vertices, lifted.mesh.faces)
    centre = item.camera_from_crop @ lifted.crop_from_lift[:3, 3]
    scale = lifted.metres_per_unit if _metric(deocclusion) else None
    scale = scale or _start_scale(deocclusion, obj, centre)
    turn = lifted.crop_from_lift[:3, :3]
    draft = _Draft(obj, lifted, mesh, target, similarity(turn, scale * centre, scale), Fit(0.0, 0.0))
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


def _try(draft: _Draft, name: str, pose: Matrix, config: PlaceConfig) -> bool:
    """Keep ``pose`` if it lowers the energy; record the attempt."""
    fit = fit_of(draft.target, draft.mesh, pose)
    kept = fit.energy < draft.fit.energy - config.min_gain
    draft.steps.append(PlacementStep(name, kept, draft.fit.energy, fit.energy))
    if kept:
        draft.pose, draft.fit = pose, fit
    return kept


def _polish(draft: _Draft, config: PlaceConfig) -> None:
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


def _rest(drafts: list[_Draft], deocclusion: Deocclusion, ground: Ground, config: PlaceConfig) -> None:
    """Decide what carries each object and bring it there, carriers before what they carry."""
    feet = find_feet(deocclusion.segmentation)
    by_masks = find_carriers(deocclusion.segmentation, feet)
    metric = _metric(deocclusion)
    if metric:  # lowest first: whatever carries is below what it carries
        order = sorted(drafts, key=lambda d: _base_height(d, ground))
    else:
        order = sorted(drafts, key=lambda d: _generation(d.obj.id, by_masks))
    settled: dict[int, _Draft] = {}
    for draft in order:
        before = replace(draft, steps=list(draft.steps))
        try:
            draft.resting = _find_support(draft, settled, by_masks, ground, metric)
            over_another = feet[draft.obj.id].below > 0
            if over_another and draft.resting.kind == ("background" if metric else "floor"):
                _stretch(draft, ground)
            if draft.resting.kind != "background":
                _touch(draft, draft.resting.height, ground, metric, config)
            settled[draft.obj.id] = draft
        except Exception as error:  # an odd object stays where it was, and carries nothing
            log.warning("object %d (%s): what it rests on is not known", draft.obj.id, draft.obj.name, exc_info=True)
            vars(draft).update(vars(before), problem=f"what it rests on is not known: {error_text(error)}")


def _base_height(draft: _Draft, ground: Ground) -> float:
    """Above the floor; infinite for an odd object, of which ``_rest`` then tells."""
    try:
        return contact.base_height(draft.mesh, draft.pose, ground)
    except Exception:
        return np.inf


def _generation(object_id: int, carriers: dict[int, int]) -> int:
    return 0 if object_id not in carriers else 1 + _generation(carriers[object_id], carriers)


def _find_support(draft: _Draft, settled: dict[int, _Draft], by_masks: dict[int, int], ground: Ground, metric: bool) -> Resting:
    base = contact.base_height(draft.mesh, draft.pose, ground)
    tall = contact.extent_height(draft.mesh, draft.pose, ground)
    near = max(contact.NEAR_M, contact.NEAR_SHARE * tall) if metric else np.inf
    feet = contact.foot_points(draft.mesh, draft.pose, ground)
    carrier = by_masks.get(draft.obj.id)
    candidates = [settled[carrier]] if carrier in settled else []
    if metric:
        candidates += [d for i, d in settled.items() if i != carrier]
    options = []
    for d in candidates:
        top = contact.surface_under(d.mesh, d.pose, feet if metric else _under(draft, d, feet, ground), ground)
        if top is not None and abs(top - base) < near:
            options.append((abs(top - base), Resting("object", d.obj.id, top)))
    if not metric:
        return options[0][1] if options else Resting("floor", None, 0.0)
    if abs(base) < near or base < 0:
        options.append((abs(base), Resting("floor", None, 0.0)))
    return min(options, key=lambda o: o[0])[1] if options else Resting("background", None, base)


def _under(draft: _Draft, carrier: _Draft, feet: Float[np.ndarray, "n 3"], ground: Ground) -> Float[np.ndarray, "n 3"]:
    """Foot points moved along their rays to the height of the carrier's top: where the object will stand if it rests on it."""
    top = contact.base_height(carrier.mesh, carrier.pose, ground) + contact.extent_height(carrier.mesh, carrier.pose, ground)
    below_camera = ground.camera_height - contact.base_height(draft.mesh, draft.pose, ground)
    k = (ground.camera_height - top) / below_camera if below_camera > 1e-6 else 1.0
    return feet * max(k, 1e-3)


def _touch(draft: _Draft, support: float, ground: Ground, metric: bool, config: PlaceConfig) -> None:
    """Bring the base onto the support: along the ray (silhouette kept) or vertically (depth kept), whichever costs less."""
    tall = contact.extent_height(draft.mesh, draft.pose, ground)
    base = contact.base_height(draft.mesh, draft.pose, ground)
    unit = config.contact_gap_m if metric else config.contact_gap_share * tall
    gap_cost = config.contact_weight * min(abs(base - support) / unit, 1.0)
    before = draft.fit.energy + gap_cost
    options = []
    along = contact.moved_along_ray(draft.pose, base, support, ground)
    low, high = contact.RAY_LIMITS if metric else contact.GUESSED_LIMITS
    if along is not None and low <= along[1] <= high:
        options.append(("contact along the ray", along[0]))
    if metric:
        options.append(("contact by a vertical shift", contact.moved_vertically(draft.pose, base, support, ground)))
    fits = [(fit_of(draft.target, draft.mesh, pose), name, pose) for name, pose in options]
    if not fits:  # it hangs above the camera's height, or touching would contradict the depth
        draft.steps.append(PlacementStep("contact", False, before, before))
        draft.resting = Resting("background", None, base)
        return
    fit, name, pose = min(fits, key=lambda f: f[0].energy)
    kept = fit.energy < before or not metric  # without depth, contact is the only evidence of distance there is
    draft.steps.append(PlacementStep(name, kept, before, fit.energy))
    if kept:
        draft.pose, draft.fit = pose, fit
    elif abs(base - support) > TOUCHING * unit:
        draft.resting = Resting("background", None, base)


def _stretch(draft: _Draft, ground: Ground) -> None:
    """Lengthen an object whose foot is hidden by another one down to the floor, if that stays out of sight."""
    base = contact.base_height(draft.mesh, draft.pose, ground)
    tall = contact.extent_height(draft.mesh, draft.pose, ground)
    factor = 1 + base / tall
    if not 1.0 < factor <= MAX_STRETCH:
        return
    vertices = draft.lifted.mesh.vertices.copy()
    top = vertices[:, 1].max()
    vertices[:, 1] = top - (top - vertices[:, 1]) * factor
    mesh = RayMesh(vertices, draft.lifted.mesh.faces)
    fit = fit_of(draft.target, mesh, draft.pose)
    kept = fit.energy < draft.fit.energy + STRETCH_LOSS
    draft.steps.append(PlacementStep("stretched to the floor behind its occluder", kept, draft.fit.energy, fit.energy))
    if kept:
        longer = replace(draft.lifted.mesh, vertices=vertices)
        draft.lifted, draft.mesh, draft.fit = replace(draft.lifted, mesh=longer), mesh, fit
        draft.resting = Resting("floor", None, 0.0)


def _width(draft: _Draft) -> float:
    """Larger horizontal extent (the lift frame's x and z are horizontal), depth units."""
    size = float(np.linalg.norm(draft.pose[:3, 0]))
    return size * float(max(np.ptp(draft.mesh.vertices[:, 0]), np.ptp(draft.mesh.vertices[:, 2])))


def _finished(draft: _Draft, ground: Ground, metres: float) -> PlacedObject:
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
