"""What a run made, as editors need it: the scene, the complete objects' pictures, and the state before any edit."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from paco_core.errors import BadInput
from scene3d.layers import LAYERS, LIST
from scene3d.rays import RayMesh
from scene3d.scene import LARGEST_SIDE_PX, SCENE_FILE, load_scene
from scene3d.scene_reader import Fields, parse_json
from scene3d.types import PlacedObject, Scene
from viewers.perspective import View
from viewers.state import EditState, Thing

MOST_LAYERS = 1000
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Layer:
    """One complete object in the photo's plane."""

    id: int
    name: str
    box_xyxy: Box
    """Photo pixels; may lie beyond the photo's border."""
    picture: Path
    """RGBA of that box."""

    @property
    def middle_xy(self) -> tuple[float, float]:
        """Of the box."""
        x0, y0, x1, y1 = self.box_xyxy
        return (x0 + x1) / 2, (y0 + y1) / 2


@dataclass(frozen=True)
class Original:
    """A run's results. Nothing in here changes while they are edited."""

    folder: Path
    name: str
    photo_wh: tuple[int, int]
    scene: Scene | None
    """None where the run has not come that far: its picture can be edited all the same."""
    layers: Mapping[int, Layer]
    """By object; empty where there are no pictures."""

    @cached_property
    def objects(self) -> dict[int, PlacedObject]:
        """By id."""
        return {} if self.scene is None else {item.id: item for item in self.scene.objects}

    @cached_property
    def names(self) -> dict[int, str]:
        """Of everything that can be edited, by id."""
        return {i: layer.name for i, layer in self.layers.items()} | {i: item.name for i, item in self.objects.items()}

    @cached_property
    def view(self) -> View | None:
        """The photo's camera; None without a scene."""
        return None if self.scene is None else View(self.scene.camera, self.scene.world_from_camera)

    @cached_property
    def start(self) -> EditState:
        """Before any edit: back to front as the layers are."""
        depth = {i: item.layer for i, item in self.objects.items()}
        position = {i: k for k, i in enumerate(self.layers)}
        order = sorted(self.names, key=lambda i: (-depth.get(i, 0), position.get(i, 0), i))
        if set(position) == set(self.names):
            order = sorted(position, key=position.__getitem__)
        return EditState(tuple(self._thing(i) for i in order))

    def _thing(self, object_id: int) -> Thing:
        item, name = self.objects.get(object_id), self.names[object_id]
        if item is None:
            return Thing(object_id, object_id, name)
        x, y, z = item.world_from_object.translation.tolist()
        w, i, j, k = (item.world_from_object.wxyz / np.linalg.norm(item.world_from_object.wxyz)).tolist()
        carrier = item.support_id if item.support == "object" and item.support_id in self.objects else None
        support = "background" if item.support == "object" and carrier is None else item.support
        return Thing(object_id, object_id, name, (x, y, z), (w, i, j, k), support=support, support_id=carrier)

    def middle_xy(self, source: int) -> tuple[float, float]:
        """Of an object's box in the photo; where the run has no picture of it, of the box that its mesh is seen in."""
        if source in self.layers:
            return self.layers[source].middle_xy
        item = self.objects.get(source)
        if item is None or self.view is None:
            return self.photo_wh[0] / 2, self.photo_wh[1] / 2
        seen = [self.view.seen_at(tuple(corner)) for corner in self.corners(source) @ _pose(item)[:3, :3].T + _pose(item)[:3, 3]]
        pixels = np.array([pixel for pixel, _ in filter(None, seen)] or [(self.photo_wh[0] / 2, self.photo_wh[1] / 2)])
        x, y = (pixels.min(axis=0) + pixels.max(axis=0)) / 2
        return float(x), float(y)

    def corners(self, source: int) -> Float[np.ndarray, "8 3"]:
        """Of the box round an object's mesh, object frame."""
        low, high = self._bounds[source]
        return np.array([[(low, high)[k >> axis & 1][axis] for axis in range(3)] for k in range(8)])

    @cached_property
    def _bounds(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        return {i: (item.mesh.vertices.min(axis=0), item.mesh.vertices.max(axis=0)) for i, item in self.objects.items()}

    def rays(self, source: int) -> RayMesh:
        """An object's mesh for rays, object frame; made when it is first asked for."""
        if source not in self._rays:
            mesh = self.objects[source].mesh
            self._rays[source] = RayMesh(mesh.vertices, mesh.faces)
        return self._rays[source]

    @cached_property
    def _rays(self) -> dict[int, RayMesh]:
        return {}


def load_original(folder: Path) -> Original:
    """The results of a run. Raises ``BadInput`` where there are none, or they are damaged or of another version."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder. Give one that `paco reconstruct --out` wrote.")
    has_scene, has_layers = (folder / SCENE_FILE).is_file(), (folder / LAYERS / LIST).is_file()
    if not has_scene and not has_layers:
        raise BadInput(
            f"{folder} has no results yet (neither {SCENE_FILE} nor {LAYERS}/{LIST}). If a run was stopped there, "
            f"`paco export {folder}` finishes it; else make one: `paco reconstruct PHOTO --masks MASKS --out {folder}`."
        )
    scene = load_scene(folder) if has_scene else None
    name, wh, layers = _load_layers(folder) if has_layers else ("", (0, 0), ())
    if scene is None:
        return Original(folder, name, wh, None, {layer.id: layer for layer in layers})
    names = {item.id: item.name for item in scene.objects}
    camera_wh = scene.camera.width, scene.camera.height
    fitting = {layer.id: layer for layer in layers if wh == camera_wh and names.get(layer.id, layer.name) == layer.name}
    return Original(folder, scene.name, camera_wh, scene, fitting)


def _load_layers(folder: Path) -> tuple[str, tuple[int, int], tuple[Layer, ...]]:
    """Name, size and layers of the photo, back to front."""
    path = folder / LAYERS / LIST
    fields = Fields(parse_json(path), path, "")
    if fields.raw("format") != "paco-layers" or fields.raw("version") != 1:
        raise BadInput(f"{path} is no list of layers of this version of paco. `paco export {folder}` writes it anew.")
    x0, y0, x1, y1 = _box(fields, "photo_xyxy")
    if not (0 < x1 - x0 <= LARGEST_SIDE_PX and 0 < y1 - y0 <= LARGEST_SIDE_PX):
        raise BadInput(f"{path}: photo_xyxy is no box of a photo. `paco export {folder}` writes it anew.")
    layers = []
    for entry in fields.items("layers")[1 : MOST_LAYERS + 1]:
        left, top, right, bottom = _box(entry, "box_xyxy")
        box = left - x0, top - y0, right - x0, bottom - y0
        layers.append(Layer(entry.integer("id"), entry.text("name"), box, _inside(folder, entry.text("crop"), path)))
    if len({layer.id for layer in layers}) < len(layers):
        raise BadInput(f"{path}: two layers have the same id. `paco export {folder}` writes it anew.")
    return fields.text("photo"), (x1 - x0, y1 - y0), tuple(layers)


def _box(fields: Fields, key: str) -> Box:
    values = fields.array(key, (4,)).tolist()
    if max(map(abs, values)) > 10 * LARGEST_SIDE_PX or values[0] >= values[2] or values[1] >= values[3]:
        raise BadInput(f"{fields.path}: {key} is {values}, which is no box. `paco export` writes the file anew.")
    x0, y0, x1, y1 = (int(value) for value in values)
    return x0, y0, x1, y1


def _inside(folder: Path, where: str, path: Path) -> Path:
    """A file of the run; a list that was changed by hand doesn't reach others."""
    root = folder.resolve()
    file = (root / where.replace("\0", "")).resolve()
    if "\0" in where or not file.is_relative_to(root):
        raise BadInput(f"{path}: {where!r} lies outside the run folder; paths must stay inside it.")
    return file


def _pose(item: PlacedObject) -> Float[np.ndarray, "4 4"]:
    return item.world_from_object.matrix
