"""The run folder: one file per stage, keyed by everything that its result depends on, so that a run can be resumed.

A stage's key is the SHA-256 of its name, the code, its settings and the keys of its inputs. A changed setting therefore
recomputes what depends on it and nothing else; a file whose key differs, or that is damaged, is simply computed again.
A stage that fails by a mistake of a method gives what its ``Rescue`` gives, and says so ever after.
"""

import hashlib
import importlib.util
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from paco_core.codec import Arrays, Undecodable, encode, read_header, read_value, write_value
from paco_core.errors import BadInput, MissingDependency, error_text
from paco_core.files import remove_files, sweep, write_atomic, writing
from paco_core.lock import LOCK_FILE, FolderLock

log = logging.getLogger(__name__)

SOURCES = ("*.py", "*.safetensors")
"""What results of a package depend on; all weights that come with it are read in a tenth of a second."""

T = TypeVar("T")

MARKER = "run.json"
STAGES = "stages"
_MARKER_CONTENT = {"format": "paco run folder", "version": 1}
_STAGE_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*")


@dataclass(frozen=True)
class StageResult(Generic[T]):
    """What a stage gave, and the key by which later stages depend on it."""

    value: T
    key: str
    """Pass the whole result in ``key_inputs`` of a later stage: this is what counts of it."""
    seconds: float
    """Of the computation itself, also when this run only loaded it."""
    cached: bool
    """True when it was loaded from the folder."""
    fallback: str | None = None
    """Why the stage's ``Rescue`` gave the value, as a sentence; None: all went well."""


@dataclass(frozen=True)
class Rescue(Generic[T]):
    """What a stage gives when its method fails by a mistake; not when the user's input can't be used."""

    compute: Callable[[], T]
    means: str
    """For the result, in words that go on after what failed: ``the camera is taken to be level``."""


class RunFolder:
    """A folder that keeps every stage's result. ``packages`` are those whose source code is part of every key.

    As a context it locks the folder, so that no two runs write into it at once, and sweeps what a killed run left half-written.
    """

    def __init__(self, path: str | Path, packages: Sequence[str] = ("paco_core",)) -> None:
        """Create or open the folder. Raises ``BadInput`` when it can't be written or holds somebody else's files."""
        self.path = Path(path)
        self.results: dict[str, StageResult[Any]] = {}
        """Of this run, in order: for the report's timings."""
        self._kept: set[Path] = set()
        self._code = source_fingerprint(tuple(packages))
        _open_folder(self.path)
        self._lock = FolderLock(self.path)

    def __enter__(self) -> "RunFolder":
        """Lock and sweep. Raises ``BadInput`` when another run is at work here."""
        self._lock.acquire()
        sweep(self.path)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Unlock. Where writing failed because the folder is gone, that is what is said."""
        self._lock.release()
        if isinstance(error, BadInput):
            self.require()

    def stage(
        self,
        name: str,
        key_inputs: Mapping[str, Any],
        compute: Callable[[], T],
        type_: Any,
        *,
        rescue: Rescue[T] | None = None,
    ) -> StageResult[T]:
        """Return the stored result when nothing that it depends on has changed, else compute and store it.

        ``name`` may have folders: ``objects/003_chair/lift``. ``key_inputs`` holds settings (dataclasses), numbers,
        strings, arrays (their content counts) and earlier ``StageResult``s (their key counts). ``type_`` is what
        ``compute`` returns, as one would annotate it: ``DepthMap``, ``tuple[CompleteObject, ...]``, ``Ground | None``.
        With a ``rescue`` no mistake of ``compute`` is raised. Raises ``BadInput`` when the folder is no longer there.
        """
        key = self._key(name, key_inputs)
        result = _load(self._file(name), key, type_)
        if result is None:
            start = time.perf_counter()
            value, fallback = _compute(name, compute, rescue)
            result = StageResult(value, key, time.perf_counter() - start, cached=False, fallback=fallback)
        return self._note(name, result)

    def stages(
        self, key_inputs: Mapping[str, Mapping[str, Any]], compute: Callable[[tuple[str, ...]], Iterable[T]], type_: Any
    ) -> tuple[StageResult[T], ...]:
        """Like ``stage`` for several by name that are better computed together, without a rescue.

        ``compute`` gets the names of those that are not stored, and gives their values in that order; each is stored as it comes.
        """
        keys = {name: self._key(name, inputs) for name, inputs in key_inputs.items()}
        stored = {name: _load(self._file(name), key, type_) for name, key in keys.items()}
        missing = tuple(name for name, result in stored.items() if result is None)
        found = {name: self._note(name, result) for name, result in stored.items() if result is not None}
        start = time.perf_counter()
        for name, value in zip(missing, compute(missing) if missing else (), strict=True):
            found[name] = self._note(name, StageResult(value, keys[name], time.perf_counter() - start, cached=False))
            start = time.perf_counter()
        return tuple(found[name] for name in key_inputs)

    def _key(self, name: str, key_inputs: Mapping[str, Any]) -> str:
        if not _STAGE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} can't be the name of a stage: use letters, digits, '_', '-', '.' and '/'.")
        return fingerprint({"stage": name, "code": self._code, "inputs": dict(key_inputs)})

    def _note(self, name: str, result: StageResult[T]) -> StageResult[T]:
        """Store what was computed, and remember the result."""
        if not result.cached:
            about = {"key": result.key, "seconds": result.seconds, "fallback": result.fallback}
            with writing(self._file(name), root=self.path) as out:
                write_value(out, about | {"digest": fingerprint(result.value)}, result.value)
        log.info("%s: %s, %.2f s", name, "from the run folder" if result.cached else "computed", result.seconds)
        self.results[name] = result
        return result

    def keep(self, name: str, value: Any) -> None:
        """Store what later commands will need, unless it is there already; it is no stage: no code and no setting counts."""
        key = fingerprint(value)
        file = self._file(name)
        if _load(file, key, type(value)) is None:
            with writing(file, root=self.path) as out:
                write_value(out, {"key": key, "seconds": 0.0, "digest": key}, value)
        self._kept.add(file)

    def kept(self, name: str, type_: type[T]) -> T | None:
        """What ``keep`` stored; None when there is none, or none that can be read."""
        file = self._file(name)
        result = _load(file, _key_in(file), type_)
        return result and result.value

    def forget_others(self) -> None:
        """Remove the results of stages that this run has not seen: of objects that are gone, of layers that are no more."""
        seen = self._kept | {self._file(name) for name in self.results}
        for file in list((self.path / STAGES).rglob("*.npz")):
            if file not in seen:
                remove_files(file.parent, [file.name])

    def _file(self, name: str) -> Path:
        return self.path / STAGES / f"{name}.npz"

    def write(self, name: str, text: str) -> Path:
        """Write a text file of the folder, whole or not at all, and return its path. Raises ``BadInput``."""
        write_atomic(self.path / name, text.encode(), root=self.path)
        return self.path / name

    def require(self) -> None:
        """Raises ``BadInput`` when the folder was removed or moved while the run was under way: half of one is not begun anew."""
        if not (self.path / MARKER).is_file():
            raise BadInput(f"{self.path} was removed or moved while the run was at work in it. Run the same command again.")


def _compute(name: str, compute: Callable[[], T], rescue: Rescue[T] | None) -> tuple[T, str | None]:
    """The value, or the rescue's and the sentence that says so."""
    try:
        return compute(), None
    except (BadInput, MissingDependency):
        raise  # the user's to mend
    except Exception as error:
        if rescue is None:
            raise
        sentence = f"{name} failed ({error_text(error)}): {rescue.means}"
        log.warning("%s", sentence, exc_info=True)
        return rescue.compute(), sentence


