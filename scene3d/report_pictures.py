"""The pictures of a report: masks with names, depth in colours, the occlusion graph, objects with what was invented."""

import colorsys
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from paco_core.masks import distance_to, erode
from paco_core.types import CompleteObject, DepthMap, OcclusionGraph, Photo, Segmentation

INK, MUTED, PAPER, LINE, INVENTED = (27, 31, 36), (101, 109, 118), (255, 255, 255), (208, 215, 222), (214, 51, 132)

# Anchors of a dark-to-bright scale that also reads in grey: near is bright and warm, far is dark and blue.
DEPTH_COLOURS = np.array(
    [(255, 236, 160), (253, 189, 96), (240, 122, 82), (196, 66, 110), (122, 45, 128), (58, 38, 110), (18, 16, 48)], float
)


def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's built-in scalable font."""
    return ImageFont.load_default(size=size)


_LIKE = str.maketrans({"×": "x", "→": ">", "−": "-", "–": "-", "—": "-", "’": "'"})


def printable(text: str, longest: int = 40) -> str:
    """What the built-in font can draw: other characters become like ones or question marks, long texts are cut."""
    shown = "".join(_like(c) for c in text[: longest + 1].translate(_LIKE))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def label(object_id: int, name: str, longest: int = 24) -> str:
    """A name for a picture; ``object 3`` where the built-in font lacks most of its letters."""
    shown = printable(name, longest)
    lost = sum(a == "?" != b for a, b in zip(shown, name, strict=False))
    return shown if shown.strip() and 2 * lost <= len(shown) else f"object {object_id}"


@lru_cache(maxsize=4096)
def _like(character: str) -> str:
    """The character itself, its letter without accents, or a question mark."""
    for candidate in (character, unicodedata.normalize("NFKD", character)[:1]):
        if candidate == " " or (candidate.isprintable() and _drawn(candidate) != _drawn("\uffff")):
            return candidate
    return "?"


def _drawn(character: str) -> bytes:
    picture = Image.new("L", (24, 24))
    ImageDraw.Draw(picture).text((2, 2), character, font=font(16), fill=255)
    return picture.tobytes()


def object_colour(position: int) -> tuple[int, int, int]:
    """A colour per object; neighbours in the list differ most (golden-angle hues, two lightnesses)."""
    r, g, b = colorsys.hls_to_rgb((0.58 + position * 0.381966) % 1.0, 0.46 + 0.1 * (position % 2), 0.75)
    return round(r * 255), round(g * 255), round(b * 255)


def draw_masks(photo: Photo, segmentation: Segmentation) -> Image.Image:
    """The photo with every visible mask tinted, outlined and named."""
    rgb = photo.rgb.astype(np.float64)
    for i, mask in enumerate(segmentation.masks):
        colour = np.array(object_colour(i), float)
        edge = mask & ~erode(mask, max(1.0, photo.hw[1] / 500))
        rgb[mask] = 0.55 * rgb[mask] + 0.45 * colour
        rgb[edge] = colour
    picture = Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))
    _name_masks(picture, segmentation)
    return picture


def _name_masks(picture: Image.Image, segmentation: Segmentation) -> None:
    """Each name stands at the innermost point of its mask, moved down where it would cover another name."""
    draw = ImageDraw.Draw(picture)
    # legible when the sheet shows the picture at a quarter of its width; smaller where many names would cover the photo
    letters = font(max(11.0, picture.width / np.clip(24 + len(segmentation.ids), 30, 48)))
    taken: list[tuple[float, float, float, float]] = []
    for i, (mask, name) in enumerate(zip(segmentation.masks, map(label, segmentation.ids, segmentation.names), strict=True)):
        inside = distance_to(~np.pad(mask, 1))
        v, u = np.unravel_index(int(np.argmax(inside)), inside.shape)
        left, top, right, bottom = draw.textbbox((0, 0), name, font=letters)
        width, height = right - left + 12, bottom - top + 8
        x = float(np.clip(u - width / 2, 0, max(picture.width - width, 0)))
        y = float(np.clip(v - height / 2, 0, max(picture.height - height, 0)))
        while (
            any(x < right_ and left_ < x + width and y < bottom_ and top_ < y + height for left_, top_, right_, bottom_ in taken)
            and y < picture.height
        ):
            y += height / 2
        y = min(y, max(picture.height - height, 0.0))
        taken.append((x, y, x + width, y + height))
        draw.rounded_rectangle(taken[-1], radius=5, fill=object_colour(i), outline=PAPER)
        bright = np.dot(object_colour(i), (0.299, 0.587, 0.114)) > 140
        draw.text((x + 6 - left, y + 4 - top), name, font=letters, fill=INK if bright else PAPER)


def draw_depth(depth: DepthMap) -> Image.Image:
    """Near warm and bright, far dark and blue, by 1/z between the 2 % and 98 % quantiles; grey where there is no opinion."""
    picture = np.full((*depth.z.shape, 3), 128.0)
    if depth.valid.any():
        inverse = 1 / np.maximum(depth.z, 1e-9).astype(np.float64)
        far, near = np.quantile(inverse[depth.valid], [0.02, 0.98])
        place = np.clip((near - inverse) / max(near - far, 1e-12), 0, 1) * (len(DEPTH_COLOURS) - 1)
        anchors = np.arange(len(DEPTH_COLOURS))
        colours = np.stack([np.interp(place, anchors, DEPTH_COLOURS[:, k]) for k in range(3)], axis=-1)
        picture[depth.valid] = colours[depth.valid]
    return Image.fromarray(picture.astype(np.uint8))


