"""The texture of a lifted mesh: the photo where the photo shows it, and a quiet continuation everywhere else."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, UInt8
from scipy import ndimage as ndi

from paco_core.classes import Back
from scene3d.atlas import GUTTER, Atlas, bleed, face_normals, unwrap
from scene3d.backs import plain_back, ramp
from scene3d.relief.fields import Field2D, Outline
from scene3d.relief.morphology import edt, fill_outwards
from scene3d.relief.raster import cover, depth_buffer
from scene3d.relief.view import View
from scene3d.relief.volume import Twin
from scene3d.types import TexturedMesh

BLURS = (0.012, 0.03, 0.07)
"""Blurs of the photo for what lies ever deeper behind the visible surface, shares of the silhouette's side (docs/method.md)."""
SIDE_DEPTH = 0.10
"""This far (work units) behind what is seen and before what is last, a side's colours are at their blurriest."""
BACK_LEVEL, SIDE_LEVEL = 0.6, 1.0
"""Blur levels of the back and, on top of it, of the sides: what is invented is softer than what is seen, in the same pattern."""
STEEP = 0.04
"""A side that is this narrow in the photo, shares of the silhouette's side, is too steep to be textured through the object."""
BACK_DEPTH = 0.12
"""From this depth behind what is seen (work units) on a surface counts as the back in full: no seam at the rim."""
EDGE_PX = 1.5
"""The mask's edge pixels mix object and background; this much (or 0.4 % of the side, if more) is replaced from inside."""
BUFFER_PX = 320
"""Side of the depth buffer that decides what the photo shows."""
NEAR_PX = 2
"""Buffer pixels around an occluding edge inside the object whose colour may belong to either side: shapes are that exact."""
FRONT_FACING = 0.2
"""Least cosine between a face and the sight line for the photo to texture it: at 78 degrees a pixel stretches five-fold."""


@dataclass(frozen=True)
class TextureConfig:
    """Limits of the texture."""

    max_size: int = 1024
    """Longest side, texels; a power of two."""


def paint(
    vertices: Float64[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    rgba: UInt8[np.ndarray, "s s 4"],
    outline: Outline,
    view: View,
    twins: tuple[Twin, ...] = (),
    config: TextureConfig = TextureConfig(),
    *,
    back: Back = "mirror",
) -> TexturedMesh:
    """Texture a closed mesh (work frame) from its crop. Vertices come back in the work frame, cut along seams.

    ``back``: what the back looks like: the front, the front's frame, or clothes and hair instead of a face.
    """
    uv, _ = view.project(vertices)
    surface = visible_surface(vertices, faces, view)
    front, maybe = _shown(vertices, faces, view, surface)
    px_per_unit = view.focal_px / view.distance
    atlas = unwrap(vertices, faces, uv, front, maybe, px_per_unit, config.max_size)
    photo = clean_photo(rgba, outline.mask, outline.side_px)
    plain = plain_back(photo[0], outline, back)
    colors = _Continuation(photo[1], plain, outline, view, surface, _last_surface(vertices, faces, view), twins)
    texture = _bake(atlas, vertices[atlas.source], photo[0], colors)
    return TexturedMesh(vertices[atlas.source], atlas.faces, atlas.texel / atlas.size, texture)


def visible_surface(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], view: View) -> Field2D:
    """Height toward the camera of the surface that the crop camera sees; -inf where it sees none."""
    return _surface(vertices, faces, view, farthest=False)


def _last_surface(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], view: View) -> Field2D:
    """Height toward the camera of the surface where each sight line leaves the mesh for good; -inf where there is none."""
    return _surface(vertices, faces, view, farthest=True)


def _surface(vertices: np.ndarray, faces: np.ndarray, view: View, *, farthest: bool) -> Field2D:
    uv, height = view.project(vertices)
    scale = min(1.0, BUFFER_PX / view.size_px)
    depth = depth_buffer(uv, np.maximum(view.distance - height, 1e-3), faces, view.size_px, scale, farthest=farthest)
    step = view.size_px / depth.shape[0]
    return Field2D(view.distance - depth, (step / 2, step / 2), step)


