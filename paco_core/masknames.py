"""Names of the objects: from a JSON or text file, or from the command line."""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path

from paco_core.errors import BadInput
from paco_core.imagefile import read_bytes

SIDECAR = "masks.json"

LONGEST_NAME = 80
"""Characters; what is longer is a description, and names stand in tables and pictures."""


def clean_name(name: str) -> str:
    """One line of printable text of at most 80 characters that every file and encoding can hold; may be empty."""
    text = " ".join("".join(c if c.isprintable() else " " for c in name[: 10 * LONGEST_NAME]).split())
    return text[:LONGEST_NAME].strip()


def find_sidecar(masks_path: Path) -> Path | None:
    """The names file that lies with the masks: in their folder, or beside the label image with its stem."""
    folder = masks_path if masks_path.is_dir() else masks_path.parent
    candidates = [] if masks_path.is_dir() else [masks_path.with_suffix(".json")]
    return next((p for p in (*candidates, folder / SIDECAR) if p.is_file()), None)


def split_names(text: str) -> tuple[str, ...]:
    """``"cup, saucer"`` as ``("cup", "saucer")``."""
    return tuple(part.strip() for part in text.split(","))


def read_names(path: Path, ids: Sequence[int]) -> dict[int, str]:
    """Names by id from JSON, ``{"1": "cup"}`` or ``["cup", …]``, or from a ``.txt`` file with one name a line.

    Lists follow the order of the ids. Raises ``BadInput``.
    """
    data = read_bytes(path, "file of names")
    try:
        content = data.decode("utf-8").splitlines() if path.suffix.lower() == ".txt" else json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(f'{path} does not read as names ({error}). Write {{"1": "cup", "2": "saucer"}}.') from error
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return match_names(content, ids, str(path))
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content.values()):
        raise BadInput(
            f'{path} must hold {{"1": "cup", "2": "saucer"}} or ["cup", "saucer"]. '
            "If it holds masks, give it with --masks; if neither, move it elsewhere, or give the names on the command line."
        )
    return {_known_id(key, ids, path): _not_blank(name, str(path)) for key, name in content.items()}


def match_names(names: Sequence[str], ids: Sequence[int], source: str) -> dict[int, str]:
    """Names by id from a list with one name per object. Raises ``BadInput`` when the numbers differ."""
    if len(names) != len(ids):
        raise BadInput(
            f"{source} has {len(names)} names, the masks have {len(ids)} objects (ids {_listed(ids)}). Give one name for each."
        )
    return {i: _not_blank(name, source) for i, name in zip(ids, names, strict=True)}


def _known_id(key: str, ids: Sequence[int], path: Path) -> int:
    known = [str(i) for i in ids]
    if key.strip() in known:
        return int(key)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise BadInput(f"{path} names object {key}, but the masks have ids {_listed(ids)}.{hint}")


def _not_blank(name: str, source: str) -> str:
    if not name.strip():
        raise BadInput(f"{source} has an empty name. Give every object a name, or leave it out of the file.")
    return name.strip()


def _listed(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:20])) + (" …" if len(ids) > 20 else "")
