"""Rendered scenes with exact truth: rooms, tables and open ground, with models or procedural shapes. Deterministic per seed."""

from dataclasses import dataclass

import numpy as np

from paco_core.errors import BadInput
from paco_core.types import Camera
from scene3d.rays import pixel_rays
from scene3d.synthetic.arrange import Place, proposer
from scene3d.synthetic.layout import Limits, fill, looking_down
from scene3d.synthetic.lighting import Lamp, Layer, Light, blockers_of, lit_layers
from scene3d.synthetic.sky import Sky, gradient_sky
from scene3d.synthetic.stock import SKIES, Stock, load_sky
from scene3d.synthetic.surroundings import Kind, make_surroundings, random_slab
from scene3d.synthetic.truth import Film, Shot, TrueScene, develop

Span = tuple[float, float]
ATTEMPTS = 20
"""Cameras and arrangements per seed before it is given up: one or two are usual."""
SUN_M = 60.0
"""The sun's distance: its rays are parallel for anything near."""
HUGE = 80.0
"""Brightest pixel of a sky over its mean: a low sun of a few pixels stays, but does not blind everything else."""

LONELY = 0.25
"""Keeps half of all objects hidden in part: what completion needs to see."""
EXPOSED = (0.14, 0.3)
"""Mean linear light of a photo: 0.18 is what cameras' meters aim at."""


@dataclass(frozen=True)
class SceneSettings:
    """What scenes are like."""

    hw: tuple[int, int] = (256, 256)
    n_objects: tuple[int, int] = (2, 10)
    """Fewest and most; where a scene has no place for more, it has less."""
    elevation_deg: Span = (0.0, 45.0)
    """How far the camera looks down."""
    hfov_deg: Span = (35.0, 75.0)
    kinds: tuple[Kind, ...] = ("room", "table", "open")
    """Drawn evenly."""
    min_visible: float = 0.15
    """Share of its silhouette that every object shows."""


DEFAULT = SceneSettings()
PROCEDURAL = Stock()


def make_scene(seed: int, settings: SceneSettings = DEFAULT, stock: Stock = PROCEDURAL) -> TrueScene:
    """Make one scene: same seed, settings and stock, same scene, to the last bit on one machine.

    Raises ``BadInput`` for settings that leave nothing to show, and where no model of the stock can be used.
    """
    _check(settings)
    kind = settings.kinds[np.random.default_rng(seed).integers(len(settings.kinds))]
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, attempt])
        place, world_from_camera = _random_place(rng, kind, settings)
        wanted = int(rng.integers(settings.n_objects[0], settings.n_objects[1] + 1))
        limits = Limits(
            min_visible=settings.min_visible,
            min_inside=0.6 if rng.random() < 0.2 else 0.95,  # photos cut things off, now and then
            gap_m=0.004 if place.kind == "table" else 0.015,
            nearest_m=0.2 if place.kind == "table" else 0.5,
            lonely=LONELY,
            tries=60 * wanted,
        )
        items = fill(rng, proposer(rng, stock, place), place.camera, world_from_camera, wanted, limits)
        if len(items) >= settings.n_objects[0]:
            return _render(seed, rng, place, world_from_camera, items, stock)
    raise BadInput(
        f"No scene of {settings.n_objects[0]} objects came about for seed {seed} in {ATTEMPTS} attempts"
        f" ({len(stock.broken)} of {len(stock.models)} models can't be read). Ask for fewer objects, or give other models."
    )


def _check(settings: SceneSettings) -> None:
    low, high = settings.n_objects
    if min(settings.hw) < 64 or max(settings.hw) > 2048:
        raise BadInput(f"A scene of {settings.hw[0]} x {settings.hw[1]} px can't be made; sides are 64 to 2048 px.")
    if not 1 <= low <= high <= 100:
        raise BadInput(f"{low} to {high} objects can't be arranged; give two numbers from 1 to 100, the smaller first.")
    if not settings.kinds or not 0 <= settings.elevation_deg[0] <= settings.elevation_deg[1] <= 85:
        raise BadInput("Scenes need at least one kind, and a camera that looks down by 0 to 85 degrees.")
    if not 10 <= settings.hfov_deg[0] <= settings.hfov_deg[1] <= 120:
        raise BadInput("Fields of view are 10 to 120 degrees.")


