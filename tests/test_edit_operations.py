"""Operations on an edited scene: what they do, what they refuse, and the laws that hold for any sequence of them."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paco_core.errors import BadInput
from scene3d.glb import scene_glb
from scene3d.types import PlacedObject
from tests.roomrun import CHAIR, CUP, PLACES_M, SIZES_M, TABLE, make_room_run
from viewers.below import landing, world_from_mesh
from viewers.changes import changes
from viewers.edited import edited_scene
from viewers.editfile import edits_text, read_edits
from viewers.operations import (
    OPERATIONS,
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
    Select,
    parse_operation,
    perform,
)
from viewers.original import Original, load_original
from viewers.state import EditState, History


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    yield load_original(make_room_run(tmp_path_factory.mktemp("room") / "run"))


def after(room: Original, *operations: Operation, start: EditState | None = None) -> EditState:
    state = room.start if start is None else start
    for operation in operations:
        state = perform(operation, state, room)
    return state


def foot_seen(room: Original, state: EditState, thing_id: int) -> np.ndarray:
    assert room.view is not None
    seen = room.view.seen_at(state.thing(thing_id).position_m)
    assert seen is not None
    return seen[0]


def foot_drawn(room: Original, state: EditState, thing_id: int) -> np.ndarray:
    """Where the picture of a thing has its foot: what was there in the photo, moved as the picture was."""
    thing, middle = state.thing(thing_id), np.array(room.middle_xy(state.thing(thing_id).source))
    a = math.radians(thing.turn_deg)
    turn = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    return middle + thing.shift_px + thing.size * turn @ (foot_seen(room, room.start, thing.source) - middle)


def test_a_moved_table_takes_its_cup_along_and_both_pictures_follow(room: Original):
    state = after(room, Move((TABLE,), (0.3, 0.0, -0.2)))
    for i in (TABLE, CUP):
        assert np.allclose(state.thing(i).position_m, np.add(PLACES_M[i], (0.3, 0.0, -0.2)))
        assert np.allclose(foot_drawn(room, state, i), foot_seen(room, state, i), atol=1e-6)
        assert state.thing(i).size < 1  # farther away
    assert state.thing(CUP).support_id == TABLE and state.thing(CHAIR) == room.start.thing(CHAIR)


def test_alone_the_table_leaves_its_cup_where_it_is(room: Original):
    state = after(room, Move((TABLE,), (0.3, 0.0, 0.0), carry=False))
    assert state.thing(CUP) == room.start.thing(CUP)


def test_what_is_moved_off_its_carrier_stands_on_it_no_longer(room: Original):
    near = after(room, Move((CUP,), (0.1, 0.0, 0.0)))
    assert near.thing(CUP).support_id == TABLE
    off = after(room, Move((CUP,), (1.5, 0.0, 0.0)))
    assert (off.thing(CUP).support, off.thing(CUP).support_id) == ("background", None)
    assert after(room, Move((TABLE,), (1.0, 0.0, 0.0)), start=off).thing(CUP) == off.thing(CUP)


def test_a_lifted_thing_falls_back_to_where_it_stood(room: Original):
    lifted = after(room, Lift((CUP,), 0.4))
    assert lifted.thing(CUP).position_m[1] == pytest.approx(1.1) and lifted.thing(CUP).support == "background"
    dropped = after(room, Drop((CUP,)), start=lifted)
    assert dropped.thing(CUP).position_m == pytest.approx(PLACES_M[CUP], abs=1e-9)
    assert (dropped.thing(CUP).support, dropped.thing(CUP).support_id) == ("object", TABLE)
    assert np.allclose(dropped.thing(CUP).shift_px, 0, atol=1e-6) and dropped.thing(CUP).size == pytest.approx(1)


@pytest.mark.parametrize(
    ("by", "height", "on"),
    [
        ((1.5, 0.0, 0.0), 0.0, None),  # beside the table
        ((0.0, -0.02, 0.0), 0.7, TABLE),  # a little sunk
        ((0.0, -0.3, 0.0), 0.0, None),  # within the table: through it
        ((-0.5, 1.0, 0.7), 0.5, CHAIR),
    ],
)
def test_things_fall_onto_what_is_below_them(room: Original, by: tuple[float, float, float], height: float, on: int | None):
    state = after(room, Move((CUP,), by), Drop((CUP,)))
    assert state.thing(CUP).position_m[1] == pytest.approx(height, abs=1e-6)
    assert state.thing(CUP).support_id == on


def test_a_wide_thing_lands_on_a_narrow_one_below_it(room: Original):
    """No corner of the table is above the chair: it is the chair's corners that meet the table's underside."""
    x, _, z = PLACES_M[CHAIR]
    state = after(room, Move((CUP,), (0.0, 0.0, 9.0)), Place(TABLE, (x, 2.0, z)), Drop((TABLE,)))
    assert state.thing(TABLE).position_m[1] == pytest.approx(SIZES_M[CHAIR][1]) and state.thing(TABLE).support_id == CHAIR


def test_a_tilted_thing_lands_on_its_lowest_corner(room: Original):
    state = after(room, Rotate((CHAIR,), 30, "z"), Drop((CHAIR,)))
    corners = room.objects[CHAIR].mesh.vertices @ world_from_mesh(state.thing(CHAIR))[:3, :3].T
    assert (corners[:, 1] + state.thing(CHAIR).position_m[1]).min() == pytest.approx(0, abs=1e-9)


def test_hidden_things_carry_nothing_that_falls(room: Original):
    state = after(room, Hide((TABLE,)), Drop((CUP,)))
    assert state.thing(CUP).position_m[1] == pytest.approx(0)


def test_things_that_fall_onto_each_other_settle_lowest_first(room: Original):
    state = after(room, Lift((TABLE,), 0.5), Lift((CUP,), 0.5), Drop((CUP, TABLE)))
    assert state.thing(TABLE).position_m[1] == pytest.approx(0) and state.thing(CUP).position_m[1] == pytest.approx(0.7)


def test_what_stands_on_a_turned_or_scaled_thing_stays_on_it(room: Original):
    turned = after(room, Rotate((TABLE,), 90))
    x, y, z = np.subtract(PLACES_M[CUP], PLACES_M[TABLE])
    assert np.allclose(np.subtract(turned.thing(CUP).position_m, PLACES_M[TABLE]), (z, y, -x))
    scaled = after(room, Scale((TABLE,), 2.0))
    assert np.allclose(np.subtract(scaled.thing(CUP).position_m, PLACES_M[TABLE]), (2 * x, 2 * y, 2 * z))
    assert (scaled.thing(TABLE).scale, scaled.thing(CUP).scale) == (2.0, 1.0)


def test_a_thing_that_is_chosen_with_its_carrier_turns_once(room: Original):
    assert after(room, Rotate((TABLE, CUP), 40)) == after(room, Rotate((TABLE,), 40))


def test_fields_put_a_thing_where_they_say(room: Original):
    turn = (math.cos(0.3), 0.0, math.sin(0.3), 0.0)
    thing = after(room, Place(TABLE, (1.0, 0.0, -4.0), turn, 1.5)).thing(TABLE)
    assert np.allclose(thing.position_m, (1.0, 0.0, -4.0)) and np.allclose(thing.wxyz, turn) and thing.scale == 1.5
    with pytest.raises(BadInput, match="is no rotation"):
        after(room, Place(TABLE, wxyz=(0.0, 0.0, 0.0, 0.0)))


def test_copies_have_numbers_names_and_places_of_their_own(room: Original):
    state = after(room, Duplicate((CUP,)), Duplicate((CUP,)), Duplicate((5,)))
    assert [(t.id, t.name) for t in state.things if t.source == CUP] == [(2, "cup"), (5, "cup 3"), (6, "cup 4"), (4, "cup 2")]
    assert state.thing(4).position_m[0] == pytest.approx(PLACES_M[CUP][0] + 1.1 * SIZES_M[CUP][0])
    assert state.thing(4).support_id == TABLE and state.selected == (6,)


def test_numbers_of_deleted_things_are_not_given_again(room: Original):
    state = after(room, Delete((CHAIR,)), Duplicate((CUP,)))
    assert 4 in state.ids() and CHAIR not in state.ids()


def test_a_deleted_table_leaves_its_cup_in_the_air(room: Original):
    state = after(room, Select((TABLE, CUP)), Delete((TABLE,)))
    assert state.thing(CUP).support == "background" and state.selected == (CUP,)
    assert after(room, Drop((CUP,)), start=state).thing(CUP).position_m[1] == pytest.approx(0)


@pytest.mark.parametrize(
    "operation", [Move((CUP,), (1, 0, 0)), Rotate((CUP,), 9), Flip((CUP,)), Delete((CUP,)), Draw(CUP, (3, 4))]
)
def test_a_locked_thing_refuses_edits_but_goes_along_with_its_carrier(room: Original, operation: Operation):
    locked = after(room, Lock((CUP,)))
    with pytest.raises(BadInput, match=r"^cup is locked\. Unlock first\.$"):
        after(room, operation, start=locked)
    assert after(room, Move((TABLE,), (1, 0, 0)), start=locked).thing(CUP).position_m[0] == pytest.approx(1.15)
    assert after(room, Hide((CUP,)), Lock((CUP,), locked=False), operation, start=locked) is not None


@pytest.mark.parametrize(
    ("ids", "to", "order"),
    [
        ((1,), "front", [2, 3, 1]),
        ((3,), "back", [3, 1, 2]),
        ((1,), "forward", [2, 1, 3]),
        ((3,), "backward", [1, 3, 2]),
        ((1, 2), "forward", [3, 1, 2]),
        ((2, 3), "backward", [2, 3, 1]),
        ((3,), "forward", [1, 2, 3]),
    ],
)
def test_things_are_re_ordered(room: Original, ids: tuple[int, ...], to, order: list[int]):
    start = replace(room.start, things=tuple(sorted(room.start.things, key=lambda t: t.id)))
    assert [t.id for t in after(room, Reorder(ids, to), start=start).things] == order


def test_who_hides_whom_turns_round_with_the_order(room: Original):
    assert edited_scene(after(room, Rename(CUP, "mug")), room).occlusion_edges == ((CHAIR, TABLE), (CUP, TABLE))
    assert edited_scene(after(room, Reorder((TABLE,), "front")), room).occlusion_edges == ((TABLE, CHAIR), (TABLE, CUP))


def test_reset_brings_one_thing_or_everything_back(room: Original):
    state = after(room, Move((TABLE,), (1, 0, 0)), Flip((CHAIR,)), Delete((CUP,)), Duplicate((CHAIR,)), Rename(TABLE, "desk"))
    assert after(room, Reset((TABLE,)), start=state).thing(TABLE) == room.start.thing(TABLE)
    assert after(room, Reset((4,)), start=state).thing(4) == replace(room.start.thing(CHAIR), id=4, name="chair 2")
    assert after(room, Reset(), start=state).things == room.start.things


def test_a_drag_in_the_picture_moves_the_mesh_on_its_support(room: Original):
    state = after(room, Draw(CHAIR, shift_px=(30.0, -8.0)))
    thing = state.thing(CHAIR)
    assert thing.shift_px == (30.0, -8.0) and thing.size == 1.0
    assert thing.position_m[1] == 0.0 and thing.position_m[2] < PLACES_M[CHAIR][2]  # up in the picture is back on the floor
    assert np.allclose(foot_drawn(room, state, CHAIR), foot_seen(room, state, CHAIR), atol=1e-6)


def test_with_perspective_what_goes_back_gets_smaller_and_keeps_its_metres(room: Original):
    thing = after(room, Draw(CHAIR, shift_px=(0.0, -20.0), perspective=True)).thing(CHAIR)
    assert thing.size < 0.95 and thing.scale == 1.0


def test_what_is_dragged_above_the_horizon_goes_up_in_the_air(room: Original):
    thing = after(room, Draw(CHAIR, shift_px=(0.0, -200.0))).thing(CHAIR)
    assert thing.position_m[1] > 1  # not half a kilometre back on the floor
    assert 3.5 * PLACES_M[CHAIR][2] > thing.position_m[2] > 4 * PLACES_M[CHAIR][2]


def test_a_drag_with_all_that_stands_on_a_thing_shifts_the_pictures_alike(room: Original):
    state = after(room, Draw(TABLE, shift_px=(12.0, 5.0), carry=True))
    assert state.thing(CUP).shift_px == (12.0, 5.0) and state.thing(CUP).support_id == TABLE
    assert after(room, Draw(TABLE, shift_px=(12.0, 5.0))).thing(CUP) == room.start.thing(CUP)


def test_resizing_in_the_picture_scales_the_mesh_and_keeps_its_foot_in_sight(room: Original):
    state = after(room, Draw(CHAIR, size=1.5, turn_deg=370.0))
    assert state.thing(CHAIR).scale == pytest.approx(1.5) and state.thing(CHAIR).turn_deg == pytest.approx(10)
    assert np.allclose(foot_drawn(room, state, CHAIR), foot_seen(room, state, CHAIR), atol=1e-6)


def test_flipped_meshes_look_outwards_and_flipping_twice_is_none(room: Original):
    state = after(room, Flip((TABLE,)), Scale((TABLE,), 2.0), Move((TABLE,), (0, 0, -1)))
    item = next(item for item in edited_scene(state, room).objects if item.id == TABLE)
    assert volume(item) == pytest.approx(8 * volume(room.objects[TABLE])) and volume(item) > 0
    assert after(room, Flip((TABLE,)), Flip((TABLE,))).things == room.start.things


def volume(item: PlacedObject) -> float:
    a, b, c = np.moveaxis(item.mesh.vertices[item.mesh.faces], 1, 0)
    return float(np.sum(np.cross(a, b) * c) / 6)


def test_hidden_and_deleted_things_are_left_out_of_the_scene_and_copies_are_in_it(room: Original):
    scene = edited_scene(after(room, Hide((TABLE,)), Delete((CHAIR,)), Duplicate((CUP,)), Rename(4, "mug")), room)
    assert [(o.id, o.name, o.support) for o in scene.objects] == [(2, "cup", "background"), (4, "mug", "background")]
    scene_glb(scene)  # which checks itself


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        (Move((9,), (0, 0, 0)), r"There is no object 9\. There are: 1 table, 2 cup, 3 chair\."),
        (Scale((1,), 0.0), "A factor of 0 is no size"),
        (Scale((1,), 1e9), r"'table' would be 1e\+09 .* times as large"),
        (Move((1,), (math.inf, 0, 0)), "not finite"),
        (Move((1,), (1e5, 0, 0)), "m away"),
        (Rename(1, " "), "a name must have 1…200 characters"),
        (Draw(1, opacity=1.5), "opacity of 'table' must be 0…1"),
        (Draw(1, turn_deg=math.inf), "not finite"),
        (Draw(1, size=math.nan), "not finite"),
    ],
)
def test_what_can_not_be_done_is_refused_with_a_sentence(room: Original, operation: Operation, sentence: str):
    with pytest.raises(BadInput, match=sentence):
        after(room, operation)


def test_names_find_things_and_ambiguity_is_told(room: Original):
    state = after(room, Duplicate((CUP,)), Rename(4, "cup"))
    assert state.find("TABLE").id == state.find("1").id == TABLE
    with pytest.raises(BadInput, match=r"2 objects are called 'Cup': give a number \(2, 4\)"):
        state.find("Cup")
    with pytest.raises(BadInput, match=r"no object 'tabel'\. Did you mean 'table'\?"):
        state.find("tabel")


@pytest.mark.parametrize(
    ("document", "operation"),
    [
        ({"op": "move", "ids": [1], "by_m": [0.3, 0, -0.2]}, Move((1,), (0.3, 0.0, -0.2))),
        ({"op": "draw", "id": 2, "shift_px": [3, 4], "perspective": True}, Draw(2, (3.0, 4.0), perspective=True)),
        ({"op": "reset"}, Reset()),
    ],
)
def test_operations_come_as_json(document: dict, operation: Operation):
    assert parse_operation(document) == operation


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"op": "mvoe"}, "'mvoe' is no operation. Did you mean 'move'?"),
        ([1], r"'\[1\]' is no operation"),
        ({"op": ["move"]}, "is no operation"),
        ({"op": "move", "ids": [1]}, "operation move: by_m is missing"),
        ({"op": "move", "ids": "1", "by_m": [0, 0, 0]}, "ids is '1', but must be a list of a whole number"),
        ({"op": "move", "ids": [1], "by_m": [0, 0]}, "by_m is"),
        ({"op": "hide", "ids": [1], "hiden": True}, "'hiden' is no setting. Did you mean 'hidden'?"),
        ({"op": "reorder", "ids": [1], "to": "up"}, "must be one of front, back, forward, backward"),
    ],
)
def test_other_json_is_refused(document, sentence: str):
    with pytest.raises(BadInput, match=sentence.replace("?", r"\?")):
        parse_operation(document)


ids = st.integers(1, 6)
small = st.floats(-0.5, 0.5)
steps = st.one_of(
    st.builds(Move, st.tuples(ids), st.tuples(small, small, small), st.booleans()),
    st.builds(Lift, st.tuples(ids), small),
    st.builds(Rotate, st.lists(ids, max_size=2).map(tuple), st.floats(-400, 400), st.sampled_from(("x", "y", "z"))),
    st.builds(Scale, st.tuples(ids), st.floats(0.5, 2)),
    st.builds(Place, ids, st.tuples(small, small, small), st.none(), st.floats(0.5, 2)),
    st.builds(Flip, st.tuples(ids)),
    st.builds(Duplicate, st.tuples(ids)),
    st.builds(Delete, st.tuples(ids)),
    st.builds(Hide, st.tuples(ids), st.booleans()),
    st.builds(Lock, st.tuples(ids), st.booleans()),
    st.builds(Rename, ids, st.sampled_from(("desk", "Tisch", "テーブル"))),
    st.builds(Reorder, st.lists(ids, max_size=2).map(tuple), st.sampled_from(("front", "back", "forward", "backward"))),
    st.builds(Drop, st.tuples(ids)),
    st.builds(
        Draw, ids, st.tuples(st.floats(-60, 60), st.floats(-60, 60)), st.floats(0.5, 2), st.floats(-400, 400), small.map(abs)
    ),
    st.builds(Reset, st.lists(ids, max_size=1).map(tuple)),
    st.builds(Select, st.lists(ids, max_size=3).map(tuple)),
)


def test_every_operation_is_among_those_that_laws_are_tested_with():
    assert len(OPERATIONS) == 16 == len(steps.original_strategies)  # pyright: ignore[reportAttributeAccessIssue]


@settings(max_examples=60, deadline=None)
@given(plan=st.lists(steps, max_size=12))
def test_undo_to_the_start_and_redo_to_the_end_are_exact_and_the_file_keeps_every_state(room: Original, tmp_path_factory, plan):
    history = History(room.start)
    for operation in plan:
        try:
            history = history.did(perform(operation, history.present, room))
        except BadInput:
            continue
    end, file = history.present, tmp_path_factory.getbasetemp() / "edits.json"
    file.write_text(edits_text(end, room), encoding="utf-8")
    assert read_edits(file, room) == (end.selecting(()), ())
    scene = edited_scene(end, room)
    assert {o.id for o in scene.objects} == {t.id for t in end.things if not t.hidden}
    while history.past:
        history = history.undone()
    assert history.present.things == room.start.things
    assert edited_scene(history.present, room) is room.scene
    while history.future:
        history = history.redone()
    assert history.present.things == end.things


@settings(max_examples=40, deadline=None)
@given(plan=st.lists(steps, max_size=8))
def test_what_changed_is_enough_to_show_the_next_state(room: Original, plan):
    state = room.start
    shown = {thing.id: thing for thing in state.things}
    for operation in plan:
        try:
            following = perform(operation, state, room)
        except BadInput:
            continue
        step = changes(state, following)
        for i in step.gone:
            del shown[i]
        assert not {t.id for t in step.new} & set(shown)
        shown |= {thing.id: thing for thing in (*step.new, *step.changed)}
        state = following
        assert shown == {thing.id: thing for thing in state.things}


@settings(max_examples=40, deadline=None)
@given(plan=st.lists(steps, max_size=6), thing_id=st.integers(1, 3))
def test_what_was_dropped_touches_and_is_not_dropped_farther(room: Original, plan, thing_id: int):
    state = room.start
    for operation in (*plan, Lock((thing_id,), locked=False), Drop((thing_id,))):
        try:
            state = perform(operation, state, room)
        except BadInput:
            return
    assert landing(state.thing(thing_id), state, room).fall_m == pytest.approx(0, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(dx=st.floats(-60, 60), dy=st.floats(-15, 40), thing_id=st.sampled_from((TABLE, CHAIR)))
def test_a_drag_in_the_picture_and_back_is_none(room: Original, dx: float, dy: float, thing_id: int):
    state = after(room, Draw(thing_id, (dx, dy)), Draw(thing_id, (0.0, 0.0)))
    assert np.allclose(state.thing(thing_id).position_m, room.start.thing(thing_id).position_m, atol=1e-6)
