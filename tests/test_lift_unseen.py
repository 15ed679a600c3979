"""What the embedded lifter invents: backs, sides and depths that the photo does not show."""

from dataclasses import replace

import numpy as np

from scene3d.backends.relief import ReliefLifter
from tests.liftshapes import MAKERS, photograph


def test_the_back_is_the_front_seen_through_the_object() -> None:
    item = photograph(MAKERS["ball"](), "thing", 0.0, with_depth=False, metres=0.5)
    rgba = item.rgba.copy()
    left = np.arange(rgba.shape[1]) < rgba.shape[1] / 2
    rgba[..., :3] = np.where(left[None, :, None], np.uint8([220, 30, 30]), np.uint8([30, 30, 220]))
    result = ReliefLifter().lift(replace(item, rgba=rgba))
    mesh = result.mesh
    size = mesh.texture.shape[0]
    texel = np.clip((mesh.uv[mesh.faces].mean(axis=1) * size).astype(int), 0, size - 1)
    red, blue = (mesh.texture[texel[:, 1], texel[:, 0], k].astype(int) for k in (0, 2))
    x, _, z = mesh.vertices[mesh.faces].mean(axis=1).T
    for there in (z < -0.1, np.abs(z) < 0.1):
        clear = there & (np.abs(x) > 0.08)
        assert clear.sum() > 50
        np.testing.assert_array_equal((red > blue)[clear], x[clear] < 0)
