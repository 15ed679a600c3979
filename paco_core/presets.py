"""Presets: YAML files that hold nothing but values for the frozen dataclasses that configure the stages.

Strict: a key that is no setting and a value of another type are refused, with the place and what is possible there.
"""

import dataclasses
import re
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import yaml

from paco_core.errors import BadInput
from paco_core.registry import did_you_mean

T = TypeVar("T")
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
# PyYAML follows YAML 1.1, where 1e-3 (no point) is text; everybody means the number
_NUMBER_WITHOUT_POINT = re.compile(r"[-+]?\d+[eE][-+]?\d+")


def preset_names(group: str = "") -> tuple[str, ...]:
    """The presets that come with the package: of the main job, or of the ``group`` whose folder this is."""
    return tuple(sorted(file.stem for file in (_folder() / group).glob("*.yaml")))


def load_preset(name_or_file: str, type_: type[T], *, group: str = "") -> T:
    """The configuration of a preset of the package (``lossless``) or of a file (anything that ends in ``.yaml``).

    What the file does not name keeps its default. Raises ``BadInput``.
    """
    if name_or_file.endswith((".yaml", ".yml")):
        file = Path(name_or_file)
    elif name_or_file in (names := preset_names(group)):
        file = _folder() / group / f"{name_or_file}.yaml"
    else:
        raise BadInput(
            f"There is no preset {name_or_file!r}.{did_you_mean(name_or_file, names)} "
            f"Known: {', '.join(names)}; or give a file that ends in .yaml."
        )
    return configure(_read(file), type_, str(file))


def configure(values: Any, type_: type[T], source: str) -> T:
    """A ``type_`` with the given values, nested like its fields. Raises ``BadInput`` that names ``source`` and the key."""
    return _convert({} if values is None else values, type_, source, "")


def _folder() -> Path:
    """In an installed package the presets are package data; in a checkout they lie in its root."""
    packaged = Path(__file__).parent / "configs"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "configs"


def _read(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"The preset {file} can't be read: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"The preset {file} is no YAML: {' '.join(str(error).split())}") from error


def _convert(value: Any, type_: Any, source: str, key: str) -> Any:
    origin, args = typing.get_origin(type_), typing.get_args(type_)
    if dataclasses.is_dataclass(type_):
        return _convert_dataclass(value, cast(type, type_), source, key)
    if origin in (typing.Union, types.UnionType):
        fitting = [arm for arm in args if _fits(value, arm)]
        return _convert(value, fitting[0] if fitting else _refuse(value, type_, source, key), source, key)
    if not _fits(value, type_):
        _refuse(value, type_, source, key)
    if origin is tuple:
        arms = args[:1] * len(value) if args[1:] == (Ellipsis,) else args
        if len(arms) != len(value):
            _refuse(value, type_, source, key)
        return tuple(_convert(v, arm, source, f"{key}[{i}]") for i, (v, arm) in enumerate(zip(value, arms, strict=True)))
    try:
        return float(value) if type_ is float else value
    except OverflowError:  # a whole number of hundreds of digits
        _refuse(value, type_, source, key)


def _fits(value: Any, type_: Any) -> bool:
    """Whether the value's outermost kind is right."""
    if dataclasses.is_dataclass(type_):
        return isinstance(value, dict)
    if typing.get_origin(type_) is Literal:
        return any(value == arg and type(value) is type(arg) for arg in typing.get_args(type_))
    if typing.get_origin(type_) is tuple:
        return isinstance(value, list)
    if type_ is float:
        return type(value) in (int, float) or (isinstance(value, str) and bool(_NUMBER_WITHOUT_POINT.fullmatch(value)))
    return type(value) is type_


def _convert_dataclass(value: Any, cls: type, source: str, key: str) -> Any:
    if not isinstance(value, dict):
        _refuse(value, cls, source, key)
    hints = typing.get_type_hints(cls)
    names = tuple(field.name for field in dataclasses.fields(cls))
    for name in value:
        if name not in names:
            raise BadInput(
                f"{source}: {_path(key, name)!r} is no setting.{did_you_mean(str(name), names)} Known: {', '.join(names)}."
            )
    for field in dataclasses.fields(cls):
        if field.name not in value and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise BadInput(f"{source}: {_path(key, field.name)} is missing.")
    try:
        return cls(**{name: _convert(item, hints[name], source, _path(key, name)) for name, item in value.items()})
    except ValueError as error:  # the dataclass's own check of its values
        raise BadInput(f"{source}: {key or 'its values'}: {error}") from error


def _refuse(value: Any, type_: Any, source: str, key: str) -> typing.NoReturn:
    raise BadInput(f"{source}: {key or 'the file'} is {repr(value)[:60]}, but must be {_describe(type_)}.")


def _describe(type_: Any) -> str:
    origin, args = typing.get_origin(type_), typing.get_args(type_)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_describe(arm) for arm in args)
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin is tuple:
        return f"a list of {_describe(args[0])}"
    return _WORDS.get(type_, "settings by name")


def _path(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)
