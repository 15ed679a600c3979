"""Solid colour patterns: a colour for every point of space, so that nothing has to be unwrapped or baked."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

Kind = Literal["plain", "stripes", "checks", "mottled", "wood", "planks", "tiles"]
Rgb = tuple[int, int, int]

PAIRS: tuple[tuple[Rgb, Rgb], ...] = (
    ((38, 70, 83), (42, 157, 143)),
    ((231, 111, 81), (244, 162, 97)),
    ((233, 196, 106), (250, 237, 205)),
    ((69, 123, 157), (168, 218, 220)),
    ((157, 34, 53), (239, 200, 190)),
    ((88, 129, 87), (218, 215, 205)),
    ((94, 84, 142), (190, 149, 196)),
    ((52, 58, 64), (206, 212, 218)),
    ((188, 108, 37), (254, 250, 224)),
    ((2, 62, 138), (202, 240, 248)),
)
"""Dark and light colour of one object (sRGB), chosen to go well together."""

WOODS: tuple[tuple[Rgb, Rgb], ...] = (
    ((120, 78, 44), (176, 125, 80)),
    ((92, 58, 36), (140, 96, 64)),
    ((176, 138, 96), (214, 180, 138)),
)
FLOORS: tuple[tuple[Kind, Rgb, Rgb], ...] = (
    ("planks", (136, 98, 64), (190, 150, 108)),
    ("planks", (168, 140, 108), (210, 188, 158)),
    ("tiles", (150, 146, 140), (206, 202, 194)),
    ("mottled", (138, 136, 138), (160, 157, 155)),
    ("mottled", (150, 134, 118), (174, 158, 142)),
)
FLOOR_PERIODS_M: dict[Kind, float] = {"planks": 0.14, "tiles": 0.4, "mottled": 0.1}
"""Width of a board, side of a tile, size of a blot, as floors have them."""
WALLS: tuple[tuple[Rgb, Rgb], ...] = (
    ((222, 216, 206), (234, 229, 220)),
    ((196, 208, 214), (214, 224, 228)),
    ((206, 212, 196), (222, 226, 212)),
    ((226, 206, 196), (236, 220, 210)),
)


@dataclass(frozen=True)
class Pattern:
    """A mix of two sRGB colours that varies over space; coordinates in metres."""

    kind: Kind
    dark: Rgb
    light: Rgb
    period: float
    """Metres until the pattern repeats (roughly, for the irregular kinds)."""
    direction: Float[np.ndarray, "3"]
    """Across the stripes; along the grain of wood."""
    waves: Float[np.ndarray, "8 3"]
    phases: Float[np.ndarray, "8"]

    def colour(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """sRGB 0-255 at points of the pattern's own space."""
        mix = np.clip(self._mix(points), 0, 1)[:, None]
        return np.array(self.dark, float) * (1 - mix) + np.array(self.light, float) * mix

    def _mix(self, points: np.ndarray) -> np.ndarray:
        noise = np.sin(points @ (self.waves / self.period).T + self.phases).mean(axis=1) * 1.8
        turns = 2 * np.pi / self.period
        if self.kind == "plain":
            return 0.5 + 0.12 * noise
        if self.kind == "mottled":
            return 0.5 + 0.5 * noise
        if self.kind == "stripes":
            return 0.5 + 0.5 * _square(np.sin(turns * points @ self.direction + self.phases[0]))
        if self.kind == "checks":
            across = np.sin(turns * (points[:, 0] + points[:, 2]) + self.phases[0])
            return 0.5 + 0.5 * _square(across) * _square(np.sin(turns * points[:, 1] + self.phases[1]))
        if self.kind == "wood":
            lateral = points - np.outer(points @ self.direction, self.direction)
            return 0.5 + 0.4 * np.sin(turns * np.linalg.norm(lateral + 0.3, axis=-1) + 2 * noise) + 0.2 * noise
        return self._boards(points, noise)

    def _boards(self, points: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Planks along z, or square tiles, each of its own tone, with dark joints."""
        across, along = points[:, 0] / self.period, points[:, 2] / self.period
        along = (along + 3.7 * np.floor(across)) / 7 if self.kind == "planks" else along
        tone = np.abs(np.sin(12.9898 * np.floor(across) + 78.233 * np.floor(along)) * 43758.5453) % 1.0
        joint = np.minimum(_edge(across), _edge(along) * (7 if self.kind == "planks" else 1)) < 0.02
        grain = np.sin(90 * across + 3 * noise) if self.kind == "planks" else noise
        return np.where(joint, -0.2, 0.3 + 0.45 * tone + 0.12 * grain)


def _square(wave: np.ndarray) -> np.ndarray:
    """A sine made nearly square; its flanks stay soft, so that stripes are not jagged."""
    return np.tanh(5 * wave)


def _edge(cells: np.ndarray) -> np.ndarray:
    """Distance to the nearest cell border, in cells."""
    return np.abs(cells - np.rint(cells))


def random_pattern(rng: np.random.Generator, kind: Kind, pair: tuple[Rgb, Rgb], period: float) -> Pattern:
    """A pattern with random orientation and phase."""
    direction = rng.normal(size=3) * [1, 1, 0.4]
    waves = rng.normal(size=(8, 3)) * 2 * np.pi * 0.6
    return Pattern(kind, *pair, period, direction / np.linalg.norm(direction), waves, rng.uniform(0, 2 * np.pi, 8))


def object_patterns(rng: np.random.Generator, name: str, n_pieces: int) -> list[Pattern]:
    """One pattern per piece of an object: furniture mostly of wood, lamps with a light shade, the rest colourful."""
    pair = PAIRS[rng.integers(len(PAIRS))]
    wood = WOODS[rng.integers(len(WOODS))]
    if name in ("table", "chair", "stool"):
        body = random_pattern(rng, "wood", wood, 0.06) if rng.random() < 0.7 else random_pattern(rng, "plain", pair, 0.2)
        first = random_pattern(rng, "mottled", pair, 0.08) if name != "table" and rng.random() < 0.5 else body
        return [first] + [body] * (n_pieces - 1)
    if name == "lamp":
        metal = random_pattern(rng, "plain", PAIRS[7] if rng.random() < 0.5 else wood, 0.2)
        shade = random_pattern(rng, "stripes" if rng.random() < 0.4 else "plain", (pair[1], (250, 244, 228)), 0.09)
        return [metal] * (n_pieces - 1) + [shade]
    kinds: tuple[Kind, ...] = ("stripes", "checks", "mottled", "plain", "wood")
    kind = kinds[rng.choice(5, p=[0.3, 0.2, 0.2, 0.2, 0.1])]
    return [random_pattern(rng, kind, wood if kind == "wood" else pair, rng.uniform(0.06, 0.14))] * n_pieces
