"""The edited scene as a ``Scene``: meshes flipped and scaled, things hidden or deleted left out.

What nobody touched stays the same object, so that an unedited scene exports to the same bytes.
"""

from dataclasses import replace

import numpy as np

from paco_core.errors import BadInput
from scene3d.types import PlacedObject, Pose, Scene, TexturedMesh
from viewers.original import Original
from viewers.state import EditState, Thing


def edited_scene(state: EditState, original: Original) -> Scene:
    """What is shown and exported. Raises ``BadInput`` for a run without a scene."""
    scene = original.scene
    if scene is None:
        raise BadInput(f"{original.folder} has no 3D scene yet: `paco export {original.folder}` makes it.")
    if state.same_edits(original.start):
        return scene
    start = {thing.id: thing for thing in original.start.things}
    shown = {t.id: t for t in state.things if not t.hidden and t.source in original.objects}
    order = [item.id for item in scene.objects]
    ids = [i for i in order if i in shown] + sorted(i for i in shown if i not in order)
    objects = tuple(_object(shown[i], start[shown[i].source], original, shown) for i in ids)
    return replace(scene, objects=objects, occlusion_edges=_edges(state, original.start, shown, scene))


def mirrored(mesh: TexturedMesh) -> TexturedMesh:
    """Left and right changed (object frame), faces still counter-clockwise from outside."""
    return replace(mesh, vertices=mesh.vertices * [-1.0, 1.0, 1.0], faces=mesh.faces[:, ::-1])


def _object(thing: Thing, first: Thing, original: Original, shown: dict[int, Thing]) -> PlacedObject:
    item = original.objects[thing.source]
    support, carrier = thing.support, thing.support_id
    if carrier is not None and carrier not in shown:
        support, carrier = "background", None
    pose = item.world_from_object
    if (thing.position_m, thing.wxyz) != (first.position_m, first.wxyz):
        pose = Pose(np.array(thing.position_m), np.array(thing.wxyz))
    mesh = item.mesh
    if thing.flipped:
        mesh = mirrored(mesh)
    if thing.scale != 1.0:
        mesh = replace(mesh, vertices=mesh.vertices * thing.scale)
    return replace(item, id=thing.id, name=thing.name, mesh=mesh, world_from_object=pose, support=support, support_id=carrier)


def _edges(state: EditState, start: EditState, shown: dict[int, Thing], scene: Scene) -> tuple[tuple[int, int], ...]:
    """Who hides whom: the photo's pairs, turned round where the picture's order was."""
    before, now = ({thing.id: k for k, thing in enumerate(each.things)} for each in (start, state))
    pairs = [pair for pair in scene.occlusion_edges if set(pair) <= set(shown)]
    return tuple((a, b) if (now[a] > now[b]) == (before[a] > before[b]) else (b, a) for a, b in pairs)
