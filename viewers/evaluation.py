"""What every evaluation leaves behind: tables as Markdown and as one page, figures to compare with, sheets to look at."""

import base64
import dataclasses
import io
import platform
import shlex
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from PIL import Image
from tyro.conf import Positional

from paco_core.evaluation.figures import Row, Table, figures_json
from paco_core.files import write_atomic
from scene3d.report_html import STYLE

TABLES = """
body{max-width:1500px}.scroll table{table-layout:auto;width:auto;max-width:none}
.scroll td,.scroll th{width:auto;white-space:nowrap}.scroll td:first-child{font-weight:600}
figure{margin:.8rem 0}figure img{display:block;max-width:100%;height:auto}dd{font-family:ui-monospace,monospace;font-size:.9rem}
"""
QUALITY = 86
"""Of the WebP pictures inside the page; beside it they lie as JPEG of the same quality."""
PACKAGES = ("paco-scene3d", "numpy", "scipy", "scikit-image", "opencv-python-headless", "pillow", "torch", "embreex")
"""Whose versions change figures."""


@dataclass(frozen=True)
class Sheet:
    """A picture to look at."""

    name: str
    """Of its file, without a suffix."""
    caption: str
    picture: Image.Image


@dataclass(frozen=True)
class Part:
    """A piece of an evaluation's report."""

    heading: str
    table: Table | None = None
    note: str = ""
    sheets: tuple[Sheet, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """Everything that was found."""

    title: str
    parts: tuple[Part, ...]
    rows: tuple[Row, ...]
    """What ``figures.json`` holds."""


def write_evaluation(found: Evaluation, out: Path, command: str) -> str:
    """Write ``table.md``, ``figures.json``, ``report.html`` and the sheets into ``out``; the text for the terminal.

    Raises ``BadInput`` when the folder takes no file.
    """
    text = "\n\n".join(piece for part in found.parts for piece in _pieces(part))
    write_atomic(out / "table.md", f"{text}\n".encode())
    write_atomic(out / "figures.json", figures_json(found.rows).encode())
    sheets = [sheet for part in found.parts for sheet in part.sheets]
    for sheet in sheets:
        write_atomic(out / f"{sheet.name}.jpg", _encoded(sheet.picture, "JPEG"))
    write_atomic(out / "report.html", page(found, command).encode())
    lines = [f"  report  {out / 'report.html'}", f"  figures {out / 'figures.json'}"]
    return "\n".join([f"{text}\n", *lines, *(f"  sheet   {out / sheet.name}.jpg" for sheet in sheets)])


def _pieces(part: Part) -> list[str]:
    """What a part is as Markdown, without its pictures."""
    return [piece for piece in (part.note, f"{part.heading}:\n\n{part.table}" if part.table else "") if piece]


def page(found: Evaluation, command: str) -> str:
    """One file, pictures inside, no script; every text is escaped."""
    facts = (("command", command), ("versions", versions()))
    described = "".join(f"<dt>{escape(what)}</dt><dd>{escape(value)}</dd>" for what, value in facts)
    body = f"<header><h1>{escape(found.title)}</h1><dl>{described}</dl></header>{''.join(map(_section, found.parts))}"
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(found.title)}</title><style>{STYLE}{TABLES}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def versions() -> str:
    """Of Python and of the packages that figures depend on."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {_version(name)}" for name in PACKAGES)])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "–"


def _section(part: Part) -> str:
    note = f"<p>{escape(part.note)}</p>" if part.note else ""
    table = "" if part.table is None else _table(part.table)
    heading = f"<h2>{escape(part.heading)}</h2>" if part.heading else ""
    return f"<section>{heading}{note}{table}{''.join(map(_figure, part.sheets))}</section>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _figure(sheet: Sheet) -> str:
    data, words = base64.b64encode(_encoded(sheet.picture, "WEBP")).decode(), escape(sheet.caption)
    size = f'width="{sheet.picture.width}" height="{sheet.picture.height}"'
    return f'<figure><img src="data:image/webp;base64,{data}" alt="{words}" {size}><figcaption>{words}</figcaption></figure>'


def _encoded(picture: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, quality=QUALITY)
    return out.getvalue()


def command_line(options: Any, words: Sequence[str] = ("paco", "eval")) -> str:
    """The command that asks for these options: the seed and what isn't the default, then ``what`` with its own."""
    return shlex.join([*words, *_spoken(options)])


def _spoken(options: Any) -> list[str]:
    plain, whole = typing.get_type_hints(type(options)), typing.get_type_hints(type(options), include_extras=True)
    given: list[str] = []
    named: list[str] = []
    last: list[str] = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name == "what":
            last = [type(value).__name__.lower(), *_spoken(value)]
        elif whole[field.name] == Positional[plain[field.name]]:
            given += map(str, value) if isinstance(value, tuple) else [str(value)]
        elif value != field.default or field.name == "seed":
            flag = f"--{field.name.replace('_', '-')}"
            several = value if isinstance(value, tuple) else (value,)
            named += [word for one in several for word in ([flag] if one is True else [flag, str(one)])]
    return [*given, *named, *last]
