"""Textured models from a folder of GLB files: what rendered scenes are furnished with.

An ``index.jsonl`` in the folder names the files and what is known of them; without one every GLB in it is a model. What can't be
used is left out with a sentence; only a folder of which nothing is left is refused.
"""

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from paco_core.errors import BadInput, MissingDependency, error_text
from paco_core.imagefile import read_bytes
from scene3d.types import TexturedMesh

log = logging.getLogger(__name__)

INDEX = "index.jsonl"
MAX_BYTES = 64_000_000
"""Of one GLB: the largest of 1,319 that were looked at has 1 MB."""
MAX_FACES = 200_000
"""Ten times what a training render shows at 256 px."""
MAX_TEXTURE_PX = 8192
"""Either side of a texture before it is made smaller."""
TEXTURE_PX = 512
"""Longest side of a loaded texture: objects are rendered at 256 px and less."""
PALETTE_PX = 64
"""Textures up to this size are palettes, whose neighbouring colours must not mix; they are enlarged …"""
PALETTE_FACTOR = 8
"""… by this much, without smoothing."""
MOST_TILES = 4
"""Texture coordinates may repeat a texture this often; beyond it they are wrapped corner by corner."""


@dataclass(frozen=True)
class ModelEntry:
    """One model on disk, and what its index says."""

    path: Path
    name: str
    category: str = ""
    style: str = ""
    size_m: tuple[float, float, float] | None = None
    """Width, height, depth, where the source is metric."""
    split: str = ""
    """``train``, ``val`` or ``test``; empty where nobody split."""
    use: str = ""
    """``train``: weights trained on it may ship; ``eval``: for measuring only; empty: not said."""
    licence: str = ""
    repo: str = ""
    """Where it comes from, for the model cards of what is trained on it."""


@dataclass(frozen=True)
class ModelLibrary:
    """The models of a folder."""

    entries: tuple[ModelEntry, ...]
    skipped: tuple[str, ...] = ()
    """A sentence per line or file that can't be used."""

    def select(self, wanted: Callable[[ModelEntry], bool]) -> "ModelLibrary":
        """Only some of them. Raises ``BadInput`` when none is left."""
        kept = tuple(entry for entry in self.entries if wanted(entry))
        if not kept:
            raise BadInput(f"None of the {len(self.entries)} models is left after choosing. Check split, use and category.")
        return replace(self, entries=kept)

    def usable(self) -> Iterator[tuple[ModelEntry, TexturedMesh]]:
        """The models that can be loaded, one after the other; the others are logged."""
        for entry in self.entries:
            try:
                yield entry, load_model(entry.path)
            except BadInput as flaw:
                log.warning("%s; it is left out", str(flaw).rstrip("."))


def find_models(folder: Path) -> ModelLibrary:
    """List the models of a folder without opening them. Raises ``BadInput`` when there is none."""
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}. Give one with GLB files, and an {INDEX} where you have it.")
    index = folder / INDEX
    entries, skipped = _indexed(folder, index) if index.is_file() else (_unindexed(folder), [])
    for sentence in skipped:
        log.warning("%s", sentence)
    if not entries:
        raise BadInput(f"{folder} has no model that can be used ({len(skipped)} left out). It needs GLB files.")
    return ModelLibrary(tuple(entries), tuple(skipped))


def _unindexed(folder: Path) -> list[ModelEntry]:
    return [ModelEntry(path, path.stem.replace("_", " ")) for path in sorted(folder.rglob("*.glb"))]


def _indexed(folder: Path, index: Path) -> tuple[list[ModelEntry], list[str]]:
    entries, skipped = [], []
    lines = read_bytes(index, "index of models").decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entries.append(_entry(folder, json.loads(line)))
        except (ValueError, RecursionError) as flaw:  # BadInput is no ValueError: what follows is about the line alone
            skipped.append(f"{index.name}, line {number} is left out: it is no JSON ({str(flaw)[:80]}).")
        except BadInput as flaw:
            skipped.append(f"{index.name}, line {number} is left out: {flaw}")
    return entries, skipped


