"""The rules of glTF 2.0 that a writer breaks most easily, checked in plain Python: tests need no Node, and the writer
never leaves a file behind that breaks one.

Each rule names the code that Khronos' glTF-Validator uses for it. Stricter than the specification where this project
decided so: no node matrix, unique ASCII names of at most 63 characters, power-of-two pictures, explicit metallic factor,
nothing in ``extensionsRequired``.
"""

import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from scene3d.glbpack import FLOAT, UNSIGNED_INT, split_glb

LONGEST_NAME = 63
"""Blender cuts names there and renames what is then double."""
DTYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", UNSIGNED_INT: "<u4", FLOAT: "<f4"}
COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
UNIT_TOLERANCE = 5e-4
"""The validator's own tolerance for unit vectors (unitLengthThresholdVec3)."""
SIGNATURES = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff"}


def check_glb(data: bytes) -> list[str]:
    """Every broken rule as ``CODE at place: what``; an empty list for a good file."""
    try:
        document, blob = split_glb(data)
    except ValueError as error:
        return [f"GLB_CONTAINER: {error}"]
    try:
        problems = [*_check_buffers(document, blob)]
        if problems:
            return problems  # what follows would read outside the blob
        arrays = [_read(accessor, document, blob) for accessor in document.get("accessors", [])]
        problems += [*_check_accessors(document, arrays), *_check_meshes(document, arrays)]
        problems += [*_check_nodes(document), *_check_names(document), *_check_materials(document)]
        problems += [*_check_images(document, blob)]
    except (KeyError, IndexError, TypeError) as error:
        return [f"UNRESOLVED_REFERENCE: something that is referred to is missing ({error!r})"]
    if document.get("extensionsRequired"):
        problems.append("NON_REQUIRED_EXTENSION at extensionsRequired: the file must open everywhere")
    return problems


def _check_buffers(document: dict[str, Any], blob: bytes) -> Iterator[str]:
    if document["asset"].get("version") != "2.0":
        yield "UNKNOWN_ASSET_MAJOR_VERSION at asset.version"
    for i, view in enumerate(document.get("bufferViews", [])):
        start, size = view.get("byteOffset", 0), view["byteLength"]
        if start % 4:
            yield f"BUFFER_VIEW_ALIGNMENT at bufferViews[{i}]: offset {start} is no multiple of four"
        if start + size > len(blob):
            yield f"BUFFER_VIEW_TOO_LONG at bufferViews[{i}]"
    for i, accessor in enumerate(document.get("accessors", [])):
        view = document["bufferViews"][accessor["bufferView"]]
        item = np.dtype(DTYPES[accessor["componentType"]]).itemsize
        offset = accessor.get("byteOffset", 0)
        if offset % item:
            yield f"ACCESSOR_OFFSET_ALIGNMENT at accessors[{i}]"
        if offset + item * COMPONENTS[accessor["type"]] * accessor["count"] > view["byteLength"]:
            yield f"ACCESSOR_TOO_LONG at accessors[{i}]"


def _read(accessor: dict[str, Any], document: dict[str, Any], blob: bytes) -> np.ndarray:
    view = document["bufferViews"][accessor["bufferView"]]
    width = COMPONENTS[accessor["type"]]
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    values = np.frombuffer(blob, DTYPES[accessor["componentType"]], accessor["count"] * width, start)
    return values.reshape(-1, width)


def _check_accessors(document: dict[str, Any], arrays: list[np.ndarray]) -> Iterator[str]:
    for i, (accessor, values) in enumerate(zip(document.get("accessors", []), arrays, strict=True)):
        if accessor["componentType"] == FLOAT and not np.isfinite(values).all():
            yield f"ACCESSOR_INVALID_FLOAT at accessors[{i}]"
            continue
        for key, found in (("min", values.min(0)), ("max", values.max(0))):
            if key in accessor and not np.array_equal(np.array(accessor[key], values.dtype), found):
                yield f"ACCESSOR_{key.upper()}_MISMATCH at accessors[{i}]: {accessor[key]} is not {found.tolist()}"


def _check_meshes(document: dict[str, Any], arrays: list[np.ndarray]) -> Iterator[str]:
    for i, mesh in enumerate(document.get("meshes", [])):
        for j, primitive in enumerate(mesh["primitives"]):
            place = f"meshes[{i}].primitives[{j}]"
            yield from _check_primitive(document, arrays, primitive, place)


