"""``paco edit``: rearranges the scene of a run folder from the command line, as the editors do."""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from paco_core.errors import BadInput
from viewers.commands import Outcome, Terminal
from viewers.editor import Editor
from viewers.operations import (
    Delete,
    Draw,
    Drop,
    Duplicate,
    Flip,
    Hide,
    Lift,
    Lock,
    Move,
    Operation,
    Place,
    Rename,
    Reorder,
    Reset,
    Rotate,
    Scale,
    perform,
)
from viewers.original import Original
from viewers.state import EditState, Thing
from viewers.table import table

Make = Callable[[Thing, list[str], bool], Operation]
"""An operation from the thing that is meant, the words after its name, and whether things on it go along."""


@dataclass(frozen=True)
class Option:
    """``--flag OBJECT words…``."""

    words: tuple[str, ...]
    help: str
    make: Make


EDITS: dict[str, Option] = {
    "move": Option(
        ("X", "Y", "Z"),
        "by metres: to the right, up, towards the viewer",
        lambda t, w, carry: Move((t.id,), (_number(w[0]), _number(w[1]), _number(w[2])), carry),
    ),
    "put": Option(
        ("X", "Y", "Z"),
        "to a place in the world, metres",
        lambda t, w, carry: Place(t.id, (_number(w[0]), _number(w[1]), _number(w[2])), carry=carry),
    ),
    "lift": Option(("M",), "up by metres", lambda t, w, carry: Lift((t.id,), _number(w[0]), carry)),
    "rotate": Option(
        ("DEG",),
        "about the vertical, counter-clockwise seen from above",
        lambda t, w, carry: Rotate((t.id,), _number(w[0]), "y", carry),
    ),
    "tilt": Option(
        ("AXIS", "DEG"),
        "about the world's x or z axis through its foot",
        lambda t, w, carry: Rotate((t.id,), _number(w[1]), _word(w[0], ("x", "z")), carry),
    ),
    "scale": Option(("FACTOR",), "larger (above 1) or smaller", lambda t, w, carry: Scale((t.id,), _number(w[0]), carry)),
    "drop": Option((), "onto what is below it", lambda t, w, carry: Drop((t.id,))),
    "flip": Option((), "left and right changed", lambda t, w, carry: Flip((t.id,))),
    "duplicate": Option((), "a copy beside it, named `NAME 2`", lambda t, w, carry: Duplicate((t.id,))),
    "delete": Option((), "out of the scene", lambda t, w, carry: Delete((t.id,))),
    "hide": Option((), "out of sight and of what is exported", lambda t, w, carry: Hide((t.id,))),
    "show": Option((), "in sight again", lambda t, w, carry: Hide((t.id,), hidden=False)),
    "lock": Option((), "protect it against edits", lambda t, w, carry: Lock((t.id,))),
    "unlock": Option((), "and no longer", lambda t, w, carry: Lock((t.id,), locked=False)),
    "rename": Option(("NAME",), "another name", lambda t, w, carry: Rename(t.id, w[0])),
    "order": Option(
        ("TO",),
        "in the picture: front, back, forward or backward",
        lambda t, w, carry: Reorder((t.id,), _word(w[0], ("front", "back", "forward", "backward"))),
    ),
    "shift": Option(
        ("DX", "DY"),
        "by pixels in the picture: to the right, down",
        lambda t, w, carry: Draw(t.id, (t.shift_px[0] + _number(w[0]), t.shift_px[1] + _number(w[1])), carry=carry),
    ),
    "turn": Option(("DEG",), "in the picture, clockwise", lambda t, w, carry: Draw(t.id, turn_deg=t.turn_deg + _number(w[0]))),
    "opacity": Option(("SHARE",), "in the picture, 0…1", lambda t, w, carry: Draw(t.id, opacity=_number(w[0]))),
    "reset": Option((), "as the run made it", lambda t, w, carry: Reset((t.id,))),
}


@dataclass(frozen=True)
class Options:
    """Steps in their order, and what is written in the end."""

    run: Path
    steps: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Flag of ``EDITS``, and the words behind it: the object's name or number first."""
    carry: bool = True
    reset_all: bool = False
    load: Path | None = None
    glb: Path | None = None
    picture: Path | None = None


