"""What can be done to an edited scene: every operation is a frozen dataclass that makes the next state of one.

All front ends and ``paco edit`` send these, so that a move is the same move everywhere. ``ids`` name the things that are meant;
what stands on them goes along where ``carry`` says so. A locked thing refuses everything but selecting, hiding, copying and
unlocking, and still goes along with what carries it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from scipy.spatial.transform import Rotation

from paco_core.errors import BadInput
from paco_core.presets import configure
from paco_core.registry import did_you_mean
from viewers.below import landing, over_each_other, world_box
from viewers.original import Original
from viewers.perspective import follow_in_picture, follow_in_world, nearer_is_larger
from viewers.state import EditState, Thing, Vector

MOST_THINGS = 2000
"""Copies of copies of copies: no editor stays quick beyond."""
BESIDE = 1.1
"""A copy is put so many of its own widths to the right."""
Axis = Literal["x", "y", "z"]


class Operation(Protocol):
    """Makes the next state. Raises ``BadInput`` for what can't be done; the state before is never changed."""

    def apply(self, state: EditState, original: Original) -> EditState:
        """The state after it."""
        ...


@dataclass(frozen=True)
class Select:
    """Choose what editors work on; nothing when ``ids`` is empty."""

    ids: tuple[int, ...] = ()

    def apply(self, state: EditState, original: Original) -> EditState:
        """The same things, others selected."""
        return state.selecting(self.ids)


@dataclass(frozen=True)
class Move:
    """Move in the world: on the support plane when y is 0."""

    ids: tuple[int, ...]
    by_m: Vector
    carry: bool = True

    def apply(self, state: EditState, original: Original) -> EditState:
        """Shifted by metres along world axes; what is moved off its carrier, or up, is not carried any more."""
        by = np.array(self.by_m)

        def moved(thing: Thing) -> Thing:
            return replace(thing, position_m=_vector(np.array(thing.position_m) + by))

        after = _transformed(self.ids, state, original, moved, self.carry)
        return _let_go(after, self.ids, original, raised=self.by_m[1] != 0) if np.any(by) else after


@dataclass(frozen=True)
class Lift:
    """Raise (or lower) by metres."""

    ids: tuple[int, ...]
    by_m: float
    carry: bool = True

    def apply(self, state: EditState, original: Original) -> EditState:
        """As ``Move`` straight up."""
        return Move(self.ids, (0.0, self.by_m, 0.0), self.carry).apply(state, original)


@dataclass(frozen=True)
class Rotate:
    """Turn about a world axis through each thing's own pivot: counter-clockwise as seen from the axis' end."""

    ids: tuple[int, ...]
    deg: float
    axis: Axis = "y"
    carry: bool = True

    def apply(self, state: EditState, original: Original) -> EditState:
        """What stands on a turned thing goes round with it."""
        turn = Rotation.from_euler(self.axis, self.deg, degrees=True)
        for pivot in _meant(self.ids, state):
            if self.carry and pivot.id in state.carried_by(frozenset(self.ids) - {pivot.id}):
                continue  # it goes round with what carries it
            centre = np.array(pivot.position_m)

            def turned(thing: Thing, centre: np.ndarray = centre) -> Thing:
                place = centre + turn.apply(np.array(thing.position_m) - centre)
                return replace(thing, position_m=_vector(place), wxyz=_composed(turn, thing))

            state = _transformed((pivot.id,), state, original, turned, self.carry)
        return state


@dataclass(frozen=True)
class Scale:
    """Make larger or smaller, the same in all directions, about each thing's own pivot: it stays on its support."""

    ids: tuple[int, ...]
    factor: float
    carry: bool = True

    def apply(self, state: EditState, original: Original) -> EditState:
        """What stands on a scaled thing stays on it, at its own size."""
        if not self.factor > 0:
            raise BadInput(f"A factor of {self.factor:g} is no size: give one above 0.")
        for pivot in _meant(self.ids, state):
            centre = np.array(pivot.position_m)

            def scaled(thing: Thing, pivot: Thing = pivot, centre: np.ndarray = centre) -> Thing:
                place = centre + self.factor * (np.array(thing.position_m) - centre)
                return replace(
                    thing, position_m=_vector(place), scale=thing.scale * (self.factor if thing.id == pivot.id else 1.0)
                )

            state = _transformed((pivot.id,), state, original, scaled, self.carry)
        return state


