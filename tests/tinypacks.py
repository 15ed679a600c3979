"""Packs of simple shapes in a few colours, written by hand."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE_PX = 60


def shape(category: str, colour: tuple[int, int, int], turn_deg: float) -> Image.Image:
    """A disc, a box or a triangle with a stripe, turned."""
    image = Image.new("RGBA", (SIDE_PX, SIDE_PX))
    draw = ImageDraw.Draw(image)
    if category == "disc":
        draw.ellipse((2, 10, 57, 50), fill=colour)
    elif category == "box":
        draw.rectangle((8, 14, 52, 46), fill=colour)
    else:
        draw.polygon([(30, 4), (56, 54), (4, 54)], fill=colour)
    draw.line((12, 30, 48, 30), fill=(255, 255, 255), width=4)
    return image.rotate(turn_deg)


def write_tiny_pack(path: Path, *, objects: int = 12, views: int = 2, use: str = "train", seed: int = 0) -> Path:
    """A pack of ``objects`` with so many views each."""
    rng = np.random.default_rng(seed)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as pack:
        lines = []
        for number in range(objects):
            category = ("disc", "box", "triangle")[number % 3]
            colour = tuple(int(c) for c in rng.integers(0, 200, 3))
            for view in range(views):
                file = io.BytesIO()
                shape(category, colour, 20.0 * view).save(file, "WEBP", lossless=True, exact=True)
                name = f"{number:03d}_{view}.webp"
                pack.writestr(name, file.getvalue())
                told = {"file": name, "name": category, "category": category, "style": "drawn", "group": f"{seed}/{number}"}
                lines.append(json.dumps(told))
        pack.writestr("pack.json", json.dumps({"version": 1, "use": use}))
        pack.writestr("items.jsonl", "\n".join(lines))
    return path
