"""Rendered scenes on disk: tar files of a few scenes each, written in parallel, resumed where they stopped, read as a stream.

Names inside are ``SEED.EXTENSION``, as WebDataset reads them. ``scenes.json`` beside the shards says how they were made.
"""

import dataclasses
import hashlib
import io
import json
import logging
import tarfile
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paco_core.errors import BadInput
from paco_core.files import sweep, write_atomic, writing
from paco_core.maskjson import read_json
from paco_core.progress import Progress, silent
from paco_core.threads import on_one_blas_thread
from paco_core.workers import workers
from scene3d.synthetic.models import INDEX, ModelEntry
from scene3d.synthetic.sceneio import VERSION, decode, encode
from scene3d.synthetic.scenes import DEFAULT, SceneSettings, make_scene
from scene3d.synthetic.stock import Stock, open_stock
from scene3d.synthetic.truth import TrueScene

log = logging.getLogger(__name__)

MAKING = "scenes.json"
PER_SHARD = 16
"""Scenes per file: about 20 MB at 256 px, and a few seconds of work that a stop loses at most."""
MOST_BYTES = 64_000_000
"""Of one member: a hundred times the usual."""


@dataclass(frozen=True)
class ShardPlan:
    """Which scenes are wanted, and of what they are made."""

    count: int
    first_seed: int = 0
    models: Path | None = None
    textures: Path | None = None
    split: str = ""
    """Only models of this split; empty: all."""
    trainable: bool = True
    """Leave out models that are for measuring only."""
    settings: SceneSettings = DEFAULT
    glb: bool = True


@dataclass(frozen=True)
class Written:
    """What a call left on disk."""

    shards: tuple[Path, ...]
    made: int
    """Scenes rendered by this call; the others were there."""
    skipped: tuple[str, ...]


def write_shards(plan: ShardPlan, folder: Path, *, jobs: int = 1, progress: Progress = silent) -> Written:
    """Render the scenes whose shards are not there yet. A stop loses the shards that are being written, no other.

    Raises ``BadInput`` where the folder holds scenes made otherwise, and for what ``open_stock`` and ``make_scene`` refuse.
    """
    if plan.count < 1 or jobs < 1:
        raise BadInput(f"{plan.count} scenes by {jobs} processes leave nothing to do; both must be at least 1.")
    stock = _open(plan)
    _claim(folder, plan)
    starts = range(plan.first_seed, plan.first_seed + plan.count, PER_SHARD)
    end = plan.first_seed + plan.count
    todo = {folder / f"scenes-{start:08d}-{min(start + PER_SHARD, end) - start:02d}.tar": start for start in starts}
    missing = {path: start for path, start in todo.items() if not path.is_file()}
    done = plan.count - sum(min(PER_SHARD, end - start) for start in missing.values())
    made, broken = 0, set()
    for path, skipped in _run(plan, stock, missing, jobs):
        made += min(PER_SHARD, end - missing[path])
        broken.update(skipped)
        progress("scenes", done + made, plan.count, path.name)
    return Written(tuple(todo), made, (*stock.skipped, *sorted(broken)))


def _run(plan: ShardPlan, stock: Stock, missing: dict[Path, int], jobs: int) -> Iterator[tuple[Path, tuple[str, ...]]]:
    if jobs == 1 or len(missing) < 2:
        for path, start in missing.items():
            yield path, _write_shard(plan, stock, path, start)
        return
    with workers(jobs) as pool:
        running = {pool.submit(_write_shard, plan, None, path, start): path for path, start in missing.items()}
        while running:
            for finished in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(finished), finished.result()