@dataclass(frozen=True)
class Place:
    """Put one thing somewhere: what numeric fields and gizmos say. What is None stays."""

    id: int
    position_m: Vector | None = None
    wxyz: tuple[float, float, float, float] | None = None
    scale: float | None = None
    carry: bool = True

    def apply(self, state: EditState, original: Original) -> EditState:
        """Moved, turned and scaled at once."""
        (thing,) = _meant((self.id,), state)
        before = Rotation.from_quat([*thing.wxyz[1:], thing.wxyz[0]])
        if self.scale is not None and self.scale != thing.scale:
            state = Scale((self.id,), self.scale / thing.scale, self.carry).apply(state, original)
            state = state.with_things(replace(state.thing(self.id), scale=self.scale))
        if self.wxyz is not None and self.wxyz != thing.wxyz:
            length = float(np.linalg.norm(self.wxyz))
            if not 1e-6 < length < 1e6:
                raise BadInput(f"wxyz {self.wxyz} is no rotation.")
            turn = Rotation.from_quat([*self.wxyz[1:], self.wxyz[0]]) * before.inv()
            centre = np.array(state.thing(self.id).position_m)

            def turned(other: Thing) -> Thing:
                place = centre + turn.apply(np.array(other.position_m) - centre)
                return replace(other, position_m=_vector(place), wxyz=_composed(turn, other))

            state = _transformed((self.id,), state, original, turned, self.carry)
        if self.position_m is not None and self.position_m != thing.position_m:
            by = np.array(self.position_m) - state.thing(self.id).position_m
            state = Move((self.id,), _vector(by), self.carry).apply(state, original)
        return state


@dataclass(frozen=True)
class Flip:
    """Change left and right, in the object's own frame and in the picture."""

    ids: tuple[int, ...]

    def apply(self, state: EditState, original: Original) -> EditState:
        """A second time gives the first one back."""
        return state.with_things(*(replace(t, flipped=not t.flipped) for t in _meant(self.ids, state)))


@dataclass(frozen=True)
class Duplicate:
    """Copies beside the things, selected; they are numbered on."""

    ids: tuple[int, ...]

    def apply(self, state: EditState, original: Original) -> EditState:
        """Each copy lies just in front of its thing; what stands on a thing is not copied with it."""
        meant = _meant(self.ids, state, even_locked=True)
        if len(state.things) + len(meant) > MOST_THINGS:
            raise BadInput(f"There would be more than {MOST_THINGS} objects. Delete some first.")
        things, copies = list(state.things), []
        for thing in meant:
            new_id = max((*state.ids(), *original.names, *copies), default=0) + 1
            copy = replace(thing, id=new_id, name=_free_name(thing.name, things), locked=False)
            things.insert(things.index(thing) + 1, _beside(copy, original))
            copies.append(new_id)
        return replace(state, things=tuple(things)).selecting(tuple(copies))


@dataclass(frozen=True)
class Delete:
    """Take things out of the scene. What stood on them stays where it is."""

    ids: tuple[int, ...]

    def apply(self, state: EditState, original: Original) -> EditState:
        """Without them."""
        gone = {thing.id for thing in _meant(self.ids, state)}
        kept = [t if t.support_id not in gone else replace(t, support="background", support_id=None) for t in state.things]
        return replace(state, things=tuple(t for t in kept if t.id not in gone)).selecting(state.selected)


@dataclass(frozen=True)
class Hide:
    """Keep out of sight, and out of what is exported; or show again."""

    ids: tuple[int, ...]
    hidden: bool = True

    def apply(self, state: EditState, original: Original) -> EditState:
        """Hidden or shown."""
        meant = _meant(self.ids, state, even_locked=True)
        return state.with_things(*(replace(t, hidden=self.hidden) for t in meant))


@dataclass(frozen=True)
class Lock:
    """Protect against edits; or let go."""

    ids: tuple[int, ...]
    locked: bool = True

    def apply(self, state: EditState, original: Original) -> EditState:
        """Locked or not."""
        meant = _meant(self.ids, state, even_locked=True)
        return state.with_things(*(replace(t, locked=self.locked) for t in meant))


@dataclass(frozen=True)
class Rename:
    """Give another name."""

    id: int
    name: str

    def apply(self, state: EditState, original: Original) -> EditState:
        """Under its new name; two things may have the same one."""
        (thing,) = _meant((self.id,), state)
        return state.with_things(replace(thing, name=" ".join(self.name.split())))


