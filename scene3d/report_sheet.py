"""``report.png``: everything on one sheet, drawn with Pillow and its built-in font."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from scene3d.report_pictures import INK, INVENTED, LINE, MUTED, PAPER, font, label, printable
from scene3d.report_types import Figure, ObjectEntry, Report

WIDTH, MARGIN, GAP = 1600, 36, 18
SHEET = (246, 248, 250)
INNER = WIDTH - 2 * MARGIN
FEW = 9
"""As many objects are about as high as the table of stages beside them."""
PAIR = 300
"""Width of the two pictures of an object, px, where there are many."""
ROW = 30
"""Height of a table's line, px."""


def sheet(report: Report) -> Image.Image:
    """The whole report, 1600 px wide: scene, photo, and the details, in two columns or, of many objects, below each other."""
    many = len(report.objects) > FEW
    left = round(INNER * (0.5 if many else 0.34))
    right = INNER - left - GAP
    if many:
        run = _beside([_card(report.graph, left), _stages_table(report, right)])
        details = _stack([run, *_of_objects(report, INNER)])
    else:
        run = _stack([_card(report.graph, left), _stages_table(report, left)])
        details = _beside([run, _stack(_of_objects(report, right))])
    body = _stack([_title(report), _row(report.views), _row(report.figures), details])
    out = Image.new("RGB", (WIDTH, body.height + 2 * MARGIN), SHEET)
    out.paste(body, (MARGIN, MARGIN))
    return out


def _of_objects(report: Report, width: int) -> list[Image.Image]:
    return [_gallery(report.objects, width), _objects_table(report, width), *_notes(report.fallbacks, width)]


def _stack(pictures: Sequence[Image.Image]) -> Image.Image:
    """One below the other."""
    height = sum(p.height for p in pictures) + GAP * (len(pictures) - 1)
    out = Image.new("RGB", (max(p.width for p in pictures), height), SHEET)
    y = 0
    for picture in pictures:
        out.paste(picture, (0, y))
        y += picture.height + GAP
    return out


def _beside(pictures: Sequence[Image.Image]) -> Image.Image:
    """One next to the other."""
    width = sum(p.width for p in pictures) + GAP * (len(pictures) - 1)
    out = Image.new("RGB", (width, max(p.height for p in pictures)), SHEET)
    x = 0
    for picture in pictures:
        out.paste(picture, (x, 0))
        x += picture.width + GAP
    return out


def _title(report: Report) -> Image.Image:
    """The photo's name, and below it the facts in as many lines as they need."""
    out = Image.new("RGB", (INNER, 200), SHEET)
    draw = ImageDraw.Draw(out)
    draw.text((0, 0), printable(report.title, 60), font=font(36), fill=INK)
    x, y = 0.0, 52
    for what, value in report.facts:
        label, text = f"{printable(what)} ", _cut(draw, value, INNER * 0.6, 19)
        width = draw.textlength(label, font=font(19)) + draw.textlength(text, font=font(19))
        if x and x + width > INNER:
            x, y = 0.0, y + 28
        draw.text((x, y), label, font=font(19), fill=MUTED)
        draw.text((x + draw.textlength(label, font=font(19)), y), text, font=font(19), fill=INK)
        x += width + 28
    return out.crop((0, 0, INNER, y + 26))


def _row(figures: Sequence[Figure]) -> Image.Image:
    """Figures side by side, equally wide."""
    width = (INNER - GAP * (len(figures) - 1)) // len(figures)
    return _beside([_card(figure, width) for figure in figures])


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


def _gallery(entries: Sequence[ObjectEntry], width: int) -> Image.Image:
    """Pairs of pictures: the complete object, and the same with what was invented marked."""
    columns = min(max(len(entries), 1), max(3, width // PAIR))
    cell = (width - 24 - 16 * (columns - 1)) // columns
    side = min(cell // 2, 180)
    line = side + 42
    rows = -(-len(entries) // columns)
    out = Image.new("RGB", (width, 44 + rows * line), PAPER)
    draw = ImageDraw.Draw(out)
    draw.text((12, 22), "Complete objects, and", font=font(16), fill=INK, anchor="lm")
    start = 12 + draw.textlength("Complete objects, and ", font=font(16))
    draw.text((start, 22), "what was invented", font=font(16), fill=INVENTED, anchor="lm")
    for k, entry in enumerate(entries):
        x, y = 12 + (k % columns) * (cell + 16), 44 + (k // columns) * line
        out.paste(entry.plain.resize((side, side), Image.Resampling.LANCZOS), (x, y))
        out.paste(entry.marked.resize((side, side), Image.Resampling.LANCZOS), (x + side, y))
        draw.rectangle((x - 1, y - 1, x + 2 * side, y + side), outline=LINE)
        draw.line((x + side, y, x + side, y + side), fill=LINE)
        text = f"{label(entry.id, entry.name, 40)} · layer {entry.layer} · {entry.invented} invented"
        draw.text((x, y + side + 16), _cut(draw, text, cell, 15), font=font(15), fill=INK, anchor="lm")
    draw.rectangle((0, 0, out.width - 1, out.height - 1), outline=LINE)
    return out


def _objects_table(report: Report, width: int) -> Image.Image:
    headings = ("object", "layer", report.size_heading, "stands on", "lift", "IoU", "conf.", "fallback")
    shares = (0.17, 0.06, 0.24, 0.13, 0.16, 0.06, 0.06, 0.12)
    names = {e.id: label(e.id, e.name, 40) for e in report.objects}
    on = {e.id: e.support if e.carrier is None else f"on {names.get(e.carrier, e.carrier)}" for e in report.objects}
    rows = [
        (names[e.id], str(e.layer), e.size, on[e.id], e.lift, e.iou, e.confidence, e.fallback or "none") for e in report.objects
    ]
    return _table(headings, rows, shares, width)


def _stages_table(report: Report, width: int) -> Image.Image:
    rows = [(s.stage, s.method, f"{s.seconds:.2f}") for s in report.stages]
    total = ("together", "", f"{sum(s.seconds for s in report.stages):.2f}")
    return _table(("stage", "method", "seconds"), [*rows, total], (0.28, 0.56, 0.16), width)


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


def _notes(fallbacks: Sequence[str], width: int) -> list[Image.Image]:
    """What was not done as planned; nothing when all was."""
    if not fallbacks:
        return []
    out = Image.new("RGB", (width, 44 + 26 * len(fallbacks)), PAPER)
    draw = ImageDraw.Draw(out)
    draw.text((16, 20), "Simpler methods had to be used", font=font(16), fill=INVENTED, anchor="lm")
    for k, text in enumerate(fallbacks):
        draw.text((16, 48 + 26 * k), _cut(draw, text, width - 32, 15), font=font(15), fill=INK, anchor="lm")
    draw.rectangle((0, 0, 4, out.height), fill=INVENTED)
    return [out]
