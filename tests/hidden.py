"""Small scenes whose hidden parts are known, shared by tests."""

import numpy as np

from paco_core.evaluation.order import order_of_edges
from paco_core.evaluation.scenes import AmodalScene
from paco_core.types import Photo, Segmentation


def two_boxes() -> AmodalScene:
    """A red box before a blue one; a third object is wholly hidden."""
    red, blue, lost = np.zeros((3, 60, 80), bool)
    red[20:50, 30:60], blue[10:40, 10:50], lost[30:34, 40:44] = True, True, True
    rgb = np.full((60, 80, 3), 200, np.uint8)
    rgb[blue], rgb[red] = (30, 60, 190), (190, 40, 30)
    alone = np.zeros((3, 60, 80, 4), np.uint8)
    for k, (mask, colour) in enumerate([(red, (190, 40, 30)), (blue, (30, 60, 190)), (lost, (0, 99, 0))]):
        alone[k][mask] = (*colour, 255)
    seen = Segmentation((4, 7, 9), ("red", "blue", "lost"), np.stack([red, blue & ~red, np.zeros_like(red)]))
    order = order_of_edges(seen.ids, [(4, 7), (4, 9)])
    return AmodalScene(Photo(rgb, "boxes", "0"), seen, np.stack([red, blue, lost]), order, alone)
