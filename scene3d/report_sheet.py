"""``report.png``: everything on one sheet, drawn with Pillow and its built-in font."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from scene3d.report_pictures import INK, INVENTED, LINE, MUTED, PAPER, font, printable
from scene3d.report_types import Figure, ObjectEntry, Report

WIDTH, MARGIN, GAP = 1600, 36, 18
SHEET = (246, 248, 250)
INNER = WIDTH - 2 * MARGIN
ROW = 30
"""Height of a table's line, px."""


class _Sheet:
    """A growing sheet of paper: blocks are put below each other."""

    def __init__(self) -> None:
        self.blocks: list[tuple[Image.Image, int, int]] = []
        self.y = MARGIN

    def put(self, picture: Image.Image, x: int = MARGIN, *, y: int | None = None) -> None:
        self.blocks.append((picture, x, self.y if y is None else y))

    def flatten(self) -> Image.Image:
        out = Image.new("RGB", (WIDTH, self.y + MARGIN - GAP), SHEET)
        for picture, x, y in self.blocks:
            out.paste(picture, (x, y))
        return out


def sheet(report: Report) -> Image.Image:
    """The whole report, 1600 px wide."""
    out = _Sheet()
    _put_title(out, report)
    _put_row(out, report.views)
    _put_row(out, report.figures)
    _put_graph_and_objects(out, report)
    _put_tables(out, report)
    return out.flatten()


def _put_title(out: _Sheet, report: Report) -> None:
    picture = Image.new("RGB", (INNER, 84), SHEET)
    draw = ImageDraw.Draw(picture)
    draw.text((0, 0), printable(report.title, 60), font=font(36), fill=INK)
    x = 0.0
    for what, value in report.facts:
        for text, colour in ((f"{printable(what)} ", MUTED), (printable(value, 60), INK)):
            draw.text((x, 50), text, font=font(19), fill=colour)
            x += draw.textlength(text, font=font(19))
        x += 26
    out.put(picture)
    out.y += picture.height + 4


def _put_row(out: _Sheet, figures: Sequence[Figure]) -> None:
    """Figures side by side, equally wide."""
    width = (INNER - GAP * (len(figures) - 1)) // len(figures)
    cards = [_card(figure, width) for figure in figures]
    for k, card in enumerate(cards):
        out.put(card, MARGIN + k * (width + GAP))
    out.y += max(card.height for card in cards) + GAP


def _card(figure: Figure, width: int) -> Image.Image:
    """A picture with its caption below, on white with a thin frame."""
    height = max(1, round(figure.image.height * width / figure.image.width))
    picture = figure.image.resize((width, height), Image.Resampling.LANCZOS)
    out = Image.new("RGB", (width, height + 34), PAPER)
    out.paste(picture, (0, 0))
    draw = ImageDraw.Draw(out)
    draw.text((12, height + 17), _cut(draw, figure.caption, width - 24, 16), font=font(16), fill=INK, anchor="lm")
    draw.rectangle((0, 0, width - 1, height + 33), outline=LINE)
    return out


def _cut(draw: ImageDraw.ImageDraw, text: str, room: float, size: float) -> str:
    text = printable(text, 200)
    while len(text) > 2 and draw.textlength(text, font=font(size)) > room:
        text = text[:-2] + "…"
    return text


def _put_graph_and_objects(out: _Sheet, report: Report) -> None:
    """The graph at the left, the objects beside it, in as many lines as they need."""
    left = round(INNER * 0.36)
    graph = _card(report.graph, left)
    out.put(graph)
    gallery = _gallery(report.objects, INNER - left - GAP, graph.height)
    out.put(gallery, MARGIN + left + GAP)
    out.y += max(graph.height, gallery.height) + GAP