@on_one_blas_thread
def _write_shard(plan: ShardPlan, stock: Stock | None, path: Path, start: int) -> tuple[str, ...]:
    """One file of scenes; returns the models that could not be read."""
    stock = _opened(plan) if stock is None else stock
    with writing(path) as file, tarfile.open(fileobj=file, mode="w") as shard:
        for seed in range(start, min(start + PER_SHARD, plan.first_seed + plan.count)):
            for extension, data in encode(make_scene(seed, plan.settings, stock), glb=plan.glb).items():
                member = tarfile.TarInfo(f"{seed:08d}.{extension}")
                member.size = len(data)
                shard.addfile(member, io.BytesIO(data))
    return tuple(sorted(stock.broken.values()))


_OPENED: dict[str, Stock] = {}
"""The stock of this process: opened once, and with it the models it keeps in memory."""


def _opened(plan: ShardPlan) -> Stock:
    key = repr((plan.models, plan.textures, plan.split, plan.trainable))
    if key not in _OPENED:
        _OPENED[key] = _open(plan)
    return _OPENED[key]


def _open(plan: ShardPlan) -> Stock:
    def wanted(entry: ModelEntry) -> bool:
        return (not plan.split or entry.split == plan.split) and not (plan.trainable and entry.use == "eval")

    return open_stock(plan.models, plan.textures, wanted)


def _claim(folder: Path, plan: ShardPlan) -> None:
    """Say how the folder's scenes are made, or check that they were made so. Count and first seed may change."""
    made_by: dict[str, Any] = {
        "version": VERSION,
        "models": _fingerprint(plan.models),
        "textures": _fingerprint(plan.textures),
        "split": plan.split,
        "trainable": plan.trainable,
        "glb": plan.glb,
        "settings": json.loads(json.dumps(dataclasses.asdict(plan.settings))),
    }
    path = folder / MAKING
    if not path.exists():
        write_atomic(path, (json.dumps(made_by, indent=1) + "\n").encode())
    elif (before := read_json(path)) != made_by:
        changed = [key for key in made_by if not isinstance(before, dict) or before.get(key) != made_by[key]]
        raise BadInput(f"{folder} holds scenes that were made otherwise ({', '.join(changed)} differ). Choose another folder.")
    sweep(folder)


def _fingerprint(folder: Path | None) -> str | None:
    """Of a folder's index, or of its file names where it has none."""
    if folder is None:
        return None
    index = folder / INDEX
    data = index.read_bytes() if index.is_file() else "\n".join(sorted(path.name for path in folder.rglob("*.glb"))).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def read_scenes(folder: Path) -> Iterator[TrueScene]:
    """All scenes of a folder's shards, or of one shard, one after the other, in the order of their seeds.

    Raises ``BadInput`` for a folder without shards at once, for a shard that is damaged when it is reached.
    """
    shards = [folder] if folder.is_file() else sorted(folder.glob("scenes-*.tar"))
    if not shards:
        raise BadInput(f"{folder} has no shards of scenes. `paco scenes --out {folder}` makes some.")
    return (scene for shard in shards for scene in _read_shard(shard))


def _read_shard(path: Path) -> Iterator[TrueScene]:
    key, files = "", {}
    for member_key, extension, data in _members(path):
        if member_key != key and files:
            yield decode(files, f"{key} of {path}")
            files = {}
        key, files[extension] = member_key, data
    if files:
        yield decode(files, f"{key} of {path}")


def _members(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Seed, extension and content of every member; nothing is unpacked to disk."""
    try:
        with tarfile.open(path, "r:") as shard:
            for member in shard:
                key, _, extension = member.name.partition(".")
                file = shard.extractfile(member) if member.isreg() and member.size <= MOST_BYTES else None
                if file is None or not key.isdecimal():
                    raise BadInput(f"{path} holds {member.name[:80]!r}, which is no part of a scene.")
                data = file.read()
                if len(data) != member.size:
                    raise BadInput(f"{path} ends too early. Remove it and make the scenes again: only what is missing is made.")
                yield key, extension, data
    except (tarfile.TarError, OSError) as error:
        raise BadInput(f"{path} is no shard that can be read ({error}). Remove it and make the scenes again.") from error
