"""Reading of ``scene.json`` at the border: what is wrong becomes a sentence that names the file and the place."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64
from PIL import Image

from paco_core.errors import BadInput
from scene3d.types import TexturedMesh

Choice = TypeVar("Choice", bound=str)


def parse_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; ``BadInput`` when there is no such file or it holds something else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput(f"{path} does not exist. Give the folder that `paco reconstruct --out` wrote.") from error
    except OSError as error:
        raise BadInput(f"{path} can't be read ({error.strerror or error}).") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is no JSON file or is cut off ({str(error)[:120]}). Write it anew.") from error
    if not isinstance(document, dict):
        raise BadInput(f"{path} holds a {type(document).__name__}, not a scene. Give the scene.json of a run folder.")
    return document


@dataclass(frozen=True)
class Fields:
    """One JSON object, read field by field with the type that the field must have."""

    values: dict[str, Any]
    path: Path
    where: str
    """Place inside the file, such as ``objects[2]``; empty at the top."""

    def raw(self, key: str) -> Any:
        """The value as it stands in the file."""
        if key not in self.values:
            raise BadInput(f"{self.path}: {self._name(key)} is missing. Write the scene anew.")
        return self.values[key]

    def text(self, key: str) -> str:
        """A string."""
        return self._typed(key, str, "a text")

    def flag(self, key: str) -> bool:
        """True or false."""
        return self._typed(key, bool, "true or false")

    def integer(self, key: str) -> int:
        """A whole number."""
        value = self._typed(key, int, "a whole number")
        if isinstance(value, bool):
            raise self._wrong(key, "a whole number", value)
        return value

    def number(self, key: str) -> float:
        """A finite number."""
        value = self.raw(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
            raise self._wrong(key, "a finite number", value)
        return float(value)

    def choice(self, key: str, allowed: tuple[Choice, ...]) -> Choice:
        """One of a few words."""
        for word in allowed:
            if self.raw(key) == word:
                return word
        raise self._wrong(key, f"one of {', '.join(allowed)}", self.raw(key))

    def array(self, key: str, shape: tuple[int, ...]) -> Float64[np.ndarray, "..."]:
        """Nested lists of finite numbers of one shape."""
        try:
            value = np.array(self.raw(key), np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise self._wrong(key, f"numbers of shape {shape}", self.raw(key)) from error
        if value.shape != shape or not np.isfinite(value).all():
            raise self._wrong(key, f"finite numbers of shape {shape}", self.raw(key))
        return value

    def pairs(self, key: str) -> list[Sequence[int]]:
        """A list of pairs of whole numbers."""
        value = self._typed(key, list, "a list of pairs")
        if not all(isinstance(p, list) and len(p) == 2 and all(type(i) is int for i in p) for p in value):
            raise self._wrong(key, "a list of pairs of whole numbers", value)
        return value

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        value = self._typed(key, list, "a list of texts")
        if not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of texts", value)
        return value

    def child(self, key: str) -> "Fields":
        """A JSON object inside this one."""
        return Fields(self._typed(key, dict, "an object"), self.path, self._name(key))

    def items(self, key: str) -> list["Fields"]:
        """A list of JSON objects."""
        value = self._typed(key, list, "a list")
        if not all(isinstance(item, dict) for item in value):
            raise self._wrong(key, "a list of objects", value)
        return [Fields(item, self.path, f"{self._name(key)}[{i}]") for i, item in enumerate(value)]

    def _typed(self, key: str, kind: type, phrase: str) -> Any:
        value = self.raw(key)
        if not isinstance(value, kind):
            raise self._wrong(key, phrase, value)
        return value

    def _name(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def _wrong(self, key: str, phrase: str, value: object) -> BadInput:
        return BadInput(f"{self.path}: {self._name(key)} must be {phrase}, it is {str(value)[:60]!r}.")


def read_mesh(folder: Path, where: str, scene_path: Path) -> TexturedMesh:
    """The mesh under ``folder/where``; ``BadInput`` when ``where`` leaves it or a file is missing or damaged."""
    root = folder.resolve()
    place = (root / where.replace("\0", "")).resolve()
    if "\0" in where or not place.is_relative_to(root):
        raise BadInput(f"{scene_path}: {where!r} lies outside the scene's folder; paths must stay inside it.")
    try:
        with np.load(place / "mesh.npz", allow_pickle=False) as arrays:
            vertices, faces, uv = arrays["vertices"], arrays["faces"], arrays["uv"]
        with Image.open(place / "texture.png", formats=("PNG",)) as picture:
            texture = np.array(picture.convert("RGB"))
    except FileNotFoundError as error:
        raise BadInput(f"{error.filename} is missing, {scene_path} needs it. Write the scene anew.") from error
    except Exception as error:  # zipfile, zlib, NumPy and Pillow raise a dozen kinds for damaged files; all mean the same here
        raise BadInput(f"The mesh in {place} is damaged ({str(error)[:120]}). Write the scene anew.") from error
    _check_mesh(vertices, faces, uv, place)
    return TexturedMesh(vertices, faces, uv, texture)


def _check_mesh(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, place: Path) -> None:
    floats = all(a.dtype == np.float64 and a.ndim == 2 and np.isfinite(a).all() for a in (vertices, uv))
    if not (floats and vertices.shape[1:] == (3,) and uv.shape == (len(vertices), 2)):
        raise BadInput(f"The mesh in {place} has no finite (v, 3) vertices with (v, 2) texture coordinates.")
    integers = faces.ndim == 2 and faces.shape[1] == 3 and faces.dtype.kind == "i"
    if not integers or (faces.size and not 0 <= faces.min() <= faces.max() < len(vertices)):
        raise BadInput(f"The mesh in {place} has triangles that point to vertices that are not there.")