def _gallery(entries: Sequence[ObjectEntry], width: int, least_height: int) -> Image.Image:
    """Pairs of pictures: the complete object, and the same with what was invented marked."""
    columns = 3 if len(entries) > 2 else max(len(entries), 1)
    cell = (width - 24 - 16 * (columns - 1)) // columns
    side = min(cell // 2, 180)
    line = side + 54
    rows = -(-len(entries) // columns)
    out = Image.new("RGB", (width, max(44 + rows * line, least_height)), PAPER)
    draw = ImageDraw.Draw(out)
    draw.text((12, 22), "Complete objects, and", font=font(16), fill=INK, anchor="lm")
    start = 12 + draw.textlength("Complete objects, and ", font=font(16))
    draw.text((start, 22), "what was invented", font=font(16), fill=INVENTED, anchor="lm")
    for k, entry in enumerate(entries):
        x, y = 12 + (k % columns) * (cell + 16), 44 + (k // columns) * line
        out.paste(entry.plain.resize((side, side), Image.Resampling.LANCZOS), (x, y))
        out.paste(entry.marked.resize((side, side), Image.Resampling.LANCZOS), (x + side, y))
        draw.rectangle((x - 1, y - 1, x + 2 * side, y + side), outline=LINE)
        text = f"{entry.name} · layer {entry.layer} · {entry.invented} invented"
        draw.text((x, y + side + 16), _cut(draw, text, cell, 15), font=font(15), fill=INK, anchor="lm")
    draw.rectangle((0, 0, out.width - 1, out.height - 1), outline=LINE)
    return out


def _put_tables(out: _Sheet, report: Report) -> None:
    left = round(INNER * 0.7)
    headings = ("object", "layer", report.size_heading, "stands on", "lift", "IoU", "conf.", "fallback")
    shares = (0.17, 0.06, 0.2, 0.13, 0.17, 0.06, 0.06, 0.15)
    rows = [(e.name, str(e.layer), e.size, e.support, e.lift, e.iou, e.confidence, e.fallback or "none") for e in report.objects]
    objects = _table(headings, rows, shares, left)
    stages = [(s.stage, s.method, f"{s.seconds:.2f}") for s in report.stages]
    total = ("together", "", f"{sum(s.seconds for s in report.stages):.2f}")
    times = _table(("stage", "method", "s"), [*stages, total], (0.28, 0.56, 0.16), INNER - left - GAP)
    out.put(objects)
    out.put(times, MARGIN + left + GAP)
    notes = _notes(report.fallbacks, left)
    if notes is not None:
        out.put(notes, y=out.y + objects.height + GAP)
    below = objects.height + (GAP + notes.height if notes else 0)
    out.y += max(below, times.height) + GAP


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], shares: Sequence[float], width: int) -> Image.Image:
    out = Image.new("RGB", (width, ROW * (len(rows) + 1) + 14), PAPER)
    draw = ImageDraw.Draw(out)
    for r, row in enumerate((headings, *rows)):
        y = 7 + ROW * r
        if r:
            draw.line((12, y, width - 12, y), fill=LINE)
        x = 12.0
        for text, share in zip(row, shares, strict=True):
            room = share * (width - 24)
            shown = _cut(draw, text, room - 8, 15)
            draw.text((x, y + ROW / 2), shown, font=font(15), fill=INK if r else MUTED, anchor="lm")
            x += room
    draw.rectangle((0, 0, width - 1, out.height - 1), outline=LINE)
    return out


def _notes(fallbacks: Sequence[str], width: int) -> Image.Image | None:
    """What was not done as planned."""
    if not fallbacks:
        return None
    out = Image.new("RGB", (width, 44 + 26 * len(fallbacks)), PAPER)
    draw = ImageDraw.Draw(out)
    draw.text((16, 20), "Simpler methods had to be used", font=font(16), fill=INVENTED, anchor="lm")
    for k, text in enumerate(fallbacks):
        draw.text((16, 48 + 26 * k), _cut(draw, text, width - 32, 15), font=font(15), fill=INK, anchor="lm")
    draw.rectangle((0, 0, 4, out.height), fill=INVENTED)
    return out
