"""``report.html``: one file, pictures inside, no script; readable on a phone, light and dark, and on paper."""

import base64
import io
from collections.abc import Iterable
from html import escape

from PIL import Image

from scene3d.report_types import Figure, ObjectEntry, Report

QUALITY = 80
"""Of WebP, which every browser since 2020 shows: a page of 25 objects stays below 1 MB."""

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--muted:#59636e;--paper:#f6f8fa;--card:#fff;--line:#d0d7de;--mark:#b5246b}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--muted:#9ba3ac;--paper:#0d1117;--card:#161b22;--line:#30363d;
--mark:#ff7ab8}}
*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:1280px;padding:1rem;background:var(--paper);color:var(--ink);
font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.2;margin:.3rem 0 .6rem}h2{font-size:1.15rem;margin:1.6rem 0 .6rem}h3{font-size:1rem;margin:0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem .8rem;margin:0}dt{color:var(--muted)}dd{margin:0}
.grid{display:grid;gap:.8rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,280px),1fr));align-items:start}
.scene{grid-template-columns:repeat(3,1fr)}.photo{grid-template-columns:repeat(4,1fr)}
figure,article{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:hidden}
figcaption,article>div:last-child{padding:.5rem .75rem .65rem;font-size:.9rem}figcaption{color:var(--muted)}
article dl{font-size:.875rem;margin-top:.3rem}
.pair{display:grid;grid-template-columns:1fr 1fr;background:#fff}.pair.one{grid-template-columns:1fr}
.one label{max-width:50%;margin:0 auto}
label{display:block;position:relative;cursor:zoom-in}label img{display:block;width:100%;height:100%;object-fit:contain}
label input{position:absolute;opacity:0;width:1px;height:1px}
label:focus-within{outline:3px solid var(--mark);outline-offset:-3px}
label input:checked+img{position:fixed;inset:0;z-index:9;padding:.5rem;background:var(--paper);cursor:zoom-out}
.scroll{overflow-x:auto}.graph{background:#fff}.graph label{min-width:var(--w);max-width:900px;margin:0 auto}
.graph figcaption{background:var(--card)}
table{table-layout:fixed;border-collapse:collapse;width:100%;max-width:640px;background:var(--card);
border:1px solid var(--line);font-size:.9rem}
th,td{padding:.4rem .7rem;text-align:left;border-top:1px solid var(--line)}thead th{color:var(--muted);font-weight:600}
th:first-child{width:8rem}
th:last-child{width:6rem}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.mark{color:var(--mark)}.warn{border-left:4px solid var(--mark);margin:1rem 0;padding:.6rem 1rem;background:var(--card)}
.warn h2{margin:0}.warn ul{margin:.3rem 0 0;padding-left:1.1rem}.why{color:var(--mark);margin:.3rem 0 0}
footer{margin-top:1.6rem;color:var(--muted);font-size:.9rem}
@media(max-width:700px){body{padding:.75rem}.scene,.photo{grid-template-columns:1fr 1fr;gap:.5rem}
.scene figure:first-child{grid-column:1/-1}figcaption{padding:.35rem .5rem .45rem;font-size:.85rem}}
@media print{:root{color-scheme:light;--ink:#000;--muted:#444;--paper:#fff;--card:#fff;--line:#bbb;--mark:#b5246b}
body{max-width:none;padding:0;font-size:11pt}figure,article,tr{break-inside:avoid}h2{break-after:avoid}
.scroll{overflow:visible}.graph label{min-width:0}}
"""

FILES = (
    ("scene.glb", "the whole scene, for 3D programs"),
    ("objects/", "each object: mesh.glb, rgba.png (complete), generated.png (what was invented)"),
    ("layers/", "the complete objects as layers, for picture editors"),
    ("background.png", "the photo without its objects"),
)
"""What lies beside the page; it has no links, they would lead nowhere once the page is sent to somebody."""


def page(report: Report) -> str:
    """The whole page. Every text from outside (names, methods) is escaped; what a person wants to know first comes first."""
    sections = [
        f"<header><h1>{_name(report.title)}</h1>{_facts(report.facts)}</header>",
        _fallbacks(report.fallbacks),
        _section("The scene", _grid("scene", (_figure(view) for view in _photo_view_first(report.views)))),
        _objects(report),
        _section("What the photo shows", _grid("photo", (_figure(figure) for figure in report.figures))),
        _section("Occlusion", _graph(report.graph)),
        _section("Stages", _stages_table(report)),
        f"<footer>Beside this page: {'; '.join(f'<b>{escape(file)}</b>, {escape(what)}' for file, what in FILES)}.</footer>",
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(report.title)}: 3D scene</title><style>{STYLE}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(sections)}</body></html>\n'


def _name(text: str) -> str:
    """A text from outside, in whatever direction its script runs."""
    return f"<bdi>{escape(text)}</bdi>"


def _sentence(text: str) -> str:
    """An English sentence that may hold such a text."""
    return f'<bdi dir="ltr">{escape(text)}</bdi>'


def _section(heading_html: str, body_html: str) -> str:
    return f"<section><h2>{heading_html}</h2>{body_html}</section>"


def _grid(css_class: str, cells: Iterable[str]) -> str:
    return f'<div class="grid {css_class}">{"".join(cells)}</div>'


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(what)}</dt><dd>{escape(value)}</dd>' for what, value in facts)}</dl>"


def _fallbacks(fallbacks: tuple[str, ...]) -> str:
    if not fallbacks:
        return ""
    items = "".join(f"<li>{_sentence(text)}</li>" for text in fallbacks)
    return f'<div class="warn"><h2>Simpler methods had to be used</h2><ul>{items}</ul></div>'


def _photo_view_first(views: tuple[Figure, ...]) -> tuple[Figure, ...]:
    """The middle one of the views from left to right is the photo's own."""
    middle = len(views) // 2
    return (*views[middle : middle + 1], *views[:middle], *views[middle + 1 :])


def _figure(figure: Figure) -> str:
    return f"<figure>{_image(figure.image, figure.caption)}<figcaption>{escape(figure.caption)}</figcaption></figure>"


def _graph(figure: Figure) -> str:
    """As wide as its letters need; a phone scrolls it, and nothing else."""
    image = f'<div class="scroll" tabindex="0">{_image(figure.image, figure.caption)}</div>'
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>"
    return f'<figure class="graph" style="--w:{figure.image.width * 4 // 5}px">{image}{caption}</figure>'


def _objects(report: Report) -> str:
    if not report.objects:
        return _section("Objects", "<p>None.</p>")
    heading = 'Complete objects, and <span class="mark">what was invented</span>'
    return _section(heading, _grid("", (_object(entry, report.metric) for entry in report.objects)))


def _object(entry: ObjectEntry, metric: bool) -> str:
    images = _image(entry.plain, f"{entry.name}, complete")
    if not entry.whole:
        images += _image(entry.marked, f"{entry.name}, what was invented is marked")
    facts = (
        ("invented", "nothing" if entry.whole else f"{entry.invented}, by {entry.completion}"),
        ("w × h × d", f"{'' if metric else '≈ '}{entry.size} m"),
        ("support", entry.support),
        ("lifted by", entry.lift),
        ("fit", f"IoU {entry.iou}, confidence {entry.confidence}"),
        ("refined by", entry.kept_steps),
    )
    why = f'<p class="why">{_sentence(entry.fallback)}</p>' if entry.fallback else ""
    return (
        f'<article><div class="pair{" one" if entry.whole else ""}">{images}</div>'
        f"<div><h3>{_name(entry.name)}</h3>{why}{_facts(facts)}</div></article>"
    )


def _stages_table(report: Report) -> str:
    rows = [(entry.stage, entry.method, f"{entry.seconds:.2f}") for entry in report.stages]
    rows.append(("together", "", f"{sum(entry.seconds for entry in report.stages):.2f}"))
    body = "".join(f"<tr><td>{escape(a)}</td><td>{escape(b)}</td><td class=n>{escape(c)}</td></tr>" for a, b, c in rows)
    head = "<tr><th>stage</th><th>method</th><th class=n>seconds</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def _image(picture: Image.Image, description: str) -> str:
    """A picture that fills the window when it is tapped, and goes back when tapped again: a tick box without a script."""
    out = io.BytesIO()
    picture.convert("RGB").save(out, "WEBP", quality=QUALITY)
    data, words = base64.b64encode(out.getvalue()).decode(), escape(description)
    return (
        f'<label style="aspect-ratio:{picture.width}/{picture.height}"><input type="checkbox" aria-label="enlarge: {words}">'
        f'<img src="data:image/webp;base64,{data}" alt="{words}" width="{picture.width}" height="{picture.height}"></label>'
    )