@dataclass(frozen=True)
class Reorder:
    """Change who covers whom in the picture."""

    ids: tuple[int, ...]
    to: Literal["front", "back", "forward", "backward"]

    def apply(self, state: EditState, original: Original) -> EditState:
        """All the way, or past one other thing."""
        meant = {thing.id for thing in _meant(self.ids, state)}
        ours = [t for t in state.things if t.id in meant]
        others = [t for t in state.things if t.id not in meant]
        if self.to in ("front", "back"):
            return replace(state, things=tuple(others + ours if self.to == "front" else ours + others))
        things = list(state.things)
        ahead = self.to == "forward"
        for k in reversed(range(len(things))) if ahead else range(len(things)):
            next_k = k + 1 if ahead else k - 1
            if things[k].id in meant and 0 <= next_k < len(things) and things[next_k].id not in meant:
                things[k], things[next_k] = things[next_k], things[k]
        return replace(state, things=tuple(things))


@dataclass(frozen=True)
class Drop:
    """Let things fall onto what is below them, or raise them onto what they are sunk in a little."""

    ids: tuple[int, ...]

    def apply(self, state: EditState, original: Original) -> EditState:
        """Lowest first; every thing then knows what carries it."""
        for thing in sorted(_meant(self.ids, state), key=lambda t: t.position_m[1]):
            _require_mesh(thing, original)
            landed = landing(state.thing(thing.id), state, original)
            state = Move((thing.id,), (0.0, -landed.fall_m, 0.0)).apply(state, original)
            support = "floor" if landed.on is None else "object"
            state = state.with_things(replace(state.thing(thing.id), support=support, support_id=landed.on))
        return state


@dataclass(frozen=True)
class Draw:
    """Change one thing in the picture, as handles there do; its mesh follows. What is None stays.

    ``perspective``: the picture's size follows the distance that it is dragged to, and metres stay as they are.
    """

    id: int
    shift_px: tuple[float, float] | None = None
    size: float | None = None
    turn_deg: float | None = None
    opacity: float | None = None
    perspective: bool = False
    carry: bool = False

    def apply(self, state: EditState, original: Original) -> EditState:
        """What it carries is shifted as far."""
        (thing,) = _meant((self.id,), state)
        given = {key: value for key in ("shift_px", "size", "turn_deg", "opacity") if (value := getattr(self, key)) is not None}
        after = self._drawn(thing, given, original)
        by = np.array(after.shift_px) - thing.shift_px
        riders = state.carried_by(frozenset([self.id])) - {self.id} if self.carry and np.any(by) else ()
        state = state.with_things(after)
        for rider in (state.thing(i) for i in riders):
            state = state.with_things(self._drawn(rider, {"shift_px": _pair(np.array(rider.shift_px) + by)}, original))
        return _let_go(state, (self.id,), original)

    def _drawn(self, thing: Thing, given: dict[str, Any], original: Original) -> Thing:
        wanted, middle = _checked(thing, **given), original.middle_xy(thing.source)
        if (wanted.shift_px, wanted.size) == (thing.shift_px, thing.size):  # turned in the picture's plane alone
            return wanted
        if thing.source not in original.objects:
            return wanted
        after = follow_in_world(thing, wanted, original.view, middle)
        return nearer_is_larger(thing, after, original.view) if self.perspective and self.size is None else after


@dataclass(frozen=True)
class Reset:
    """Back to what the run made: these things, or with no ``ids`` everything, deleted things and copies included."""

    ids: tuple[int, ...] = ()

    def apply(self, state: EditState, original: Original) -> EditState:
        """A copy goes to the place of its source."""
        if not self.ids:
            return original.start.selecting(state.selected)
        start = {thing.id: thing for thing in original.start.things}
        here = state.ids()
        reset = []
        for thing in _meant(self.ids, state):
            first = start[thing.source]
            if first.support_id is not None and first.support_id not in here:
                first = replace(first, support="background", support_id=None)
            reset.append(first if thing.id == thing.source else replace(first, id=thing.id, name=thing.name))
        return state.with_things(*reset)


OPERATIONS: dict[str, type] = {
    cls.__name__.lower(): cls
    for cls in (Select, Move, Lift, Rotate, Scale, Place, Flip, Duplicate, Delete, Hide, Lock, Rename, Reorder, Drop, Draw, Reset)
}
"""By the name under which pages and files call them."""


def parse_operation(document: Any) -> Operation:
    """``{"op": "move", "ids": [3], "by_m": [0.3, 0, -0.2]}`` as an operation. Raises ``BadInput`` for anything else."""
    if not isinstance(document, dict) or not isinstance(name := document.get("op"), str) or name not in OPERATIONS:
        named = document.get("op") if isinstance(document, dict) else document
        hint = did_you_mean(named, tuple(OPERATIONS)) if isinstance(named, str) else ""
        raise BadInput(f"{str(named)[:40]!r} is no operation.{hint} Known: {', '.join(OPERATIONS)}.")
    values = {key: value for key, value in document.items() if key != "op"}
    return configure(values, OPERATIONS[name], f"operation {name}")


