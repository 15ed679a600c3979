"""Pictures of indexed models alone, from all around, lit by a sun: whole objects for packs."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float, UInt8

from paco_core.data.pack import Found, PackItem, cropped
from paco_core.data.packfile import MARGIN_PX
from paco_core.errors import BadInput, error_text
from paco_core.workers import workers
from scene3d.rays import Hits
from scene3d.render import sample_texture
from scene3d.synthetic.items import solid_of_model
from scene3d.synthetic.lighting import GAMMA, Layer, surface
from scene3d.synthetic.models import ModelEntry, ModelLibrary, load_model
from scene3d.types import TexturedMesh

SUPERSAMPLING = 2
"""Rays per pixel and side: edges get alpha in steps of a quarter."""
ELEVATION_DEG = (0.0, 45.0)
"""Camera above the object's centre, as people hold theirs."""
HFOV_DEG = (20.0, 50.0)
"""From a long lens far away to a phone close by."""
AMBIENT, FILL = 0.35, 0.12
"""Light from all around, and from the camera's side, as shares of white: no side is black."""
SUN = (0.45, 0.75)
"""Strength of the sun."""
SUN_ELEVATION_DEG = (25.0, 70.0)
"""Shadows neither endless nor hidden underneath."""
MIDDLE = 0.16
"""Median linear light of an object that is bright enough …"""
MOST_EXPOSURE = 2.5
"""… and at most so much is a darker one, as dark scans are, raised."""
SHADOW_LIFT = 1e-3
"""Shadow rays start so far from the surface, in shares of the model's size."""
LEAST_SHARE = 0.025
"""Of the square picture: a view in which the object fills less of it shows it edge-on, and another one is tried."""
TRIES = 3
"""Views tried for one that shows something."""
NOTHING = np.zeros((0, 0, 4), np.uint8)


@dataclass(frozen=True)
class View:
    """A camera and a sun around one object."""

    azimuth_deg: float
    elevation_deg: float
    hfov_deg: float
    sun: Float[np.ndarray, "3"]
    """Unit vector towards it, in the model's axes (y up)."""
    sun_strength: float
    exposure: float


def random_view(rng: np.random.Generator) -> View:
    """Any azimuth; the sun on the camera's side, so that most of what is seen is lit."""
    azimuth = rng.uniform(0, 360)
    sun_azimuth, sun_elevation = np.radians(azimuth + rng.uniform(-100, 100)), np.radians(rng.uniform(*SUN_ELEVATION_DEG))
    flat = np.cos(sun_elevation)
    sun = np.array([flat * np.sin(sun_azimuth), np.sin(sun_elevation), flat * np.cos(sun_azimuth)])
    return View(azimuth, rng.uniform(*ELEVATION_DEG), rng.uniform(*HFOV_DEG), sun, rng.uniform(*SUN), rng.uniform(0.85, 1.15))


