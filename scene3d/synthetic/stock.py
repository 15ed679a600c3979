"""What rendered scenes are made of: models with a size, textures for floors, walls and tables, skies."""

import io
import json
import logging
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from paco_core.errors import BadInput
from paco_core.imagefile import read_bytes
from paco_core.photo import load_photo
from scene3d.synthetic.items import Solid, solid_of_model
from scene3d.synthetic.looks import Mipmap
from scene3d.synthetic.models import INDEX, ModelEntry, find_models, load_model
from scene3d.synthetic.sky import Sky

log = logging.getLogger(__name__)

Span = tuple[float, float]

SIZES_M: dict[str, tuple[Span | None, Span | None]] = {
    "furniture": ((0.5, 1.4), None),
    "plant": ((0.4, 1.3), (0.12, 0.35)),
    "lamp": ((0.9, 1.6), (0.25, 0.45)),
    "animal": ((0.3, 0.9), (0.08, 0.2)),
    "person": ((1.5, 1.8), (0.1, 0.25)),
    "electronics": ((0.3, 0.7), (0.12, 0.4)),
    "vehicle": ((0.5, 1.2), (0.1, 0.35)),
    "building": ((0.4, 1.0), (0.1, 0.35)),
    "toy_sport": ((0.2, 0.5), (0.08, 0.25)),
    "tool": (None, (0.1, 0.35)),
    "weapon": (None, (0.15, 0.5)),
    "food": (None, (0.06, 0.2)),
    "tableware": (None, (0.06, 0.25)),
    "bottle_can_box": ((0.2, 0.5), (0.07, 0.3)),
}
"""Longest side on a floor and on a table top, by category; None: it doesn't belong there. Buildings and vehicles are toys."""
OTHER: tuple[Span | None, Span | None] = ((0.25, 0.8), (0.07, 0.3))
"""Of any other category, or none: what people can carry."""
CREDIBLE_M = (0.03, 2.2)
"""Sizes that an index states are believed between these."""

FLOORS = ("floor", "floor_wood", "tiles", "carpet", "concrete", "wood_planks", "terrazzo", "marble", "tatami", "travertine")
WALLS = ("wall_plaster", "wallpaper", "paint", "bricks", "concrete", "wood_siding", "tiles")
TABLES = ("wood", "fabric", "marble", "plastic", "granite", "bamboo", "chipboard", "onyx", "paper", "cork")
GROUNDS = ("grass", "ground", "paving", "asphalt", "concrete", "bricks", "tiles_terracotta")
SKIES = ("hdri_indoor", "hdri_outdoor")
"""Categories of textures by what they cover."""

DARK_SCAN = 90.0
"""Mean grey level below which a scan's texture counts as too dark …"""
MOST_GAIN = 2.0
"""… and is brightened, at most so much."""
MOST_SKY_BYTES = 200_000_000
"""Unpacked: 2048 rows in float32."""
KEPT_MODELS = 64
"""In memory at once: their ray trees and textures are a few MB each."""


@dataclass(frozen=True)
class TextureEntry:
    """A picture of a surface, or a panorama."""

    path: Path
    category: str
    tiles: float
    """How often it should be repeated where it would otherwise look coarse."""


@dataclass(frozen=True)
class Stock:
    """Everything that scenes are drawn from; empty parts are replaced by procedural ones."""

    models: tuple[ModelEntry, ...] = ()
    root: Path | None = None
    """The folder of models: sources are named from there."""
    textures: tuple[TextureEntry, ...] = ()
    skipped: tuple[str, ...] = ()
    """A sentence per model or texture that can't be used, as far as they were opened."""
    broken: dict[Path, str] = field(default_factory=dict, compare=False, repr=False)
    """Models that were opened and could not be read, with the reason."""

    def covering(self, categories: Sequence[str]) -> tuple[TextureEntry, ...]:
        """The textures of some categories."""
        return tuple(entry for entry in self.textures if entry.category in categories)

    def standing(self, on_table: bool) -> dict[str, list[ModelEntry]]:
        """The models that may stand on a table, or on a floor, by category."""
        found: dict[str, list[ModelEntry]] = {}
        for entry in self.models:
            if SIZES_M.get(entry.category, OTHER)[on_table] is not None and _stated_size_fits(entry, on_table):
                found.setdefault(entry.category or "other", []).append(entry)
        return found

    def solid(self, entry: ModelEntry) -> Solid | None:
        """A model, or None when it can't be used, which is logged once."""
        if entry.path in self.broken:
            return None
        try:
            return _solid(entry.path, entry.style)
        except BadInput as flaw:
            log.warning("%s; it is left out", str(flaw).rstrip("."))
            self.broken[entry.path] = str(flaw)
            return None