def _entry(folder: Path, content: Any) -> ModelEntry:
    if not isinstance(content, dict) or not isinstance(content.get("file"), str):
        raise BadInput("it names no file.")
    path = folder / content["file"]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadInput(f"{content['file'][:80]} lies outside of the folder.")
    if not path.is_file():
        raise BadInput(f"{content['file'][:80]} is not there.")
    texts = {key: str(content.get(key) or "")[:120] for key in ("name", "category", "style", "split", "use", "licence", "repo")}
    return ModelEntry(path, **{**texts, "name": texts["name"] or path.stem}, size_m=_size(content.get("size_m")))


def _size(value: Any) -> tuple[float, float, float] | None:
    numbers = isinstance(value, list) and len(value) == 3 and all(type(v) in (int, float) and 0 < v < 1e4 for v in value)
    return (float(value[0]), float(value[1]), float(value[2])) if numbers else None


def load_model(path: Path) -> TexturedMesh:
    """A GLB as one mesh with one texture: y up, origin at the bottom-centre of its box, in the file's unit.

    Several parts and materials are joined; without a texture it has its material's colour. Nothing outside of the file is
    read. Raises ``BadInput`` for what is broken, empty or too large, ``MissingDependency`` without trimesh.
    """
    try:
        import trimesh
    except ModuleNotFoundError as error:
        raise MissingDependency("Models need trimesh: pip install 'paco-scene3d[models]'") from error
    if path.stat().st_size > MAX_BYTES:
        raise BadInput(f"{path} has more than {MAX_BYTES // 10**6} MB. Decimate it first.")
    data = read_bytes(path, "model")
    try:
        scene = trimesh.load_scene(io.BytesIO(data), file_type="glb", process=False)
        faces = sum(len(part.faces) for part in scene.geometry.values() if isinstance(part, trimesh.Trimesh))
        if not 0 < faces <= MAX_FACES:
            raise BadInput(f"{path} has {faces} triangles; 1 to {MAX_FACES} can be used.")
        mesh = scene.to_mesh()
        vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
        uv, texture = _appearance(mesh, len(vertices), path)
    except BadInput:
        raise
    except Exception as error:  # any reader meets files that it does not expect
        raise BadInput(f"{path} is no GLB that can be read ({error_text(error)[:120]}).") from error
    if not len(vertices) or not np.isfinite(vertices).all() or not np.ptp(vertices, axis=0).max() > 0:
        raise BadInput(f"{path} has no extent, or vertices that are not finite.")
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return TexturedMesh(vertices - [(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2], faces, *_tiled(uv, texture))


def _appearance(mesh: Any, count: int, path: Path) -> tuple[np.ndarray, UInt8[np.ndarray, "h w 3"]]:
    """Texture coordinates from the top left, and the base colour."""
    material, uv = getattr(mesh.visual, "material", None), getattr(mesh.visual, "uv", None)
    picture = getattr(material, "baseColorTexture", None)
    if picture is None or uv is None or len(uv) != count:
        factor = getattr(material, "baseColorFactor", None)
        plain = mesh.visual if material is None else mesh.visual.to_color()
        colour = np.asarray(plain.main_color if factor is None else factor)[:3]
        return np.full((count, 2), 0.5), np.tile(colour.astype(np.uint8), (2, 2, 1))
    if max(picture.size) > MAX_TEXTURE_PX:
        raise BadInput(f"{path} has a texture of {picture.size[0]} x {picture.size[1]} px; at most {MAX_TEXTURE_PX} can be used.")
    uv = np.nan_to_num(np.asarray(uv, np.float64))
    return np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1), np.asarray(_power_of_two(picture.convert("RGB")))


def _power_of_two(picture: Image.Image) -> Image.Image:
    palette = max(picture.size) <= PALETTE_PX
    target = [PALETTE_FACTOR * side if palette else min(side, TEXTURE_PX) for side in picture.size]
    width, height = (max(2, 2 ** round(np.log2(side))) for side in target)
    return picture.resize((width, height), Image.Resampling.NEAREST if palette else Image.Resampling.LANCZOS)


def _tiled(uv: np.ndarray, texture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in 0 … 1, over a texture that is repeated as often as they ask for."""
    uv = uv - np.floor(uv.min(axis=0) + 1e-6)
    needed = np.ceil(uv.max(axis=0) - 1e-6).clip(1)
    if needed.max() > MOST_TILES:
        return uv % 1.0, texture
    tiles = 2 ** np.ceil(np.log2(needed)).astype(int)
    return np.clip(uv / tiles, 0, 1), np.tile(texture, (tiles[1], tiles[0], 1))
