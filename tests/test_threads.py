"""The same result on any number of threads."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import trimesh

from scene3d.clean import decimate


@pytest.fixture
def hasty_threads():
    """Threads change places as often as they can, so that what they share shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_meshes_that_are_simplified_side_by_side_stay_their_own(hasty_threads):
    rings = [trimesh.creation.torus(1.0, radius, major_sections=60, minor_sections=40) for radius in np.linspace(0.1, 0.6, 8)]
    meshes = [(np.array(ring.vertices), np.array(ring.faces)) for ring in rings]
    alone = [decimate(*mesh, 900) for mesh in meshes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda mesh: decimate(*mesh, 900), meshes))
    for one, other in zip(alone, together, strict=True):
        assert one is not None and other is not None
        assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
