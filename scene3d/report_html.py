"""``report.html``: one file, pictures inside, readable on a phone, light and dark."""

import base64
import io
from collections.abc import Iterable
from html import escape

from PIL import Image

from scene3d.report_types import Figure, ObjectEntry, Report

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--muted:#656d76;--paper:#f6f8fa;--card:#fff;--line:#d0d7de;--mark:#d63384}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--muted:#9198a1;--paper:#0d1117;--card:#161b22;--line:#30363d;
--mark:#ff7ab8}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1280px;padding:1rem;background:var(--paper);color:var(--ink);
font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;margin:.3rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .6rem}
.facts{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;margin:0;color:var(--muted)}.facts b{color:var(--ink);font-weight:600}
.grid{display:grid;gap:.8rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,260px),1fr))}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:hidden}
figure img{display:block;width:100%;height:auto}figcaption{padding:.45rem .7rem;font-size:.85rem;color:var(--muted)}
figcaption b{color:var(--ink)}.pair{display:flex}.pair img{width:50%}
.graph{background:#fff;max-width:640px}.graph figcaption{background:var(--card)}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .7rem;text-align:left;border-top:1px solid var(--line);overflow-wrap:normal}
thead th{border:0;color:var(--muted);font-weight:600;white-space:nowrap}.n{text-align:right;white-space:nowrap}
.mark{color:var(--mark)}.warn{border-left:4px solid var(--mark);padding:.2rem 1rem;background:var(--card)}
"""


def page(report: Report) -> str:
    """The whole page. Every text from outside (names, methods) is escaped."""
    facts = "".join(f"<span>{escape(what)}: <b>{escape(value)}</b></span>" for what, value in report.facts)
    sections = [
        f'<h1>{escape(report.title)}</h1><p class="facts">{facts}</p>',
        _fallbacks(report.fallbacks),
        _section("The scene", _grid(_figure(view) for view in report.views)),
        _section("What the photo shows", _grid(_figure(figure) for figure in report.figures)),
        _section("Occlusion", _figure(report.graph, "graph", "png")),
        _section(
            'Complete objects (<span class="mark">invented parts</span> are marked on the right)',
            _grid(_object(entry) for entry in report.objects),
        ),
        _section("Objects", _objects_table(report)),
        _section("Stages", _stages_table(report)),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(report.title)}: 3D scene</title><style>{STYLE}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(sections)}</body></html>\n'


def _section(heading_html: str, body_html: str) -> str:
    return f"<section><h2>{heading_html}</h2>{body_html}</section>"


def _grid(cells: Iterable[str]) -> str:
    return f'<div class="grid">{"".join(cells)}</div>'


def _figure(figure: Figure, css_class: str = "", kind: str = "jpeg") -> str:
    image = _image(figure.image, figure.caption, kind)
    return f'<figure class="{css_class}">{image}<figcaption>{escape(figure.caption)}</figcaption></figure>'


def _object(entry: ObjectEntry) -> str:
    images = _image(entry.plain, entry.name) + _image(entry.marked, f"{entry.name}, invented parts marked")
    text = f"<b>{escape(entry.name)}</b> · layer {entry.layer} · {escape(entry.invented)} invented"
    return f'<figure><div class="pair">{images}</div><figcaption>{text}<br>{escape(entry.completion)}</figcaption></figure>'


def _fallbacks(fallbacks: tuple[str, ...]) -> str:
    if not fallbacks:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in fallbacks)
    return f'<div class="warn"><h2>Simpler methods had to be used</h2><ul>{items}</ul></div>'


def _objects_table(report: Report) -> str:
    headings = ("object", "layer", report.size_heading, "stands on", "lift", "IoU", "confidence", "refined by", "fallback")
    rows = [
        (e.name, str(e.layer), e.size, e.support, e.lift, e.iou, e.confidence, e.kept_steps, e.fallback or "none")
        for e in report.objects
    ]
    return _table(headings, rows, numbers=(1, 5, 6))


def _stages_table(report: Report) -> str:
    rows = [(entry.stage, entry.method, f"{entry.seconds:.2f}") for entry in report.stages]
    total = ("together", "", f"{sum(entry.seconds for entry in report.stages):.2f}")
    return _table(("stage", "method", "seconds"), [*rows, total], numbers=(2,))


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]], numbers: tuple[int, ...]) -> str:
    def cells(tag: str, row: tuple[str, ...]) -> str:
        return "".join(f"<{tag}{' class=n' if i in numbers else ''}>{escape(text)}</{tag}>" for i, text in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{cells("th", headings)}</tr></thead><tbody>{body}</tbody></table></div>'


def _image(picture: Image.Image, description: str, kind: str = "jpeg") -> str:
    out = io.BytesIO()
    if kind == "jpeg":
        picture.convert("RGB").save(out, "JPEG", quality=85)
    else:
        picture.save(out, "PNG", optimize=True)
    data = base64.b64encode(out.getvalue()).decode()
    return (
        f'<img src="data:image/{kind};base64,{data}" alt="{escape(description)}" '
        f'width="{picture.width}" height="{picture.height}">'
    )
