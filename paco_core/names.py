"""Names that are safe everywhere: file systems, glTF nodes, DCC tools."""

import re
import unicodedata

LONGEST_SLUG = 40
"""Together with ``obj_`` and an id it stays below 63 characters, where Blender cuts names and renames duplicates."""


def slug(text: str, fallback: str = "object") -> str:
    """Lower-case ASCII letters, digits and single underscores, at most 40 characters; ``fallback`` when none is left.

    >>> slug("Café  table/№ 3")
    'cafe_table_no_3'
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    kept = re.sub(r"[^a-z0-9]+", "_", ascii_text.lower()).strip("_")
    return kept[:LONGEST_SLUG].strip("_") or fallback


def object_slug(object_id: int, name: str) -> str:
    """Folder and node name of one object, unique because its id is: ``003_armchair``."""
    return f"{object_id:03d}_{slug(name)}"