def _shown(
    vertices: np.ndarray, faces: np.ndarray, view: View, surface: Field2D
) -> tuple[Bool[np.ndarray, "f"], Bool[np.ndarray, "f"]]:
    """Faces that the photo shows, and those that it nearly shows (for smoothing the border between the two)."""
    corners = vertices[faces]
    middle = corners.mean(axis=1)
    sight = view.distance * view.toward - middle
    facing = (face_normals(vertices, faces) * sight).sum(axis=1) / np.linalg.norm(sight, axis=1)
    full = _nearest_around(surface)
    behind = np.full(len(faces), -np.inf)
    for k in range(3):  # near every corner: a large face may be hidden in part
        uv, z = view.project(0.8 * corners[:, k] + 0.2 * middle)
        behind = np.maximum(behind, full.at(uv) - z)
    pixel = surface.step_px * view.distance / view.focal_px
    slant = np.sqrt(1 / np.maximum(facing, 0.1) ** 2 - 1)  # a slanted face varies within the pixels around it
    tolerance = 0.004 + (NEAR_PX + 0.5) * pixel * slant
    return (facing > FRONT_FACING) & (behind < tolerance), (facing > 0.1) & (behind < 2 * tolerance)


def _nearest_around(surface: Field2D, radius: int = NEAR_PX) -> Field2D:
    """The surface's heights, spread by ``radius`` px over what lies behind and continued outside."""
    full = fill_outwards(surface.values, np.isfinite(surface.values))
    return surface.with_values(ndi.maximum_filter(full, 2 * radius + 1))


