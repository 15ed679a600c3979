"""Procedural rooms with exact truth: what tests, gates and docs measure. Made of nothing but numbers; deterministic per seed."""

import numpy as np

from paco_core.errors import BadInput
from scene3d.shadow import floor_shadow
from scene3d.synthetic.furnish import furnish, random_camera
from scene3d.synthetic.lighting import Lamp, Layer, Light, blockers_of, lit_layers
from scene3d.synthetic.shell import make_shell
from scene3d.synthetic.truth import Film, Shot, TrueScene, develop

AMBIENT = 0.42
"""Light from all around, a little less from below, as a share of white."""

CONTACT_M = 0.25
"""How far an object's contact shadow reaches over the floor."""


def make_room(seed: int, *, hw: tuple[int, int] = (384, 512), n_objects: int | None = None) -> TrueScene:
    """Make one room: same seed, same room, to the last bit on one machine.

    ``n_objects`` of them where so many fit (a few less where not); None draws 4 to 7.
    """
    if min(hw) < 64:
        raise BadInput(f"A room of {hw[0]} x {hw[1]} px is too small to show objects; ask for at least 64 x 64.")
    rng = np.random.default_rng(seed)
    wanted = int(rng.integers(4, 8)) if n_objects is None else n_objects
    if wanted < 1:
        raise BadInput(f"A room of {wanted} objects has nothing to show; ask for at least 1.")
    camera, world_from_camera, distance = random_camera(rng, hw)
    items = furnish(rng, camera, world_from_camera, distance, wanted)
    shell = make_shell(rng, items, distance)
    lamps = _random_lamps(rng, distance)
    surroundings = Layer(shell.rays.render(camera.K, np.linalg.inv(world_from_camera), hw), shell, np.eye(4))
    layers = [surroundings, *(Layer(i.seen_by(camera, world_from_camera), i.solid, i.world_from_solid) for i in items)]
    blockers = blockers_of(items)
    light = Light(lamps, _ambient, contact=floor_shadow(blockers, CONTACT_M))
    lit = lit_layers(layers, blockers, light, world_from_camera[:3, 3], camera.fx)
    shot = Shot(seed, f"room_{seed:04d}", camera, world_from_camera, items, layers)
    return develop(shot, lit, None, Film(), rng)


def _ambient(normals: np.ndarray) -> np.ndarray:
    return AMBIENT * np.repeat(0.8 + 0.2 * normals[:, 1:2], 3, axis=1)


def _random_lamps(rng: np.random.Generator, distance: float) -> tuple[Lamp, ...]:
    """A main lamp above and beside the camera, a weaker one on the other side."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    main = np.array([side * rng.uniform(0.5, 1.3), rng.uniform(2.3, 3.0), rng.uniform(-0.5, 0.1) * distance])
    second = np.array([-side * rng.uniform(0.5, 1.3), rng.uniform(2.2, 2.8), rng.uniform(-0.9, -0.3) * distance])
    strengths = rng.uniform(0.5, 0.62), rng.uniform(0.15, 0.25)
    return Lamp(main, np.full(3, strengths[0])), Lamp(second, np.full(3, strengths[1]))
