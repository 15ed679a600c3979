"""The edited scene: what every editor shows and changes. Immutable, without a window and without a server.

A scene that is being edited is what a run made (``viewers.original``) and an ``EditState``: a dozen numbers per object.
Operations (``viewers.operations``) make the next state of it, and ``History`` remembers the ones before. World: x right, y up,
z toward the viewer, metres. Picture: photo pixels, x right, y down.
"""

import math
from dataclasses import dataclass, replace

from paco_core.errors import BadInput
from paco_core.registry import did_you_mean
from scene3d.types import Support

MOST_STEPS = 500
"""Of undo: hours of work, and a few megabytes."""
LONGEST_NAME = 200
NEAREST, LARGEST = 1e-3, 1e3
"""Factors of size between a speck and a mountain."""
FARTHEST = 1e4
"""Metres or photo widths (in thousands of pixels) from where things were; whatever is farther is a mistake in typing."""

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


@dataclass(frozen=True)
class Thing:
    """One object as it stands now; ``source`` tells of which object of the run it is, itself or a copy."""

    id: int
    source: int
    name: str
    position_m: Vector = (0.0, 0.0, 0.0)
    """World, of the pivot: the bottom-centre of the object's box."""
    wxyz: Quaternion = (1.0, 0.0, 0.0, 0.0)
    """``world_from_object``."""
    scale: float = 1.0
    """1 is the size that the run gave it."""
    support: Support = "floor"
    support_id: int | None = None
    """The thing that carries it, when ``support`` is ``"object"``."""
    flipped: bool = False
    """Left and right are changed, in the object's own frame and in the picture."""
    shift_px: tuple[float, float] = (0.0, 0.0)
    """In the picture: how far the middle of its box is from where the photo has it."""
    size: float = 1.0
    """In the picture: 1 is as large as in the photo."""
    turn_deg: float = 0.0
    """In the picture, clockwise, about the middle of its box."""
    opacity: float = 1.0
    """In the picture."""
    hidden: bool = False
    locked: bool = False

    def __post_init__(self) -> None:
        numbers = (*self.position_m, *self.wxyz, *self.shift_px, self.scale, self.size, self.turn_deg, self.opacity)
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"a number of {self.name!r} is not finite")
        if not NEAREST <= self.scale <= LARGEST or not NEAREST <= self.size <= LARGEST:
            raise ValueError(f"{self.name!r} would be {self.scale:g} (in the picture {self.size:g}) times as large as it was")
        if max(map(abs, self.position_m)) > FARTHEST or max(map(abs, self.shift_px)) > 1000 * FARTHEST:
            raise ValueError(f"{self.name!r} would be {max(map(abs, self.position_m)):g} m away")
        if not 0.999 < sum(q * q for q in self.wxyz) < 1.001:
            raise ValueError(f"wxyz of {self.name!r} is no unit quaternion")
        if not 0 <= self.opacity <= 1:
            raise ValueError(f"the opacity of {self.name!r} must be 0…1, not {self.opacity:g}")
        if not self.name.strip() or len(self.name) > LONGEST_NAME or not self.name.isprintable():
            raise ValueError(f"a name must have 1…{LONGEST_NAME} characters that can be seen, not {self.name[:40]!r}")
        if (self.support == "object") != (self.support_id is not None) or self.support_id == self.id:
            raise ValueError(f"{self.name!r} stands on {self.support} {self.support_id}")


@dataclass(frozen=True)
class EditState:
    """Everything that edits decide."""

    things: tuple[Thing, ...]
    """Back to front: in the picture, later ones cover earlier ones."""
    selected: tuple[int, ...] = ()
    """Shown by editors; never saved, and no step of undo."""

    def __post_init__(self) -> None:
        ids = [thing.id for thing in self.things]
        if len(set(ids)) < len(ids):
            raise ValueError("two objects have the same id")

    def thing(self, thing_id: int) -> Thing:
        """Raises ``BadInput`` when it is not there."""
        for thing in self.things:
            if thing.id == thing_id:
                return thing
        raise BadInput(f"There is no object {thing_id}. There are: {self.listing()}.")

    def find(self, name_or_id: str) -> Thing:
        """By number or name, as somebody types it. Raises ``BadInput`` when that is nobody, or not one alone."""
        if name_or_id.isascii() and name_or_id.isdigit():
            return self.thing(int(name_or_id))
        same = [thing for thing in self.things if thing.name.casefold() == name_or_id.strip().casefold()]
        if len(same) == 1:
            return same[0]
        if same:
            raise BadInput(
                f"{len(same)} objects are called {name_or_id!r}: give a number ({', '.join(str(t.id) for t in same)})."
            )
        names = tuple(thing.name for thing in self.things)
        raise BadInput(f"There is no object {name_or_id!r}.{did_you_mean(name_or_id, names)} There are: {self.listing()}.")

    def listing(self) -> str:
        """``1 cup, 2 saucer``, for sentences."""
        return ", ".join(f"{t.id} {t.name}" for t in sorted(self.things, key=lambda t: t.id)) or "none"

    def ids(self) -> frozenset[int]:
        """Of everything that is there."""
        return frozenset(thing.id for thing in self.things)

    def carried_by(self, ids: frozenset[int]) -> frozenset[int]:
        """``ids`` and whatever stands on them, however high the stack is."""
        while True:
            more = {thing.id for thing in self.things if thing.support_id in ids} - ids
            if not more:
                return ids
            ids |= more

    def with_things(self, *changed: Thing) -> "EditState":
        """These in place of those with the same ids."""
        by_id = {thing.id: thing for thing in changed}
        return replace(self, things=tuple(by_id.get(thing.id, thing) for thing in self.things))

    def selecting(self, ids: tuple[int, ...]) -> "EditState":
        """The same with another selection; what is not there is not selected."""
        here = self.ids()
        return replace(self, selected=tuple(dict.fromkeys(i for i in ids if i in here)))

    def same_edits(self, other: "EditState") -> bool:
        """Whether both would be saved alike."""
        return self.things == other.things


@dataclass(frozen=True)
class History:
    """A state and the way to it."""

    present: EditState
    past: tuple[EditState, ...] = ()
    future: tuple[EditState, ...] = ()

    def did(self, state: EditState) -> "History":
        """One step on; a step that changes nothing but the selection is none."""
        if state.same_edits(self.present):
            return replace(self, present=state)
        return History(state, (*self.past[-MOST_STEPS + 1 :], self.present))

    def undone(self) -> "History":
        """One step back; nothing happens at the beginning."""
        if not self.past:
            return self
        back = self.past[-1].selecting(self.present.selected)
        return History(back, self.past[:-1], (self.present, *self.future))

    def redone(self) -> "History":
        """One step that was undone, once more."""
        if not self.future:
            return self
        ahead = self.future[0].selecting(self.present.selected)
        return History(ahead, (*self.past, self.present), self.future[1:])