class _Step(argparse.Action):
    """Collects steps in the order in which they are given."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        namespace.steps = (*namespace.steps, (str(option_string).removeprefix("--"), tuple(values)))


def parse(args: Sequence[str]) -> Options:
    """The options; their order is that of the steps, which is why this isn't tyro's."""
    parser = argparse.ArgumentParser(
        prog="paco edit",
        description="Rearrange the scene of a run folder. Steps are done in the order given, and kept in its edits.json, which "
        "the editors open. Objects are called by name or number; without a step they are listed.",
        epilog="paco edit runs/desk --move chair 0.3 0 -0.2 --duplicate cup --drop 'cup 2' --glb desk.glb",
        allow_abbrev=False,
    )
    parser.add_argument("run", type=Path, help="the run folder")
    steps = parser.add_argument_group("steps")
    for flag, option in EDITS.items():
        words = ("OBJECT", *option.words)
        steps.add_argument(
            f"--{flag}",
            dest="steps",
            action=_Step,
            nargs=len(words),
            metavar=words,
            default=(),
            help=option.help.replace("%", "%%"),
        )
    parser.add_argument("--alone", dest="carry", action="store_false", help="what stands on a thing stays when that is moved")
    parser.add_argument("--reset-all", action="store_true", help="first back to what the run made")
    parser.add_argument("--load", type=Path, metavar="FILE", help="first take the edits of a file")
    parser.add_argument("--glb", type=Path, metavar="FILE", help="then write the edited scene")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="then write the edited picture (PNG)")
    found = vars(parser.parse_args(_numbers_are_values(args)))
    return Options(**{field.name: found[field.name] for field in fields(Options)})


def run(options: Options, terminal: Terminal) -> Outcome:
    """Edit, save, export, and list what is there. Nothing is kept when a step can't be done."""
    with Editor(options.run) as editor:
        said = [f"note: {note}" for note in editor.notes]
        if options.load is not None:
            editor.load(options.load)
            said += [f"note: {note}" for note in editor.notes]
        state = _after(options, editor.state, editor.original)
        editor.take(state)
        if options.steps or options.reset_all or options.load is not None:
            said.append(f"saved {editor.save()}")
        if options.glb is not None:
            said.append(f"wrote {editor.export_glb(options.glb)}")
        if options.picture is not None:
            said.append(f"wrote {editor.export_picture(options.picture)}")
        return Outcome("\n".join([_listing(editor.state, editor.original), *said]))


def _after(options: Options, state: EditState, original: Original) -> EditState:
    if options.reset_all:
        state = perform(Reset(), state, original)
    for flag, (name, *words) in options.steps:
        try:
            state = perform(EDITS[flag].make(state.find(name), words, options.carry), state, original)
        except BadInput as error:
            raise BadInput(f"--{flag} {' '.join((name, *words))}: {error} Nothing was changed.") from error
    return state


def _listing(state: EditState, original: Original) -> str:
    head = ("id", "object", "x, y, z, m", "size", "stands on", "in the picture", "")
    return table(head, [_row(thing, state, original) for thing in sorted(state.things, key=lambda t: t.id)])


def _row(thing: Thing, state: EditState, original: Original) -> tuple[str, ...]:
    here = thing.source in original.objects
    place = ", ".join(f"{c:.2f}" for c in thing.position_m) if here else "no mesh"
    on = {"floor": "floor", "background": "–"}.get(thing.support) or state.thing(thing.support_id or 0).name
    dx, dy = thing.shift_px
    drawn = f"{state.things.index(thing) + 1} of {len(state.things)}, {dx:+.0f} {dy:+.0f} px, {thing.size:.0%}"
    marks = [word for word, is_so in (("hidden", thing.hidden), ("locked", thing.locked), ("flipped", thing.flipped)) if is_so]
    return str(thing.id), thing.name, place, f"× {thing.scale:.2f}", on if here else "", drawn, ", ".join(marks)


def _number(word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(f"{word!r} is no number.")
    return number


def _word(word: str, allowed: tuple[Any, ...]) -> Any:
    if word not in allowed:
        raise BadInput(f"{word!r} must be one of {', '.join(allowed)}.")
    return word


def _numbers_are_values(args: Sequence[str]) -> list[str]:
    """``-1e-3`` as argparse knows numbers: ``-0.001``."""
    out = []
    for word in args:
        try:
            out.append(f"{float(word):.12f}" if word.startswith("-") and "e" in word.lower() else word)
        except ValueError:
            out.append(word)
    return out
