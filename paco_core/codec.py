"""Our frozen dataclasses as one file: arrays as in an npz, the rest in a JSON member; types come back from annotations.

Strict on purpose: a value that does not fit its annotation is ``Undecodable``, whatever the file says. No pickle.
"""

import dataclasses
import json
import types
import typing
import zipfile
from collections.abc import Mapping
from typing import IO, Any, Literal, cast

import numpy as np

Arrays = dict[str, np.ndarray]
_JSON_MEMBER = "value.json"
# zlib's fastest level: higher ones take several times as long for files that are hardly smaller (masks, photos)
_COMPRESSION_LEVEL = 1


class Undecodable(ValueError):
    """A file's content does not fit the type that was asked for."""


def encode(value: Any, arrays: Arrays) -> Any:
    """Return ``value`` as a JSON tree; its arrays go to ``arrays`` and are ``{"array": name}`` in the tree.

    Takes dataclasses, tuples, lists, sets of numbers or strings, string-keyed mappings, arrays, scalars of NumPy and
    Python, strings and None. Raises ``TypeError`` for anything else: what can't be stored is a mistake of the caller.
    """
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("An array of Python objects can't be stored.")
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: encode(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, "fields": fields}
    if isinstance(value, (tuple, list)):
        return [encode(item, arrays) for item in value]
    if isinstance(value, (set, frozenset)):
        return [encode(item, arrays) for item in sorted(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"map": {key: encode(item, arrays) for key, item in value.items()}}
    raise TypeError(f"A {type(value).__name__} can't be stored in a run folder.")


def decode(tree: Any, arrays: Mapping[str, np.ndarray], type_: Any) -> Any:
    """Rebuild what ``encode`` wrote, checked against ``type_``. Raises ``Undecodable`` where the two differ."""
    origin, args = typing.get_origin(type_), typing.get_args(type_)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(tree, arrays, args)
    if origin is Literal:
        return _expect(any(tree == a and type(tree) is type(a) for a in args), tree, type_, tree)
    if origin in (tuple, list, set, frozenset):
        return _decode_sequence(tree, arrays, origin, args)
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        _expect(isinstance(tree, dict) and tree.keys() == {"map"}, tree, type_)
        return {key: decode(item, arrays, args[1]) for key, item in tree["map"].items()}
    if dataclasses.is_dataclass(type_):
        return _decode_dataclass(tree, arrays, cast(type, type_))
    if isinstance(tree, dict) and tree.keys() == {"array"}:
        array = arrays.get(tree["array"])
        return _expect(isinstance(array, type_), tree, type_, array)
    if type_ in (None, type(None)):
        return _expect(tree is None, tree, type_)
    if type_ is float:  # PEP 484: an int is good where a float is asked for
        return _expect(isinstance(tree, (int, float)) and not isinstance(tree, bool), tree, type_, tree)
    return _expect(type_ in (str, int, bool) and type(tree) is type_, tree, type_, tree)


def _expect(fits: bool, tree: Any, type_: Any, value: Any = None) -> Any:
    if not fits:
        raise Undecodable(f"{str(tree)[:60]!r} is no {type_}")
    return value


def _decode_union(tree: Any, arrays: Mapping[str, np.ndarray], arms: tuple[Any, ...]) -> Any:
    for arm in arms:
        try:
            return decode(tree, arrays, arm)
        except Undecodable:
            continue
    raise Undecodable(f"{str(tree)[:60]!r} is none of {arms}")


def _decode_sequence(tree: Any, arrays: Mapping[str, np.ndarray], origin: type, args: tuple[Any, ...]) -> Any:
    _expect(isinstance(tree, list), tree, origin)
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        _expect(len(tree) == len(args), tree, args)
        return tuple(decode(item, arrays, arg) for item, arg in zip(tree, args, strict=True))
    return origin(decode(item, arrays, args[0]) for item in tree)


def _decode_dataclass(tree: Any, arrays: Mapping[str, np.ndarray], cls: type) -> Any:
    _expect(isinstance(tree, dict) and tree.get("type") == cls.__name__, tree, cls)
    hints = typing.get_type_hints(cls)
    names = {f.name for f in dataclasses.fields(cls)}
    _expect(isinstance(tree.get("fields"), dict) and tree["fields"].keys() == names, tree, cls)
    return cls(**{name: decode(item, arrays, hints[name]) for name, item in tree["fields"].items()})


def write_value(file: IO[bytes], header: Mapping[str, Any], value: Any) -> None:
    """Write ``value`` and a JSON-able ``header`` into an open file (an npz with one more member, ``value.json``)."""
    arrays: Arrays = {}
    document = {**header, "value": encode(value, arrays)}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL) as archive:
        archive.writestr(_JSON_MEMBER, json.dumps(document))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_header(file: IO[bytes]) -> dict[str, Any]:
    """The JSON document of a file of ``write_value``, cheap: no array is read. Raises ``Undecodable``."""
    try:
        with zipfile.ZipFile(file) as archive:
            document = json.loads(archive.read(_JSON_MEMBER))
    except Exception as error:  # zipfile and json raise a dozen kinds for a damaged file; all mean the same here
        raise Undecodable(f"not a readable stage file ({error})") from error
    return _expect(isinstance(document, dict) and "value" in document, document, dict, document)


def read_value(file: IO[bytes], type_: Any) -> Any:
    """The value of a file of ``write_value``. Raises ``Undecodable`` when it is damaged or of another type."""
    document = read_header(file)
    try:
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name != _JSON_MEMBER}
        return decode(document["value"], arrays, type_)
    except Exception as error:  # the same: a damaged member, a wrong header, a constructor that refuses its fields
        raise Undecodable(f"its content is damaged ({error})") from error