def fingerprint(value: Any) -> str:
    """SHA-256 of a value's content: equal values have equal fingerprints, whatever objects hold them."""
    arrays: Arrays = {}
    tree = encode(_results_as_keys(value), arrays)
    digests = {name: [a.dtype.str, list(a.shape), _sha256(np.ascontiguousarray(a).data)] for name, a in arrays.items()}
    return _sha256(json.dumps([tree, digests], sort_keys=True).encode())


def _results_as_keys(value: Any) -> Any:
    """``value`` with every ``StageResult`` replaced by its key."""
    if isinstance(value, StageResult):
        return {"stage result": value.key}
    if isinstance(value, Mapping):
        return {key: _results_as_keys(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_results_as_keys(item) for item in value]
    return value


def _sha256(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def source_fingerprint(packages: tuple[str, ...]) -> str:
    """SHA-256 over the source and the weights of whole packages: a changed program never reads results of the old one."""
    digest = hashlib.sha256()
    for package in packages:
        spec = importlib.util.find_spec(package)
        for folder in spec.submodule_search_locations or () if spec else ():
            for file in sorted(file for pattern in SOURCES for file in Path(folder).rglob(pattern)):
                digest.update(f"{package}/{file.relative_to(folder).as_posix()}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def _key_in(file: Path) -> str:
    """The key under which a value was stored; empty when there is no file that can be read."""
    try:
        with file.open("rb") as handle:
            key = read_header(handle).get("key")
    except (OSError, Undecodable):
        return ""
    return key if isinstance(key, str) else ""


def _load(file: Path, key: str, type_: Any) -> StageResult[Any] | None:
    """The stored result, or None when there is none with this key that can be read."""
    try:
        with file.open("rb") as handle:
            header = read_header(handle)
            if header.get("key") != key:
                return None
            seconds, fallback = header.get("seconds"), header.get("fallback")
            if not isinstance(seconds, float) or not isinstance(fallback, str | None):
                raise Undecodable("its header is damaged")
            value = read_value(handle, type_)
            if fingerprint(value) != header.get("digest"):
                raise Undecodable("it is not what was stored")
            return StageResult(value, key, seconds, cached=True, fallback=fallback)
    except FileNotFoundError:
        return None
    except (OSError, Undecodable) as error:
        log.warning("%s can't be used and is computed again: %s", file, error)
        return None


def _open_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise BadInput(f"The output {path} is a file. Give a folder with --out.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        marked, foreign = (path / MARKER).exists(), _foreign_file(path)
    except OSError as error:
        raise BadInput(f"Can't use {path} as the run folder: {error.strerror or error}. Choose another --out.") from error
    if marked:
        _check_marker(path)
    elif foreign is not None:
        raise BadInput(
            f"The folder {path} holds files that no run of paco made ({foreign.relative_to(path)}, for one). "
            "Choose a new or empty folder with --out; nothing was changed."
        )
    else:
        write_atomic(path / MARKER, json.dumps(_MARKER_CONTENT).encode())


def _foreign_file(path: Path) -> Path | None:
    """A file that is not left from a run which was stopped before it had marked the folder; empty folders are nobody's."""
    files = (file for file in path.rglob("*") if not file.is_dir())
    return min((f for f in files if f.name != LOCK_FILE and not f.name.startswith(f".{MARKER}.")), default=None)


def _check_marker(path: Path) -> None:
    try:
        marker = json.loads((path / MARKER).read_bytes())
    except (OSError, ValueError):
        marker = None
    if marker != _MARKER_CONTENT:
        raise BadInput(
            f"{path / MARKER} is not the one of a run of this version of paco. Choose another folder with --out, "
            "or delete this one when nothing in it is needed any more."
        )
