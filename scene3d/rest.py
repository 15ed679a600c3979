"""What carries each object, and the move that brings it there; every move is compared with the photo."""

import logging
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from paco_core.classes import FLAT_TOP, is_a
from paco_core.contacts import find_carriers, find_enclosed, find_feet
from paco_core.errors import error_text
from paco_core.types import Deocclusion, Segmentation
from scene3d import contact
from scene3d.contact import Resting
from scene3d.draft import Draft, PlaceConfig
from scene3d.rays import RayMesh
from scene3d.silhouette import fit_of
from scene3d.types import Ground, PlacementStep

log = logging.getLogger(__name__)

TOUCHING = 0.2
"""Of the gap that costs the full contact weight: 1 cm with metric depth. Nearer than this there is nothing to move."""
MAX_STRETCH = 2.5
"""An object of which the photo shows less than two fifths of the height is not guessed down to the floor."""
STRETCH_LOSS = 0.02
"""Silhouette that a stretched base may cost: it has to disappear behind what hides it."""


def find_rest(drafts: list[Draft], deocclusion: Deocclusion, ground: Ground, config: PlaceConfig) -> None:
    """Decide what carries each object and bring it there, carriers before what they carry."""
    feet = find_feet(deocclusion.segmentation)
    by_masks = find_carriers(deocclusion.segmentation, feet)
    metric = deocclusion.depth.kind == "metric"
    within = {} if metric else _lying_within(deocclusion.segmentation, by_masks)
    if metric:  # lowest first: whatever carries is below what it carries
        order = sorted(drafts, key=lambda d: _base_height(d, ground))
    else:
        order = sorted(drafts, key=lambda d: _generation(d.obj.id, by_masks))
    settled: dict[int, Draft] = {}
    for draft in order:
        before = replace(draft, steps=list(draft.steps))
        try:
            if draft.obj.id in within:  # on the surface that is seen around it: _bring_into_sight puts it there
                base = contact.base_height(draft.mesh, draft.pose, ground)
                draft.resting, settled[draft.obj.id] = Resting("object", within[draft.obj.id], base), draft
                continue
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


def _lying_within(segmentation: Segmentation, carriers: dict[int, int]) -> dict[int, int]:
    """What is in a bowl, on a sofa, on a stack: on the surface that is seen around it, which is not the carrier's top."""
    enclosed = find_enclosed(segmentation).items()
    return {i: j for i, j in enclosed if carriers.get(i) != j or not is_a(segmentation.name(j), FLAT_TOP)}


def _base_height(draft: Draft, ground: Ground) -> float:
    """Above the floor; infinite for an odd object, of which ``find_rest`` then tells."""
    try:
        return contact.base_height(draft.mesh, draft.pose, ground)
    except Exception:
        return np.inf


def _generation(object_id: int, carriers: dict[int, int]) -> int:
    return 0 if object_id not in carriers else 1 + _generation(carriers[object_id], carriers)


def _find_support(draft: Draft, settled: dict[int, Draft], by_masks: dict[int, int], ground: Ground, metric: bool) -> Resting:
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


def _under(draft: Draft, carrier: Draft, feet: Float[np.ndarray, "n 3"], ground: Ground) -> Float[np.ndarray, "n 3"]:
    """Foot points moved along their rays to the height of the carrier's top: where the object will stand if it rests on it."""
    top = contact.base_height(carrier.mesh, carrier.pose, ground) + contact.extent_height(carrier.mesh, carrier.pose, ground)
    below_camera = ground.camera_height - contact.base_height(draft.mesh, draft.pose, ground)
    k = (ground.camera_height - top) / below_camera if below_camera > 1e-6 else 1.0
    return feet * max(k, 1e-3)


def _touch(draft: Draft, support: float, ground: Ground, metric: bool, config: PlaceConfig) -> None:
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


def _stretch(draft: Draft, ground: Ground) -> None:
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