class ViewedModel:
    """A model made ready for rays, once, for any number of views."""

    def __init__(self, mesh: TexturedMesh):
        self.mesh, self.solid = mesh, solid_of_model(mesh)
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        self._centre, self._radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2

    def picture(self, view: View, size: int) -> UInt8[np.ndarray, "s s 4"]:
        """RGBA, straight alpha; ``size`` px a side, which the object fills but for a bank's margin."""
        side = SUPERSAMPLING * size
        K, camera_from_model = self._camera(view, side)
        hits = self.solid.rays.render(K, camera_from_model, (side, side))
        light = np.zeros((side, side, 3))
        light[hits.mask] = self._light(hits, view, np.linalg.inv(camera_from_model)[:3, 3])
        share = _block_means(hits.mask.astype(float))
        mean = _block_means(light) / np.maximum(share, 1e-9)[..., None]
        rgb = np.clip(_exposed(mean, share > 0) * view.exposure, 0, 1) ** (1 / GAMMA)
        return np.round(255 * np.dstack([rgb, share])).astype(np.uint8)

    def _camera(self, view: View, side: int) -> tuple[np.ndarray, np.ndarray]:
        """K (3, 3) and camera_from_model (4, 4): looks at the box's centre from where all of it is seen, then zooms to fit."""
        azimuth, elevation = np.radians([view.azimuth_deg, view.elevation_deg])
        back = np.array([np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)])
        right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
        rotation = np.stack([right, np.cross(right, back), -back])
        distance = self._radius / np.sin(np.radians(view.hfov_deg) / 2)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, -rotation @ (self._centre + distance * back)
        points = self.mesh.vertices[np.unique(self.mesh.faces)] @ rotation.T + pose[:3, 3]
        seen = points[:, :2] / points[:, 2:]
        low, high = seen.min(axis=0), seen.max(axis=0)
        focal = (side - 2 * SUPERSAMPLING * MARGIN_PX) / np.max(high - low)
        cx, cy = side / 2 - focal * (low + high) / 2
        return np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1]]), pose

    def _light(self, hits: Hits, view: View, eye: np.ndarray) -> Float[np.ndarray, "n 3"]:
        """Linear light of what is hit, with the object's own shadow."""
        triangle, bary = hits.triangle[hits.mask], hits.bary[hits.mask]
        uv = np.einsum("nk,nkj->nj", bary, self.mesh.uv[self.mesh.faces[triangle]])
        albedo = (sample_texture(self.mesh.texture, uv) / 255) ** GAMMA
        points, normals = surface(Layer(hits, self.solid, np.eye(4)), hits.mask, eye)
        towards_eye = (eye - points) / np.linalg.norm(eye - points, axis=1, keepdims=True)
        light = AMBIENT * (0.8 + 0.2 * normals[:, 1]) + FILL * np.clip(np.sum(normals * towards_eye, axis=1), 0, 1)
        facing = np.flatnonzero(normals @ view.sun > 0)
        start = points[facing] + SHADOW_LIFT * self._radius * normals[facing]
        lit = ~self.solid.rays.occluded(start, np.broadcast_to(view.sun, start.shape), tfar=np.inf)
        light[facing] += view.sun_strength * lit * (normals[facing] @ view.sun)
        return albedo * light[:, None]


def _block_means(rays: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """From a value per ray to a value per pixel."""
    starts = range(SUPERSAMPLING)
    parts = [rays[row::SUPERSAMPLING, column::SUPERSAMPLING] for row in starts for column in starts]
    return sum(parts[1:], parts[0]) / len(parts)


def _exposed(light: Float[np.ndarray, "h w 3"], seen: np.ndarray) -> Float[np.ndarray, "h w 3"]:
    """Dark objects brighter."""
    middle = float(np.median(light[seen].mean(axis=1))) if seen.any() else MIDDLE
    return light * np.clip(MIDDLE / max(middle, 1e-6), 1, MOST_EXPOSURE)


def views_of(entry: ModelEntry, count: int, size: int, seed: int) -> Found:
    """Pictures of one model for a pack, or why there are none. They depend on the seed and on the file's name alone."""
    group = f"{entry.path.parent.name}/{entry.path.name}"
    item = PackItem(NOTHING, entry.name.replace("_", " "), entry.category, entry.style, group, entry.licence, entry.repo)
    try:
        model = ViewedModel(load_model(entry.path))
        seeds = [(seed, zlib.crc32(group.encode()), view) for view in range(count)]
        pictures = [_visible_view(model, size, np.random.default_rng(s)) for s in seeds]
    except BadInput as flaw:
        return f"{group} is left out: {flaw}"
    except (ValueError, ArithmeticError, IndexError) as error:  # any mesh: one of a thousand must not end the rest
        return f"{group} is left out: it can't be rendered ({error_text(error)})."
    return [replace(item, rgba=picture, rank=view) for view, picture in enumerate(pictures)]


def _visible_view(model: ViewedModel, size: int, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 4"]:
    for _ in range(TRIES):
        picture = model.picture(random_view(rng), size)
        if (picture[..., 3] > 127).mean() >= LEAST_SHARE:
            return cropped(picture, size)
    raise BadInput("it is next to nothing from most sides.")


def library_items(library: ModelLibrary, *, views: int, size: int, seed: int, processes: int) -> Iterator[Found]:
    """``views`` pictures of every model, in random order; the same for any number of ``processes``."""
    order = np.random.default_rng(seed).permutation(len(library.entries))
    render = partial(views_of, count=views, size=size, seed=seed)
    entries = [library.entries[k] for k in order]
    if processes == 1:
        yield from map(render, entries)
        return
    with workers(processes) as pool:
        yield from pool.map(render, entries)
