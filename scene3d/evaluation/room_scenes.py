"""Procedural rooms as scenes whose hidden parts are known."""

from collections.abc import Iterable, Iterator

from paco_core.evaluation.order import order_of_edges
from paco_core.evaluation.scenes import AmodalScene
from scene3d.synthetic.rooms import Room, make_room


def room_scenes(seeds: Iterable[int]) -> Iterator[AmodalScene]:
    """One room per seed, rendered when it is asked for."""
    return (amodal_scene(make_room(seed)) for seed in seeds)


def amodal_scene(room: Room) -> AmodalScene:
    """The 2D truth of a room. Of two objects that hide parts of each other, the one that hides more counts as in front."""
    ids, amodal, masks = room.segmentation.ids, room.amodal, room.segmentation.masks
    hides = {(a, b): int((masks[ids.index(a)] & amodal[ids.index(b)]).sum()) for a, b in room.order}
    front = [(a, b) for (a, b), pixels in hides.items() if pixels > hides.get((b, a), 0)]
    return AmodalScene(room.photo, room.segmentation, amodal, order_of_edges(ids, front), room.alone, room.depth, room.camera)