def _random_place(rng: np.random.Generator, kind: Kind, settings: SceneSettings) -> tuple[Place, np.ndarray]:
    """A camera that looks at the middle of a scene, and its pose."""
    (h, w), hfov = settings.hw, np.deg2rad(rng.uniform(*settings.hfov_deg))
    camera = Camera(w / 2 / np.tan(hfov / 2), w / 2 / np.tan(hfov / 2), w / 2, h / 2, w, h, source="synthetic")
    elevation, roll = np.deg2rad(rng.uniform(*settings.elevation_deg)), np.deg2rad(rng.normal(0, 1.0))
    # the whole scene is about as wide as the picture: 0.7 m of a table, 2.6 m of a room
    away = rng.uniform(0.8, 1.25) * (0.7 if kind == "table" else 2.6) / (2 * np.tan(hfov / 2))
    distance = float(np.clip(away * np.cos(elevation), *((0.35, 1.3) if kind == "table" else (1.2, 4.5))))
    aim = rng.uniform(0.04, 0.14) if kind == "table" else rng.uniform(0.2, 0.6)
    height = aim + distance * np.tan(elevation)
    pose = looking_down(elevation, roll, height)
    return Place(kind, camera, distance, random_slab(rng, distance) if kind == "table" else None), pose


def _render(
    seed: int, rng: np.random.Generator, place: Place, world_from_camera: np.ndarray, items: list, stock: Stock
) -> TrueScene:
    camera, eye = place.camera, world_from_camera[:3, 3]
    hw = camera.height, camera.width
    surroundings = make_surroundings(rng, place.kind, stock, items, place.slab, place.distance, eye[[0, 2]])
    sky, light = _random_light(rng, place, stock)
    stage = Layer(surroundings.rays.render(camera.K, np.linalg.inv(world_from_camera), hw), surroundings, np.eye(4))
    layers = [stage, *(Layer(i.seen_by(camera, world_from_camera), i.solid, i.world_from_solid) for i in items)]
    lit = lit_layers(layers, blockers_of(items), light, eye, camera.fx)
    shot = Shot(seed, f"{place.kind}_{seed:06d}", camera, world_from_camera, items, layers)
    film = Film(lens_px=float(rng.uniform(0.4, 0.7)), noise=float(rng.uniform(0.5, 2.5)), exposed=float(rng.uniform(*EXPOSED)))
    return develop(shot, lit, _sky_picture(sky, camera, world_from_camera, stage.hits.mask), film, rng)


def _random_light(rng: np.random.Generator, place: Place, stock: Stock) -> tuple[Sky, Light]:
    """A sky, with lamps under a roof and its own sun outside."""
    skies = [entry for entry in stock.covering(SKIES) if place.kind != "open" or entry.category == "hdri_outdoor"]
    ambient = rng.uniform(0.35, 0.6)
    if skies:
        sky = load_sky(skies[rng.integers(len(skies))].path).turned(rng.uniform(0, 2 * np.pi), ambient, HUGE)
    else:
        warm = rng.uniform(0.9, 1.1, 3)
        sky = gradient_sky(1.2 * warm, np.array([0.9, 0.92, 0.95]), 0.35 * warm[::-1]).turned(0.0, ambient, HUGE)
    near = 0.35 if place.kind == "table" else 0.8
    lamps = (_sun(sky),) if place.kind == "open" else _lamps(rng, place)
    return sky, Light(lamps, sky.irradiance, shadow_rays=3, sky_rays=3, sky_reach=near)


def _sun(sky: Sky) -> Lamp:
    """The sky's brightest part, strong enough to make shadows, weak enough to leave colours."""
    towards, energy = sky.sun
    strength = float(np.clip(energy.mean(), 0.2, 0.8))
    return Lamp(SUN_M * towards, energy / max(float(energy.mean()), 1e-9) * strength, radius=0.03 * SUN_M)


def _lamps(rng: np.random.Generator, place: Place) -> tuple[Lamp, ...]:
    """One to three, warm or cool, small or as wide as a window, above and around the camera."""
    middle, reach = np.array([0.0, 0.0, -place.distance]), 1.0 if place.kind == "table" else 2.0
    shares = rng.dirichlet(np.ones(rng.integers(1, 4)))
    total = rng.uniform(0.35, 0.75)
    lamps = []
    for share in shares:
        angle = rng.uniform(0, 2 * np.pi)
        sideways = reach * rng.uniform(0.3, 1.2) * np.array([np.cos(angle), 0.0, np.sin(angle)])
        warmth = rng.uniform(-0.15, 0.15)
        colour = share * total * np.array([1 + warmth, 1.0, 1 - warmth])
        lamps.append(Lamp(middle + sideways + [0, reach * rng.uniform(0.8, 1.3), 0], colour, rng.uniform(0.02, 0.2) * reach))
    return tuple(lamps)


def _sky_picture(sky: Sky, camera: Camera, world_from_camera: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Linear light (h, w, 3) of what lies behind everything, where the surroundings (h, w) don't cover it."""
    out = np.zeros((*covered.shape, 3))
    rows, cols = np.nonzero(~covered)
    out[rows, cols] = sky.seen(pixel_rays(camera.K, rows, cols) @ world_from_camera[:3, :3].T)
    return out