def perform(operation: Operation, state: EditState, original: Original) -> EditState:
    """The state after an operation. Raises ``BadInput`` for what can't be done or would leave the numbers' limits."""
    try:
        return operation.apply(state, original)
    except (ValueError, OverflowError) as error:  # the state's own checks; NumPy's of numbers that are none
        raise BadInput(f"That can't be done: {error}.") from error


def _meant(ids: tuple[int, ...], state: EditState, *, even_locked: bool = False) -> list[Thing]:
    things = [state.thing(i) for i in dict.fromkeys(ids)]
    locked = [] if even_locked else [thing.name for thing in things if thing.locked]
    if locked:
        raise BadInput(f"{', '.join(locked)} {'is' if len(locked) == 1 else 'are'} locked. Unlock first.")
    return things


def _transformed(
    ids: tuple[int, ...], state: EditState, original: Original, change: Callable[[Thing], Thing], carry: bool
) -> EditState:
    """The state with a change of places made to things and what stands on them; their pictures follow."""
    chosen = frozenset(thing.id for thing in _meant(ids, state))
    changed = []
    for thing in (state.thing(i) for i in (state.carried_by(chosen) if carry else chosen)):
        _require_mesh(thing, original)
        after = change(thing)
        changed.append(follow_in_picture(thing, after, original.view, original.middle_xy(thing.source)))
    return state.with_things(*changed)


def _let_go(state: EditState, ids: tuple[int, ...], original: Original, *, raised: bool = False) -> EditState:
    """What was raised, or is not above its carrier any more, is held by nothing that is known."""
    return state.with_things(
        *(
            replace(thing, support="background", support_id=None)
            for thing in (state.thing(i) for i in ids)
            if thing.support_id not in ids and (raised or _is_off(thing, state, original))
        )
    )


def _is_off(thing: Thing, state: EditState, original: Original) -> bool:
    """Whether a thing is beside what should carry it."""
    carrier = None if thing.support_id is None else state.thing(thing.support_id)
    if carrier is None or thing.source not in original.objects or carrier.source not in original.objects:
        return False
    return not over_each_other(world_box(thing, original), world_box(carrier, original))


def _require_mesh(thing: Thing, original: Original) -> None:
    if thing.source not in original.objects:
        raise BadInput(f"{thing.name} has no mesh, it is in the picture alone. `paco export {original.folder}` makes the scene.")


def _beside(copy: Thing, original: Original) -> Thing:
    """A copy one width to the right, in the world and in the picture."""
    if copy.source not in original.objects:
        x0, _, x1, _ = original.layers[copy.source].box_xyxy
        return replace(copy, shift_px=(copy.shift_px[0] + BESIDE * copy.size * (x1 - x0), copy.shift_px[1]))
    low, high = world_box(copy, original)
    after = replace(copy, position_m=_vector(np.array(copy.position_m) + [BESIDE * (high - low)[0], 0.0, 0.0]))
    return follow_in_picture(copy, after, original.view, original.middle_xy(copy.source))


def _free_name(name: str, things: list[Thing]) -> str:
    """``chair 2`` for a copy of ``chair``, ``chair 3`` for one of that."""
    stem, _, number = name.rpartition(" ")
    stem = stem if number.isdigit() and stem else name
    taken = {thing.name for thing in things}
    return next(f"{stem} {k}" for k in range(2, len(things) + 3) if f"{stem} {k}" not in taken)


def _checked(thing: Thing, **given: Any) -> Thing:
    turn = given.get("turn_deg")
    if turn is not None:
        given["turn_deg"] = (turn + 180.0) % 360.0 - 180.0 if abs(turn) < 1e9 else float("nan")
    return replace(thing, **given)


def _composed(turn: Rotation, thing: Thing) -> tuple[float, float, float, float]:
    x, y, z, w = (turn * Rotation.from_quat([*thing.wxyz[1:], thing.wxyz[0]])).as_quat().tolist()
    return (w, x, y, z) if w >= 0 else (-w, -x, -y, -z)


def _vector(values: np.ndarray) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _pair(values: np.ndarray) -> tuple[float, float]:
    x, y = (float(value) for value in values)
    return x, y
