"""How good are masks that nobody drew? Boxes, points and guesses against the true masks of real photos.

python benchmarks/cutouts.py DIR [--only names.txt] [--out sheets/]; DIR as for `paco eval photos`.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage as ndi
from skimage.segmentation import felzenszwalb

from paco_core.backends.colour import ColourSegmenter
from paco_core.prompts import Point, Prompt
from paco_core.types import Photo
from scene3d.evaluation.photo_scenes import choose, find_scenes, load_scene

THING = 0.01
"""Smallest share of the photo for boxes and points."""
LARGE_THING = 0.02
"""The same for what is to be found without any hint."""
ROWS = 8
HEIGHT = 200
COLOURS = np.array([[230, 60, 60], [60, 200, 60], [70, 90, 255], [240, 200, 0], [220, 0, 220], [0, 210, 210], [255, 140, 0]])


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def box_of(mask: np.ndarray) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def points_in(mask: np.ndarray, count: int) -> tuple[Point, ...]:
    """The innermost one, then those farthest from the ones before, all well inside."""
    depth = ndi.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    inner = np.argwhere(depth >= 0.4 * depth.max())
    chosen = [np.array(np.unravel_index(int(depth.argmax()), depth.shape))]
    while len(chosen) < count:
        chosen.append(inner[np.min([((inner - c) ** 2).sum(axis=1) for c in chosen], axis=0).argmax()])
    return tuple((float(x) + 0.5, float(y) + 0.5) for y, x in chosen)


def ellipse(box: tuple[float, float, float, float], hw: tuple[int, int]) -> np.ndarray:
    rows, columns = np.indices(hw) + 0.5
    u, v = (columns - box[0]) / (box[2] - box[0]) * 2 - 1, (rows - box[1]) / (box[3] - box[1]) * 2 - 1
    return u**2 + v**2 <= 1


def rectangle(box: tuple[float, float, float, float], hw: tuple[int, int]) -> np.ndarray:
    found = np.zeros(hw, bool)
    found[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = True
    return found


def timed(make: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    return make(), time.perf_counter() - start


def cut_one(segmenter: ColourSegmenter, photo: Photo, prompt: Prompt) -> np.ndarray:
    return segmenter.cut(photo, (prompt,))[0]


def regions(photo: Photo) -> np.ndarray:
    labels = felzenszwalb(photo.rgb, scale=400, sigma=0.8, min_size=int(0.004 * photo.hw[0] * photo.hw[1]))
    return np.stack([labels == k for k in range(labels.max() + 1)])


def overlay(rgb: np.ndarray, masks: Iterable[np.ndarray]) -> Image.Image:
    shown = rgb * 0.55
    for k, mask in enumerate(masks):
        shown[mask] = 0.45 * rgb[mask] + 0.55 * COLOURS[k % len(COLOURS)]
        shown[mask ^ ndi.binary_erosion(mask, iterations=2)] = COLOURS[k % len(COLOURS)]
    image = Image.fromarray(shown.astype(np.uint8))
    return image.resize((round(image.width * HEIGHT / image.height), HEIGHT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    segmenter = ColourSegmenter()
    things: dict[str, list[tuple[float, float]]] = {}
    found: dict[str, list[tuple[float, ...]]] = {}
    rows: list[list[Image.Image]] = []
    for scene in choose(find_scenes(args.folder), args.only):
        photo, truth = load_scene(scene)
        masks = [mask for mask in truth.masks if mask.mean() >= THING]
        shown: list[Iterable[np.ndarray]] = [truth.masks]
        by_prompt: dict[str, list[np.ndarray]] = {}
        for mask in masks:
            box = box_of(mask)
            prompts = {"--box": Prompt("", box)}
            prompts |= {f"--point, {n}": Prompt("", None, points_in(mask, n)) for n in (1, 3)}
            prompts["--box and 3 points"] = Prompt("", box, points_in(mask, 3))
            made = {name: timed(partial(cut_one, segmenter, photo, p)) for name, p in prompts.items()}
            made |= {"the box itself": (rectangle(box, photo.hw), 0.0), "ellipse in the box": (ellipse(box, photo.hw), 0.0)}
            for name, (cut, seconds) in made.items():
                things.setdefault(name, []).append((iou(cut, mask), seconds))
                by_prompt.setdefault(name, []).append(cut)
        large = [mask for mask in truth.masks if mask.mean() >= LARGE_THING]
        for name, find in {"guessed": partial(segmenter.find, photo, None), "felzenszwalb": partial(regions, photo)}.items():
            guesses, seconds = timed(find)
            best = [max((iou(guess, mask) for guess in guesses), default=0.0) for mask in large]
            if best:
                recall = np.mean(np.array(best) >= 0.5)
                found.setdefault(name, []).append((np.mean(best), recall, len(guesses), seconds))
            if name == "guessed":
                by_prompt[name] = list(guesses)
        shown += [by_prompt[name] for name in ("--box", "--point, 3", "guessed") if name in by_prompt]
        rows.append([overlay(photo.rgb, masks) for masks in shown])
    for name, scores in things.items():
        good, seconds = np.array(scores).T
        print(
            f"| {name} | {len(good)} | {np.median(good):.3f} | {np.quantile(good, 0.1):.3f} | {(good >= 0.5).mean():.2f} "
            f"| {np.median(seconds):.2f} |"
        )
    for name, scores in found.items():
        print(f"| {name} | {len(scores)} | " + " | ".join(f"{value:.2f}" for value in np.mean(scores, axis=0)) + " |")
    if args.out:
        write_sheets(rows, args.out)


def write_sheets(rows: list[list[Image.Image]], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    width = max(sum(image.width + 4 for image in row) for row in rows)
    for start in range(0, len(rows), ROWS):
        sheet = Image.new("RGB", (width, ROWS * (HEIGHT + 4)))
        for k, row in enumerate(rows[start : start + ROWS]):
            x = 0
            for image in row:
                sheet.paste(image, (x, k * (HEIGHT + 4)))
                x += image.width + 4
        sheet.save(out / f"cutouts_{start // ROWS + 1:02d}.png")


if __name__ == "__main__":
    main()