def _check_primitive(document: dict[str, Any], arrays: list[np.ndarray], primitive: dict[str, Any], place: str) -> Iterator[str]:
    attributes = primitive["attributes"]
    position = document["accessors"][attributes["POSITION"]]
    if "min" not in position or "max" not in position:
        yield f"MESH_PRIMITIVE_POSITION_ACCESSOR_WITHOUT_BOUNDS at {place}"
    if len({len(arrays[index]) for index in attributes.values()}) > 1:
        yield f"MESH_PRIMITIVE_UNEQUAL_ACCESSOR_COUNT at {place}"
    if "NORMAL" in attributes:
        lengths = np.linalg.norm(arrays[attributes["NORMAL"]].astype(np.float64), axis=1)
        if np.abs(lengths - 1).max(initial=0) > UNIT_TOLERANCE:
            yield f"ACCESSOR_VECTOR3_NON_UNIT at {place}.NORMAL"
    indices = arrays[primitive["indices"]]
    if len(indices) % 3 or len(indices) == 0:
        yield f"MESH_PRIMITIVE_INCOMPATIBLE_MODE at {place}: {len(indices)} indices are no triangles"
    elif indices.max() >= position["count"]:
        yield f"ACCESSOR_INDEX_OOB at {place}: {indices.max()} of {position['count']} vertices"
    else:
        triangles = arrays[attributes["POSITION"]].astype(np.float64)[indices.reshape(-1, 3)]
        doubled = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        if (~doubled.any(axis=1)).any():
            yield f"ACCESSOR_INDEX_TRIANGLE_DEGENERATE at {place}: triangles without area"
    for kind, target in (*((a, 34962) for a in attributes.values()), (primitive["indices"], 34963)):
        if document["bufferViews"][document["accessors"][kind]["bufferView"]].get("target") != target:
            yield f"BUFFER_VIEW_TARGET_MISSING at {place}"


def _check_nodes(document: dict[str, Any]) -> Iterator[str]:
    nodes = document.get("nodes", [])
    children = [child for node in nodes for child in node.get("children", [])]
    for child, parents in Counter(children).items():
        if parents > 1:
            yield f"NODE_PARENT_OVERRIDE at nodes[{child}]: {parents} parents"
    roots = [i for scene in document.get("scenes", []) for i in scene["nodes"]]
    if set(roots) & set(children):
        yield "SCENE_NON_ROOT_NODE at scenes"
    reached, frontier = set(roots), list(roots)
    while frontier:
        new = set(nodes[frontier.pop()].get("children", [])) - reached
        reached |= new
        frontier += new
    if len(reached) < len(nodes):
        yield f"NODE_LOOP or UNUSED_OBJECT at nodes: {sorted(set(range(len(nodes))) - reached)} hang on no scene"
    for i, node in enumerate(nodes):
        yield from _check_transform(node, f"nodes[{i}]")


def _check_transform(node: dict[str, Any], place: str) -> Iterator[str]:
    if "matrix" in node:
        yield f"NODE_MATRIX at {place}: this project writes translation, rotation and scale only"
    numbers = [*node.get("translation", []), *node.get("rotation", []), *node.get("scale", [])]
    if not np.isfinite(np.array(numbers, np.float64)).all():
        yield f"INVALID_FLOAT at {place}"
    if abs(float(np.linalg.norm(node.get("rotation", [0, 0, 0, 1]))) - 1) > UNIT_TOLERANCE:
        yield f"ROTATION_NON_UNIT at {place}"
    if min(node.get("scale", [1, 1, 1])) <= 0:
        yield f"NODE_SCALE at {place}: a scale that is not positive mirrors or flattens"


def _check_names(document: dict[str, Any]) -> Iterator[str]:
    names = [node.get("name", "") for node in document.get("nodes", [])]
    for name, count in Counter(names).items():
        if count > 1:
            yield f"DUPLICATE_NAME at nodes: {name!r} {count} times"
        if not name or not name.isascii() or not name.isprintable() or len(name) > LONGEST_NAME:
            yield f"NAME at nodes: {name!r} is not 1 to {LONGEST_NAME} printable ASCII characters"


def _check_materials(document: dict[str, Any]) -> Iterator[str]:
    for i, material in enumerate(document.get("materials", [])):
        surface = material.get("pbrMetallicRoughness", {})
        if "metallicFactor" not in surface:
            yield f"METALLIC_DEFAULT at materials[{i}]: without metallicFactor the default 1.0 looks black"
        if "baseColorTexture" in surface:
            texture = document["textures"][surface["baseColorTexture"]["index"]]
            _ = document["images"][texture["source"]], document["samplers"][texture["sampler"]]


def _check_images(document: dict[str, Any], blob: bytes) -> Iterator[str]:
    for i, image in enumerate(document.get("images", [])):
        view = document["bufferViews"][image["bufferView"]]
        start = view.get("byteOffset", 0)
        data = blob[start : start + view["byteLength"]]
        signature = SIGNATURES.get(image.get("mimeType", ""))
        if signature is None or not data.startswith(signature):
            yield f"IMAGE_MIME_TYPE_INVALID at images[{i}]: {image.get('mimeType')!r} does not fit the bytes"
            continue
        with Image.open(io.BytesIO(data)) as picture:
            if any(side & (side - 1) for side in picture.size):
                yield f"IMAGE_NPOT_DIMENSIONS at images[{i}]: {picture.size}"
