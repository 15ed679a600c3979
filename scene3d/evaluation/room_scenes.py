"""Procedural rooms as scenes whose hidden parts are known."""

from collections.abc import Iterable, Iterator

from paco_core.evaluation.order import order_of_edges
from paco_core.evaluation.scenes import AmodalScene
from scene3d.synthetic.rooms import make_room
from scene3d.synthetic.truth import TrueScene


def room_scenes(seeds: Iterable[int]) -> Iterator[AmodalScene]:
    """One room per seed, rendered when it is asked for."""
    return (amodal_scene(make_room(seed)) for seed in seeds)


def amodal_scene(room: TrueScene) -> AmodalScene:
    """The 2D truth of a room. Of two objects that hide parts of each other, the one that hides more counts as in front."""
    front = order_of_edges(room.segmentation.ids, room.hides)
    return AmodalScene(room.photo, room.segmentation, room.amodal, front, room.alone, room.depth, room.camera)
