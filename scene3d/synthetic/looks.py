"""What surfaces look like: solid patterns, textures wrapped round a mesh, tiles over a plane; filtered to the pixel's size."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8

from scene3d.synthetic.patterns import Pattern
from scene3d.types import TexturedMesh


@dataclass(frozen=True)
class Seen:
    """Surface points that rays met, in the surface's own coordinates."""

    triangle: Int[np.ndarray, " n"]
    bary: Float[np.ndarray, "n 3"]
    points: Float[np.ndarray, "n 3"]
    pixel: Float[np.ndarray, " n"]
    """How much of the surface a pixel covers, as a length in the surface's unit."""


@runtime_checkable
class Look(Protocol):
    """Colours of a surface's points."""

    def colour(self, seen: Seen) -> Float[np.ndarray, "n 3"]:
        """sRGB, 0-255."""
        ...


class Mipmap:
    """A picture and its halves, until a side has one pixel: each level's texel is the mean of four of the level before."""

    def __init__(self, picture: UInt8[np.ndarray, "h w 3"]):
        self.levels: list[Float[np.ndarray, "a b 3"]] = [picture.astype(np.float32)]
        while min(self.levels[-1].shape[:2]) > 1:
            fine = self.levels[-1]
            fine = fine[: fine.shape[0] // 2 * 2, : fine.shape[1] // 2 * 2]
            self.levels.append((fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]) / 4)

    def sample(self, uv: Float[np.ndarray, "n 2"], texels: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3"]:
        """Bilinear colours at glTF coordinates, which wrap round; from the level whose texels are as large as the pixel.

        ``texels``: how many texels of the finest level a pixel covers, as a length.
        """
        level = np.clip(np.rint(np.log2(np.maximum(texels, 1e-6))), 0, len(self.levels) - 1).astype(int)
        out = np.zeros((len(uv), 3))
        for index in np.unique(level):
            of_level = level == index
            out[of_level] = _bilinear(self.levels[index], uv[of_level])
        return out


def _bilinear(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    h, w = picture.shape[:2]
    at = uv * [w, h] - 0.5
    corner = np.floor(at).astype(int)
    x, y = (at - corner).T[..., None]
    left, right, top, bottom = corner[:, 0] % w, (corner[:, 0] + 1) % w, corner[:, 1] % h, (corner[:, 1] + 1) % h
    upper = picture[top, left] * (1 - x) + picture[top, right] * x
    lower = picture[bottom, left] * (1 - x) + picture[bottom, right] * x
    return upper * (1 - y) + lower * y


@dataclass(frozen=True)
class TexturedLook:
    """A mesh's own texture."""

    mesh: TexturedMesh
    gain: float = 1.0
    """Scans are often dark: their colours are multiplied by this."""

    def colour(self, seen: Seen) -> Float[np.ndarray, "n 3"]:
        """Filtered by how many texels of the face lie in the pixel."""
        uv = np.einsum("nk,nkj->nj", seen.bary, self.mesh.uv[self.mesh.faces[seen.triangle]])
        return np.minimum(self.gain * self._mipmap.sample(uv, seen.pixel * self._texels_per_unit[seen.triangle]), 255.0)

    @cached_property
    def _mipmap(self) -> Mipmap:
        return Mipmap(self.mesh.texture)

    @cached_property
    def _texels_per_unit(self) -> Float[np.ndarray, " f"]:
        """Of every face: the root of its area in texels over its area in space; 0 where it has one colour."""
        a, b, c = np.moveaxis(self.mesh.vertices[self.mesh.faces], 1, 0)
        space = np.linalg.norm(np.cross(b - a, c - a), axis=-1)
        h, w = self.mesh.texture.shape[:2]
        p, q, r = np.moveaxis(self.mesh.uv[self.mesh.faces] * [w, h], 1, 0)
        (qx, qy), (rx, ry) = (q - p).T, (r - p).T
        return np.sqrt(np.divide(np.abs(qx * ry - qy * rx), space, out=np.zeros(len(space)), where=space > 0))


@dataclass(frozen=True)
class Tiling:
    """A picture repeated over a plane."""

    mipmap: Mipmap
    axes: Float[np.ndarray, "2 3"]
    """Unit vectors along which its columns and rows go."""
    size: float
    """Of one tile along the columns, in the surface's unit; rows keep the picture's aspect."""
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def colour(self, points: Float[np.ndarray, "n 3"], pixel: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3"]:
        """sRGB, 0-255."""
        h, w = self.mipmap.levels[0].shape[:2]
        uv = points @ self.axes.T / [self.size, self.size * h / w]
        return np.clip(self.mipmap.sample(uv, pixel * w / self.size) * self.gain, 0, 255)


@dataclass(frozen=True)
class PiecewiseLook:
    """A solid pattern or a tiling per piece."""

    piece_of_face: Int[np.ndarray, " f"]
    pieces: Sequence[Tiling | Pattern]

    def colour(self, seen: Seen) -> Float[np.ndarray, "n 3"]:
        """Tilings are filtered; patterns are larger than pixels."""
        out = np.zeros((len(seen.triangle), 3))
        for index, piece in enumerate(self.pieces):
            mine = self.piece_of_face[seen.triangle] == index
            points = seen.points[mine]
            out[mine] = piece.colour(points, seen.pixel[mine]) if isinstance(piece, Tiling) else piece.colour(points)
        return out
