"""``edits.json``: what was changed, and nothing else, so that it fits a scene that is made anew as far as it can.

``objects`` lists every object back to front, each with the fields that differ from what the run made; ``of`` names the object of
the run, by number and name, that it is or is a copy of. Untouched scenes give the same bytes, however many steps were undone.
"""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from paco_core.errors import BadInput
from paco_core.files import write_atomic
from paco_core.presets import configure
from scene3d.types import Support
from viewers.original import Original
from viewers.state import EditState, Thing

FORMAT, VERSION = "paco-edits", 1
EDITS_FILE, AUTOSAVE_FILE = "edits.json", "edits.autosave.json"
LARGEST_BYTES = 10_000_000
"""Thousands of objects have fewer."""
_KEPT = tuple(f.name for f in dataclasses.fields(Thing) if f.name not in ("id", "source"))


@dataclasses.dataclass(frozen=True)
class _Of:
    id: int
    name: str


@dataclasses.dataclass(frozen=True)
class _Entry:
    id: int
    of: _Of
    name: str | None = None
    position_m: tuple[float, float, float] | None = None
    wxyz: tuple[float, float, float, float] | None = None
    scale: float | None = None
    support: Support | None = None
    support_id: int | None = None
    flipped: bool | None = None
    shift_px: tuple[float, float] | None = None
    size: float | None = None
    turn_deg: float | None = None
    opacity: float | None = None
    hidden: bool | None = None
    locked: bool | None = None


@dataclasses.dataclass(frozen=True)
class _Document:
    format: str
    version: int
    scene: str
    objects: tuple[_Entry, ...]
    deleted: tuple[_Of, ...] = ()


def write_edits(state: EditState, original: Original, path: Path, *, root: Path | None = None) -> None:
    """Write the edits. Raises ``BadInput`` when the file can't be written; folders above ``root`` are not made anew."""
    write_atomic(path, edits_text(state, original).encode(), root=root)


def edits_text(state: EditState, original: Original) -> str:
    """The file's content."""
    start = {thing.id: thing for thing in original.start.things}
    deleted = [{"id": i, "name": original.names[i]} for i in sorted(start) if i not in state.ids()]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "scene": original.name,
        "objects": [_entry(thing, start[thing.source], original) for thing in state.things],
        "deleted": deleted,
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_edits(path: Path, original: Original) -> tuple[EditState, tuple[str, ...]]:
    """The state that a file describes, and a sentence per object that this scene does not have.

    Raises ``BadInput`` when the file is damaged, of another version, or says what can't be.
    """
    document = configure(_parse(path), _Document, str(path))
    notes, things, start = [], [], {thing.id: thing for thing in original.start.things}
    for entry in document.objects:
        if original.names.get(entry.of.id) != entry.of.name:
            notes.append(f"{entry.of.id} {entry.of.name} is not in this scene (any more): its edits are left out")
            continue
        if entry.id in start and entry.id != entry.of.id:  # the scene has more objects than it had
            entry = replace(entry, id=max(*start, *(e.id for e in document.objects)) + 1)
        things.append(_thing(entry, start[entry.of.id], path))
    gone = {of.id for of in document.deleted if original.names.get(of.id) == of.name}
    missing = [thing for thing in original.start.things if thing.id not in gone | {t.id for t in things}]
    try:
        return EditState(tuple(_sound(_merged(things, missing, original)))), tuple(notes)
    except ValueError as error:
        raise BadInput(f"{path}: {error}. Mend it, or delete it to begin anew.") from error


def _entry(thing: Thing, first: Thing, original: Original) -> dict[str, Any]:
    changed = {key: getattr(thing, key) for key in _KEPT if getattr(thing, key) != getattr(first, key)}
    if "support" in changed or "support_id" in changed:
        changed |= {"support": thing.support, "support_id": thing.support_id}
    return {"id": thing.id, "of": {"id": thing.source, "name": original.names[thing.source]}, **changed}


def _thing(entry: _Entry, first: Thing, path: Path) -> Thing:
    values: dict[str, Any] = {key: getattr(entry, key) for key in _KEPT if getattr(entry, key) is not None}
    if entry.support is not None:
        values["support_id"] = entry.support_id
    try:
        return replace(first, id=entry.id, **values)
    except ValueError as error:
        raise BadInput(f"{path}: {error}. Mend it, or delete it to begin anew.") from error


def _sound(things: list[Thing]) -> list[Thing]:
    """What stood on something that is not there is held by nothing that is known."""
    here = {thing.id for thing in things}
    return [
        t if t.support_id is None or t.support_id in here else replace(t, support="background", support_id=None) for t in things
    ]


def _merged(things: list[Thing], missing: list[Thing], original: Original) -> list[Thing]:
    """With objects that the scene got since: each behind the next one of the run's order that is there."""
    place = {thing.id: k for k, thing in enumerate(original.start.things)}
    for new in missing:
        later = (k for k, thing in enumerate(things) if place.get(thing.id, -1) > place[new.id])
        things.insert(next(later, len(things)), new)
    return things


def _parse(path: Path) -> Any:
    way_out = "Mend it, or delete it to begin anew."
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise BadInput(f"{path} is far too large for edits. {way_out}")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} can't be read ({error.strerror or error}).") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is damaged ({str(error)[:100]}). {way_out}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadInput(f'{path} holds no edits (its "format" is not "{FORMAT}"). {way_out}')
    if document.get("version") != VERSION:
        raise BadInput(f"{path} has version {str(document.get('version'))[:20]}, this program reads {VERSION}. {way_out}")
    return document