def clean_photo(
    rgba: UInt8[np.ndarray, "s s 4"], mask: Bool[np.ndarray, "s s"], side_px: float
) -> tuple[Float64[np.ndarray, "s s 3"], list[tuple[Float64[np.ndarray, "_ _ 3"], float]]]:
    """The crop's colours in [0, 1] with the mask's mixed edge pixels and the outside replaced, and its blurred levels.

    Each level comes with its samples per crop pixel.
    """
    rgb = rgba[..., :3].astype(np.float64) / 255
    edge = max(EDGE_PX, 0.004 * side_px)
    inside = edt(np.pad(mask, 1))[1:-1, 1:-1]
    core = inside > edge
    thin = mask & ~(edt(~core) < 2 * edge + 1)  # parts that have no core keep their pixels
    core = core | (thin & (inside >= ndi.maximum_filter(inside, 3)))
    clean = np.stack([fill_outwards(rgb[..., k], core) for k in range(3)], axis=-1)
    soft = np.stack([ndi.gaussian_filter(clean[..., k], edge) for k in range(3)], axis=-1)
    clean = np.where(core[..., None], clean, soft)
    q = max(1, int(side_px // 160))
    small, known = clean[::q, ::q], core[::q, ::q]
    known = known if known.any() else np.ones_like(known)
    levels = [(clean, 1.0)]
    for share in BLURS:
        sigma = share * side_px / q
        weight = ndi.gaussian_filter(known.astype(np.float64), sigma)
        blurred = [ndi.gaussian_filter(small[..., k] * known, sigma) / np.maximum(weight, 1e-6) for k in range(3)]
        levels.append((np.stack([fill_outwards(b, weight > 1e-3) for b in blurred], axis=-1), 1.0 / q))
    return clean, levels


TWIN_BLEND = 0.03
"""Doubt (work units) over which a point's colour fades into that of its symmetric twin: no seam where both are as good."""


@dataclass(frozen=True)
class _Look:
    """Where points lie in the crop, and how far from what it shows."""

    uv: Float64[np.ndarray, "n 2"]
    behind: Float64[np.ndarray, "n"]
    """Depth behind the first surface of the pixel's sight line, work units."""
    before: Float64[np.ndarray, "n"]
    """Height before the last one."""
    doubt: Float64[np.ndarray, "n"]
    """How little the pixel's colour says about the point: the depth behind, and a malus for facing away. (The inner wall of a cup
    lies just before the outer one: only the normal tells that the photo shows the other side.)"""

    def at(self, chosen: Bool[np.ndarray, "n"]) -> "_Look":
        """Of some of the points."""
        return _Look(self.uv[chosen], self.behind[chosen], self.before[chosen], self.doubt[chosen])


class _Continuation:
    """Colour of any surface point: the photo at the point, at its symmetric twin, or through the object (docs/method.md).

    The back is the front seen through the object, softer. A side begins at the rim of the front and ends at the rim of
    the back; on it the photo is folded inward, as far as the nearer of both rims is away, so that it meets both without a seam.
    """

    def __init__(
        self,
        levels: list[tuple[np.ndarray, float]],
        plain: np.ndarray | None,
        outline: Outline,
        view: View,
        surface: Field2D,
        last: Field2D,
        twins: tuple[Twin, ...],
    ) -> None:
        self._levels, self._plain, self._view, self._twins = levels, plain, view, twins
        self._surface = surface.with_values(fill_outwards(surface.values, np.isfinite(surface.values)))
        deepest = fill_outwards(
            last.values, np.isfinite(last.values)
        )  # around: on a steep side the pixel's own is the side itself
        reach = 1 + 2 * max(1, round(STEEP * outline.side_px / last.step_px))
        self._last = last.with_values(ndi.minimum_filter(deepest, reach))
        self._around = _nearest_around(surface, 3 * NEAR_PX)  # an occluder's edge is soft in the photo
        self._distance, self._px_per_unit = outline.distance, outline.side_px
        grid = outline.grid
        distance = outline.distance.at(grid.uv).reshape(grid.values.shape)
        down, right = np.gradient(ndi.gaussian_filter(distance, 1.5))
        length = np.hypot(down, right) + 1e-9
        self._inward = grid.with_values(right / length), grid.with_values(down / length)
        widest = ndi.grey_dilation(np.maximum(distance, 0), size=(9, 9))
        self._local = grid.with_values(fill_outwards(widest, outline.inside))

    def __call__(self, points: Float64[np.ndarray, "n 3"], normals: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
        """sRGB in [0, 1] of work points with outward normals."""
        looks = [self._look(points, normals)]
        looks += [self._look(*twin(points, normals)) for twin in self._twins]
        doubts = np.stack([look.doubt for look in looks])
        for k, look in enumerate(looks[1:], 1):
            doubts[k] += np.where(self._distance.at(look.uv) > -0.02, 0.01, np.inf)  # a tie goes to the point's own pixel
        share = np.exp((doubts.min(axis=0) - doubts) / TWIN_BLEND)
        share /= share.sum(axis=0)
        out = np.zeros((len(points), 3))
        for weight, look in zip(share, looks, strict=True):
            used = weight > 1e-3
            out[used] += weight[used, None] * self._folded(look.at(used))
        return out / np.maximum(np.where(share > 1e-3, share, 0).sum(axis=0), 1e-6)[:, None]

    def _folded(self, look: "_Look") -> Float64[np.ndarray, "n 3"]:
        """Colours of pixels, on sides moved inward, never beyond the middle of the silhouette, where inward turns round."""
        inner = np.minimum(look.behind, look.before)
        room = np.maximum(self._local.at(look.uv) - np.maximum(self._distance.at(look.uv), 0), 0)
        move = 0.9 * np.minimum(inner, room) * self._px_per_unit
        uv = look.uv + np.stack([f.at(look.uv) for f in self._inward], axis=1) * move[:, None]
        back = ramp(look.behind / BACK_DEPTH)
        colour = self._blend(uv, BACK_LEVEL * back + SIDE_LEVEL * ramp(inner / SIDE_DEPTH))
        if self._plain is not None:
            colour += back[:, None] * (sample_rgb(self._plain, look.uv) - colour)
        return colour

    def _look(self, points: np.ndarray, normals: np.ndarray) -> "_Look":
        uv, z = self._view.project(points)
        behind = np.maximum(self._surface.at(uv) - z - 0.012, 0)
        before = np.maximum(z - self._last.at(uv), 0)
        around = np.maximum(self._around.at(uv) - z - 0.05, 0)  # a slope over the pixels around is no occluder
        doubt = np.maximum(behind, around) + 0.2 * np.maximum(-normals @ self._view.toward, 0)
        return _Look(uv, behind, before, doubt)

    def _blend(self, uv: np.ndarray, level: np.ndarray) -> np.ndarray:
        low = np.minimum(level.astype(int), len(self._levels) - 2)
        share = (level - low)[:, None]
        out = np.zeros((len(uv), 3))
        for k, (picture, scale) in enumerate(self._levels):
            weight = np.where(low == k, 1 - share[:, 0], np.where(low + 1 == k, share[:, 0], 0.0))
            used = weight > 0
            out[used] += weight[used, None] * sample_rgb(picture, uv[used] * scale)
        return out


def sample_rgb(picture: Float[np.ndarray, "h w 3"], uv: Float[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 3"]:
    """Bilinear colours at pixels (centres at +0.5)."""
    at = [uv[:, 1] - 0.5, uv[:, 0] - 0.5]
    channels = [ndi.map_coordinates(picture[..., k], at, order=1, mode="nearest", prefilter=False) for k in range(3)]
    return np.stack(channels, axis=1).astype(np.float64)


def _bake(atlas: Atlas, points: np.ndarray, photo: np.ndarray, colors: _Continuation) -> UInt8[np.ndarray, "t t 3"]:
    """Fill the atlas: the photo into its own chart's rectangle, continuation colours into the others, bleeding into the gaps."""
    size = atlas.size
    out, known = np.zeros((size, size, 3)), np.zeros((size, size), dtype=bool)
    if atlas.front.any():
        shown = atlas.texel[np.unique(atlas.faces[atlas.front])]
        x0, y0 = np.floor(shown.min(axis=0)).astype(int) - GUTTER + 1
        x1, y1 = np.ceil(shown.max(axis=0)).astype(int) + GUTTER - 1
        x, y = np.meshgrid(np.arange(max(x0, 0), min(x1, size)), np.arange(max(y0, 0), min(y1, size)))
        uv = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1) / atlas.texels_per_px + atlas.front_origin_px
        out[y, x], known[y, x] = sample_rgb(photo, uv).reshape(*x.shape, 3), True
    faces = atlas.faces[~atlas.front]
    texel, tri, weights = cover(atlas.texel[faces], size, size, grow=0.02)
    texel, first = np.unique(texel, return_index=True)
    hidden = (points[faces][tri[first]] * weights[first][:, :, None]).sum(axis=1)
    normals = face_normals(points, faces)
    out.reshape(-1, 3)[texel] = colors(hidden, normals[tri[first]])
    known.reshape(-1)[texel] = True
    # faces smaller than a texel cover no centre: the texels that their corners are sampled from get the corners' colours
    corner, first = np.unique(faces.ravel(), return_index=True)
    around = (np.floor(atlas.texel[corner] - 0.5).astype(int)[:, None] + _SQUARE).reshape(-1, 2)
    corner, normal = np.repeat(corner, 4), np.repeat(normals[first // 3], 4, axis=0)
    bare = np.flatnonzero(~known[around[:, 1], around[:, 0]])
    out[around[bare, 1], around[bare, 0]] = colors(points[corner[bare]], normal[bare])
    known[around[bare, 1], around[bare, 0]] = True
    return np.clip(np.round(bleed(out, known) * 255), 0, 255).astype(np.uint8)


_SQUARE = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
"""The four texels, from the first one, between whose centres a point lies."""