def checkerboard(hw: tuple[int, int], cell: int = 12) -> UInt8[np.ndarray, "h w 3"]:
    """Light grey and white squares."""
    rows, columns = np.indices(hw) // cell
    return np.where(((rows + columns) % 2 == 0)[..., None], 255, 232).astype(np.uint8).repeat(3, axis=2)


def draw_object(item: CompleteObject, side: int, *, marked: bool) -> Image.Image:
    """A complete object on a checkerboard, fitted into a square; ``marked``: what was invented is striped and outlined."""
    rgba = item.rgba.astype(np.float64)
    if marked:
        outline = item.generated & ~erode(item.generated, max(1.0, max(rgba.shape[:2]) / 180))
        rows, columns = np.nonzero(item.generated)
        colours = np.array([INVENTED, PAPER], float)  # both: one alone is lost on things of its own colour
        stripe = (rows + columns) // max(2, max(rgba.shape[:2]) // 50) % 2
        rgba[item.generated, :3] = 0.6 * rgba[item.generated, :3] + 0.4 * colours[stripe]
        rgba[outline, :3], rgba[outline, 3] = INVENTED, 255
    picture = Image.fromarray(rgba.astype(np.uint8))
    box = picture.getchannel("A").getbbox() or (0, 0, 1, 1)
    picture = picture.crop(box)
    scale = 0.92 * side / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    out = Image.fromarray(checkerboard((side, side)))
    out.paste(picture, ((side - size[0]) // 2, (side - size[1]) // 2), picture)
    return out


@dataclass(frozen=True)
class _Node:
    x: float
    y: float
    width: float
    text: str
    colour: tuple[int, int, int]


def draw_graph(graph: OcclusionGraph, names: dict[int, str], width: int, background: tuple[int, int, int] = PAPER) -> Image.Image:
    """Who hides whom: one column per layer, arrows from front to behind, dashed where an edge was cut to break a cycle."""
    fine = 2  # drawn at twice the size: Pillow's lines have no anti-aliasing
    letters, small = font(15 * fine), font(12 * fine)
    nodes, height = _arrange(graph, names, width * fine, letters, fine)
    picture = Image.new("RGB", (width * fine, round(height)), background)
    draw = ImageDraw.Draw(picture)
    columns = max(graph.layers, default=0) + 1
    for layer in range(columns):
        x = (layer + 0.5) / columns * width * fine
        title = f"layer {layer}"
        if layer == 0 and 1 < columns < 5:  # more are too narrow for it
            title += ": hidden by nobody"
        draw.text((x, 16 * fine), title, font=small, fill=MUTED, anchor="mm")
    for edge in graph.edges:
        _arrow(draw, nodes[edge.front], nodes[edge.behind], MUTED, fine, dashed=False)
    for edge in graph.dropped:
        _arrow(draw, nodes[edge.front], nodes[edge.behind], INVENTED, fine, dashed=True)
    for node in nodes.values():
        box = (node.x - node.width / 2, node.y - 15 * fine, node.x + node.width / 2, node.y + 15 * fine)
        draw.rounded_rectangle(box, radius=8 * fine, fill=PAPER, outline=node.colour, width=2 * fine)
        draw.text((node.x, node.y), node.text, font=letters, fill=INK, anchor="mm")
    return picture.resize((width, max(1, round(height / fine))), Image.Resampling.LANCZOS)


def _arrange(
    graph: OcclusionGraph, names: dict[int, str], width: int, letters: ImageFont.FreeTypeFont | ImageFont.ImageFont, fine: int
) -> tuple[dict[int, _Node], float]:
    """Nodes in columns by layer, each column in the order of its neighbours in the column before (barycentre rule)."""
    columns = max(graph.layers, default=0) + 1
    members = [[i for i in graph.ids if graph.layer(i) == layer] for layer in range(columns)]
    tallest = max((len(column) for column in members), default=1)
    gap = 44 * fine
    room = width / columns - 40 * fine
    nodes: dict[int, _Node] = {}
    for layer, column in enumerate(members):
        column.sort(key=lambda i: float(np.mean([nodes[e.front].y for e in graph.edges if e.behind == i] or [0.0])))
        for k, i in enumerate(column):
            text = _fitting(label(i, names.get(i, "")), letters, room - 24 * fine)
            y = 50 * fine + gap * (k + (tallest - len(column)) / 2)
            box = letters.getlength(text) + 24 * fine
            nodes[i] = _Node((layer + 0.5) / columns * width, y, box, text, object_colour(graph.ids.index(i)))
    return nodes, 30 * fine + gap * tallest + 10 * fine


def _fitting(text: str, letters: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    while len(text) > 2 and letters.getlength(text) > room:
        text = text[:-2] + "…"
    return text


def _arrow(
    draw: ImageDraw.ImageDraw, front: _Node, behind: _Node, colour: tuple[int, int, int], fine: int, *, dashed: bool
) -> None:
    direction = 1 if behind.x > front.x else -1
    if front.x == behind.x:  # same column: only edges that were cut
        start, end = (front.x, front.y), (behind.x, behind.y + (17 * fine if front.y > behind.y else -17 * fine))
    else:
        start = (front.x + direction * front.width / 2, front.y)
        end = (behind.x - direction * (behind.width / 2 + 2 * fine), behind.y)
    points = np.linspace(start, end, 41 if dashed else 2)
    for a, b in zip(points[:-1:2] if dashed else points[:-1], points[1::2], strict=False):
        draw.line((*a, *b), fill=colour, width=2 * fine)
    along = np.subtract(end, start) / max(float(np.linalg.norm(np.subtract(end, start))), 1e-9)
    across = np.array([-along[1], along[0]])
    head = [np.array(end), end - along * 10 * fine + across * 5 * fine, end - along * 10 * fine - across * 5 * fine]
    draw.polygon([(float(x), float(y)) for x, y in head], fill=colour)
