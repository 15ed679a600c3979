"""Objects of procedural rooms as closed triangle pieces, in the object frame: y up, front +z, base at y = 0, metres."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

SEGMENTS = 40
"""Around a turned shape: its outline leaves the true circle by 0.3 % of the radius, far below a pixel."""


@dataclass(frozen=True)
class Piece:
    """One closed part of an object (a leg, a shade ...); counter-clockwise faces look outwards."""

    vertices: Float64[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Piece":
        """The same piece, shifted."""
        return Piece(self.vertices + np.array([x, y, z]), self.faces)


def cuboid(width: float, height: float, depth: float) -> Piece:
    """A box that stands on y = 0, centred in x and z."""
    signs = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    vertices = (signs - [0.5, 0.0, 0.5]) * [width, height, depth]
    quads = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    return Piece(vertices, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))


def turned(profile: list[tuple[float, float]], segments: int = SEGMENTS) -> Piece:
    """A solid of revolution about y. ``profile``: (radius, height) along the outside, from the axis to the axis."""
    radius, height = np.array(profile[1:-1]).T
    angle = np.arange(segments) * 2 * np.pi / segments
    ring = np.stack([np.cos(angle), np.zeros(segments), np.sin(angle)], axis=-1)
    rings = radius[:, None, None] * ring + height[:, None, None] * [0, 1, 0]
    poles = np.array([[0, profile[0][1], 0], [0, profile[-1][1], 0]])
    here = np.arange(segments)
    after, first, last = (here + 1) % segments, len(poles), len(poles) + (len(radius) - 1) * segments
    faces = [np.stack([np.zeros_like(here), first + here, first + after], axis=-1)]
    for low in range(first, last, segments):
        a, b, c, d = low + here, low + after, low + segments + here, low + segments + after
        faces += [np.stack([a, c, b], axis=-1), np.stack([b, c, d], axis=-1)]
    faces.append(np.stack([np.ones_like(here), last + after, last + here], axis=-1))
    return Piece(np.concatenate([poles, rings.reshape(-1, 3)]), np.concatenate(faces))


def handle(radius: float, thickness: float) -> Piece:
    """Half a ring in the xy-plane that opens towards -x, its ends closed; the handle of a mug."""
    arc, around = np.linspace(-np.pi / 2, np.pi / 2, 13), np.arange(10) * 2 * np.pi / 10
    reach = radius + thickness * np.cos(around)
    rings = np.stack(
        [np.outer(np.cos(arc), reach), np.outer(np.sin(arc), reach), np.tile(thickness * np.sin(around), (13, 1))], axis=-1
    )
    i, j = (index.ravel() for index in np.mgrid[:12, :10])
    a, b, c, d = i * 10 + j, i * 10 + (j + 1) % 10, (i + 1) * 10 + j, (i + 1) * 10 + (j + 1) % 10
    sides = np.concatenate([np.stack([a, c, b], axis=-1), np.stack([b, c, d], axis=-1)])
    fan = np.stack([np.zeros(8, int), np.arange(1, 9), np.arange(2, 10)], axis=-1)
    return Piece(rings.reshape(-1, 3), np.concatenate([sides, fan, 120 + fan[:, ::-1]]))


def legs(width: float, depth: float, height: float, thickness: float) -> list[Piece]:
    """Four square legs whose outer faces span ``width`` and ``depth``."""
    x, z = (width - thickness) / 2, (depth - thickness) / 2
    return [cuboid(thickness, height, thickness).moved(sx * x, 0, sz * z) for sx in (-1, 1) for sz in (-1, 1)]


def box(rng: np.random.Generator) -> list[Piece]:
    """A crate or carton."""
    return [cuboid(rng.uniform(0.2, 0.5), rng.uniform(0.18, 0.5), rng.uniform(0.2, 0.45))]


def small_box(rng: np.random.Generator) -> list[Piece]:
    """A box for a table."""
    return [cuboid(rng.uniform(0.12, 0.26), rng.uniform(0.08, 0.22), rng.uniform(0.1, 0.2))]


def cylinder(rng: np.random.Generator) -> list[Piece]:
    """A drum or a closed bin."""
    r, h = rng.uniform(0.11, 0.2), rng.uniform(0.25, 0.55)
    return [turned([(0, 0), (r, 0), (r, h), (0, h)])]


def ball(rng: np.random.Generator) -> list[Piece]:
    """A ball for the floor."""
    return [_sphere(rng.uniform(0.11, 0.24))]


def small_ball(rng: np.random.Generator) -> list[Piece]:
    """A ball for a table."""
    return [_sphere(rng.uniform(0.05, 0.1))]


def _sphere(radius: float) -> Piece:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 25)
    profile = np.stack([radius * np.cos(angle), radius * (1 + np.sin(angle))], axis=-1)
    return turned([(float(r), float(y)) for r, y in profile])


def vase(rng: np.random.Generator) -> list[Piece]:
    """A tall floor vase, open at the top."""
    return [_vase(rng, rng.uniform(0.4, 0.75))]


def small_vase(rng: np.random.Generator) -> list[Piece]:
    """A vase for a table."""
    return [_vase(rng, rng.uniform(0.2, 0.34))]


def _vase(rng: np.random.Generator, height: float) -> Piece:
    foot, belly, neck, lip = height * rng.uniform([0.12, 0.2, 0.07, 0.1], [0.17, 0.28, 0.11, 0.16])
    knots = [(foot, 0.0), (belly, rng.uniform(0.3, 0.45)), (neck, rng.uniform(0.76, 0.86)), (lip, 1.0)]
    t = np.linspace(0, 1, 24)
    radius = np.interp(t, [k[1] for k in knots], [k[0] for k in knots])
    radius = np.convolve(np.pad(radius, 3, mode="edge"), np.ones(7) / 7, mode="valid")  # rounds the corners off
    outside = [(float(r), float(y)) for r, y in zip(radius, t * height, strict=True)]
    wall = 0.018 * height
    inside = [(r - wall, max(y, 2 * wall)) for r, y in outside[:1:-1]]
    return turned([(0, 0), *outside, *inside, (0, inside[-1][1])])


def bowl(rng: np.random.Generator) -> list[Piece]:
    """An open bowl."""
    r, h = rng.uniform(0.1, 0.17), rng.uniform(0.06, 0.1)
    t = np.linspace(0, np.pi / 2, 12)
    outside = [(r * (0.4 + 0.6 * float(np.sin(a))), h * (1 - float(np.cos(a)))) for a in t]
    inside = [(x - 0.006, max(y, 0.008)) for x, y in outside[::-1]]
    return [turned([(0, 0), *outside, *inside, (0, 0.008)])]


def mug(rng: np.random.Generator) -> list[Piece]:
    """An open mug with a handle on its right."""
    r, h = rng.uniform(0.045, 0.06), rng.uniform(0.1, 0.13)
    body = turned([(0, 0), (r, 0), (r, h), (r - 0.005, h), (r - 0.005, 0.006), (0, 0.006)])
    return [body, handle(0.3 * h, 0.007).moved(r - 0.003, 0.52 * h)]


def table(rng: np.random.Generator) -> list[Piece]:
    """A low or a dining table, square or oblong."""
    w, d, h = rng.uniform(0.75, 1.15), rng.uniform(0.55, 0.75), rng.uniform(0.42, 0.74)
    leg, top = rng.uniform(0.045, 0.07), rng.uniform(0.03, 0.05)
    return [cuboid(w, top, d).moved(y=h - top), *legs(w - 0.04, d - 0.04, h - top, leg)]


def chair(rng: np.random.Generator) -> list[Piece]:
    """A kitchen chair with a backrest at its rear."""
    w, d, seat, back = rng.uniform([0.4, 0.4, 0.42, 0.38], [0.48, 0.46, 0.48, 0.5])
    leg, board = 0.04, 0.035
    post = cuboid(leg, back, leg)
    posts = [post.moved(s * (w - leg) / 2, seat, -(d - leg) / 2) for s in (-1, 1)]
    rest = cuboid(w - 2 * leg, back * rng.uniform(0.35, 0.75), 0.022)
    rest = rest.moved(0, seat + back - float(np.ptp(rest.vertices[:, 1])), -(d - leg) / 2)
    return [cuboid(w, board, d).moved(y=seat - board), *legs(w, d, seat - board, leg), *posts, rest]


def stool(rng: np.random.Generator) -> list[Piece]:
    """A round stool."""
    r, h = rng.uniform(0.16, 0.2), rng.uniform(0.4, 0.6)
    return [turned([(0, h - 0.04), (r, h - 0.04), (r, h), (0, h)]), *legs(1.3 * r, 1.3 * r, h - 0.04, 0.04)]


def lamp(rng: np.random.Generator) -> list[Piece]:
    """A floor lamp."""
    return _lamp(rng, rng.uniform(1.05, 1.5), 0.15)


def small_lamp(rng: np.random.Generator) -> list[Piece]:
    """A lamp for a table."""
    return _lamp(rng, rng.uniform(0.36, 0.5), 0.28)


def _lamp(rng: np.random.Generator, height: float, shade_radius: float) -> list[Piece]:
    """Foot, pole and a tapered shade; ``shade_radius`` as a share of the height."""
    low = height * shade_radius
    high, shade_h, foot = low * rng.uniform(0.55, 0.9), height * rng.uniform(0.24, 0.32), low * rng.uniform(0.6, 0.8)
    pole = 0.011 + 0.006 * height
    base = turned([(0, 0), (foot, 0), (foot, 0.012), (pole, 0.035), (0, 0.035)])
    stem = turned([(0, 0.0), (pole, 0.0), (pole, height - shade_h), (0, height - shade_h)], 16)
    shade = turned([(0, 0), (low, 0), (high, shade_h), (0, shade_h)]).moved(y=height - shade_h)
    return [base, stem, shade]


Maker = Callable[[np.random.Generator], list[Piece]]

FOR_FLOOR: dict[str, Maker] = {
    "table": table, "chair": chair, "box": box, "cylinder": cylinder, "vase": vase, "ball": ball, "lamp": lamp,
    "stool": stool,
}  # fmt: skip
FOR_TABLE: dict[str, Maker] = {
    "vase": small_vase, "lamp": small_lamp, "box": small_box, "bowl": bowl, "mug": mug, "ball": small_ball,
}  # fmt: skip
