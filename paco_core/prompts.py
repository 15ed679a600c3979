"""What a user points at: boxes and points in words, ``"cup=120,80,340,300"``."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from paco_core.errors import BadInput
from paco_core.imagefile import size_text
from paco_core.masknames import clean_name

Point = tuple[float, float]
"""x to the right and y down, px of the upright photo, from its left upper corner."""

MAX_PROMPTS = 64
"""Objects; each takes up to a second."""
MAX_POINTS = 200
"""Of one object; more are a scribble, and a mask is the better way to say that."""
_BOX_FORM = 'Write --box "cup=left,top,right,bottom" in pixels of the upright photo, e.g. --box "cup=120,80,340,300".'
_POINT_FORM = (
    'Write --point "cup=x,y" in pixels of the upright photo, e.g. --point "cup=200,150 230,180 -90,40" (-: not the cup).'
)


@dataclass(frozen=True)
class Prompt:
    """One object, as somebody points at it; a box, points inside, or both."""

    name: str
    """Empty: nobody named it."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom: inside of the photo, at least a pixel each way."""
    inside: tuple[Point, ...] = ()
    """What is the object: inside of the photo, and of the box where there is one."""
    outside: tuple[Point, ...] = ()
    """What is not."""


def parse_prompts(boxes: Sequence[str], points: Sequence[str], hw: tuple[int, int]) -> tuple[Prompt, ...]:
    """The objects of all ``--box`` and ``--point`` words, in their order; what has the same name is one object.

    Without names every box and every ``--point`` is an object of its own, but a single box takes the points. ``hw`` is the
    photo's size. Raises ``BadInput`` for what has another form, lies outside of the photo or contradicts itself.
    """
    found: dict[str, Prompt] = {}
    unnamed = 0
    for word in boxes:
        name, text = _split(word)
        key = name.casefold() or f"\0{(unnamed := unnamed + 1)}"
        if key in found:
            raise BadInput(f'--box {word}: there are two boxes for "{name}". Give every object one box and a name of its own.')
        found[key] = Prompt(name, box=_box(text, word, hw))
    lone = next(iter(found)) if len(boxes) == 1 else ""
    for word in points:
        name, text = _split(word)
        inside, outside = _points(text, word, hw)
        key = name.casefold() or (lone if lone.startswith("\0") else f"\0{(unnamed := unnamed + 1)}")
        before = found.get(key, Prompt(name))
        found[key] = replace(before, inside=before.inside + inside, outside=before.outside + outside)
    if len(found) > MAX_PROMPTS:
        raise BadInput(
            f"There are {len(found)} objects in --box and --point; at most {MAX_PROMPTS} can be cut out. Give --masks."
        )
    for prompt in found.values():
        _check(prompt)
    return tuple(found.values())


def scaled(prompts: tuple[Prompt, ...], x: float, y: float) -> tuple[Prompt, ...]:
    """The same prompts for the photo at another size."""

    def moved(points: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple((px * x, py * y) for px, py in points)

    return tuple(
        replace(
            p,
            box=p.box and (p.box[0] * x, p.box[1] * y, p.box[2] * x, p.box[3] * y),
            inside=moved(p.inside),
            outside=moved(p.outside),
        )
        for p in prompts
    )


def _split(word: str) -> tuple[str, str]:
    name, equals, rest = word.rpartition("=")
    return (clean_name(name.strip().strip("\"'")), rest) if equals else ("", word)


def _box(text: str, word: str, hw: tuple[int, int]) -> tuple[float, float, float, float]:
    numbers = _numbers(text, word, "--box", _BOX_FORM)
    if len(numbers) != 4:
        raise BadInput(f"--box {word}: a box has four numbers, not {len(numbers)}. {_BOX_FORM}")
    x0, y0, x1, y1 = numbers
    if x1 <= x0 or y1 <= y0:
        raise BadInput(
            f"--box {word}: right must be larger than left, and bottom larger than top. {_BOX_FORM} (Not width and height.)"
        )
    clipped = (max(x0, 0.0), max(y0, 0.0), min(x1, float(hw[1])), min(y1, float(hw[0])))
    if clipped[2] - clipped[0] < 1 or clipped[3] - clipped[1] < 1:
        where = "outside of" if clipped[2] <= clipped[0] or clipped[3] <= clipped[1] else "less than a pixel in"
        raise BadInput(f"--box {word}: it lies {where} the photo, which has {size_text(hw)}. {_BOX_FORM}")
    return clipped


def _points(text: str, word: str, hw: tuple[int, int]) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    inside: list[Point] = []
    outside: list[Point] = []
    parts = [part for part in re.split(r"[;\s]+", re.sub(r"\s*,\s*", ",", text.strip())) if part]
    if not parts:
        raise BadInput(f"--point {word}: there is no point. {_POINT_FORM}")
    for part in parts:
        away = part.startswith("-")
        numbers = _numbers(part[1:] if away else part, word, "--point", _POINT_FORM)
        if len(numbers) != 2:
            raise BadInput(f"--point {word}: a point has two numbers, not {len(numbers)}. {_POINT_FORM}")
        x, y = numbers
        if not (0 <= x < hw[1] and 0 <= y < hw[0]):
            raise BadInput(f"--point {word}: {x:g},{y:g} lies outside of the photo, which has {size_text(hw)}. {_POINT_FORM}")
        (outside if away else inside).append((x, y))
    return tuple(inside), tuple(outside)


def _numbers(text: str, word: str, option: str, form: str) -> tuple[float, ...]:
    found = []
    for part in text.split(","):
        try:
            number = float(part)
        except ValueError:
            raise BadInput(f"{option} {word}: {part.strip() or 'nothing'!r} is not a number. {form}") from None
        if not math.isfinite(number):
            raise BadInput(f"{option} {word}: {part.strip()} is not a number of pixels. {form}")
        found.append(number)
    return tuple(found)


def _check(prompt: Prompt) -> None:
    called = f'"{prompt.name}"' if prompt.name else "An object without a name"
    if prompt.box is None and not prompt.inside:
        raise BadInput(f"{called} has only points that are not it. Give it a --box, or a --point inside.")
    if len(prompt.inside) + len(prompt.outside) > MAX_POINTS:
        raise BadInput(f"{called} has {len(prompt.inside) + len(prompt.outside)} points; give at most {MAX_POINTS}, or --masks.")
    pixels = {(int(x), int(y)) for x, y in prompt.inside}
    for x, y in prompt.outside:
        if (int(x), int(y)) in pixels:
            raise BadInput(f"{called} has the point {x:g},{y:g} both as inside and as outside. Remove one of them.")
    if prompt.box is not None:
        x0, y0, x1, y1 = prompt.box
        for x, y in prompt.inside:
            if not (x0 <= x < x1 and y0 <= y < y1):
                raise BadInput(f"{called} has the point {x:g},{y:g} outside of its box. Move the point, or make the box larger.")