def longest_side_m(entry: ModelEntry, on_table: bool, rng: np.random.Generator) -> float:
    """As its index states it, else as things of its category are."""
    if entry.size_m is not None and CREDIBLE_M[0] <= max(entry.size_m) <= CREDIBLE_M[1]:
        return max(entry.size_m)
    span = SIZES_M.get(entry.category, OTHER)[on_table] or (0.1, 0.3)
    return float(rng.uniform(*span))


def _stated_size_fits(entry: ModelEntry, on_table: bool) -> bool:
    """A real wardrobe stands on no table, a real spoon is no object for a floor."""
    if entry.size_m is None:
        return True
    return max(entry.size_m) <= 0.5 if on_table else max(entry.size_m) >= 0.2


@lru_cache(KEPT_MODELS)
def _solid(path: Path, style: str) -> Solid:
    mesh = load_model(path)
    mean = float(mesh.texture.mean())
    return solid_of_model(mesh, min(DARK_SCAN / max(mean, 1.0), MOST_GAIN) if style == "scan" and mean < DARK_SCAN else 1.0)


@lru_cache(KEPT_MODELS)
def load_texture(path: Path) -> Mipmap:
    """A texture file. Raises ``BadInput``."""
    return Mipmap(load_photo(path).rgb)


@lru_cache(KEPT_MODELS)
def load_sky(path: Path) -> Sky:
    """A panorama: an ``npz`` file with the array ``rgb`` (h, 2h, 3), linear light. Raises ``BadInput``."""
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path, "panorama"))) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_SKY_BYTES:
                raise ValueError("it is too large")
        with np.load(path, allow_pickle=False) as content:
            rgb = np.asarray(content["rgb"], np.float64)
    except Exception as error:
        raise BadInput(f"{path} is no panorama that can be read. Give an npz file with an array rgb (h, 2h, 3).") from error
    if rgb.ndim != 3 or rgb.shape[1:] != (2 * rgb.shape[0], 3) or not 8 <= len(rgb) <= 2048 or not np.isfinite(rgb).all():
        raise BadInput(f"{path} has an array of shape {rgb.shape}; a panorama is (h, 2h, 3), finite, 8 to 2048 rows.")
    return Sky(np.maximum(rgb, 0))


def open_stock(models: Path | None, textures: Path | None, wanted: Callable[[ModelEntry], bool] = lambda entry: True) -> Stock:
    """List what the folders hold. Raises ``BadInput`` when a folder is given and has nothing that can be used."""
    stock = Stock()
    if models is not None:
        library = find_models(models).select(wanted)
        stock = replace(stock, models=library.entries, root=models, skipped=library.skipped)
    if textures is not None:
        entries, skipped = _find_textures(textures)
        if not entries:
            raise BadInput(
                f"{textures} has no texture that can be used ({len(skipped)} left out). It needs an {INDEX} with categories."
            )
        stock = replace(stock, textures=tuple(entries), skipped=(*stock.skipped, *skipped))
    return stock


def _find_textures(folder: Path) -> tuple[list[TextureEntry], list[str]]:
    """Of the lines of the folder's index: those whose file is there and whose category covers something."""
    index = folder / INDEX
    if not index.is_file():
        raise BadInput(
            f"{folder} has no {INDEX}. Each of its lines names a file and a category, such as floor_wood or hdri_indoor."
        )
    entries: list[TextureEntry] = []
    skipped: list[str] = []
    known = {*FLOORS, *WALLS, *TABLES, *GROUNDS, *SKIES}
    for number, line in enumerate(read_bytes(index, "index of textures").decode("utf-8", "replace").splitlines(), 1):
        try:
            content = json.loads(line)
            path, category = folder / str(content["file"]), str(content.get("category", ""))
            tiles = float(content.get("suggest_tiles") or 1)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            skipped.append(f"{INDEX}, line {number} is left out: it names no texture.")
            continue
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            skipped.append(f"{INDEX}, line {number} is left out: {str(content['file'])[:80]} is not in the folder.")
        elif category in known and np.isfinite(tiles) and 1 <= tiles <= 100:
            entries.append(TextureEntry(path, category, tiles))
    for sentence in skipped:
        log.warning("%s", sentence)
    return entries, skipped
