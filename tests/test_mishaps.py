"""One odd object, or one method that fails, never costs the photo: whatever raises, the scene is there and the list says why."""

import pkgutil
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scene3d.assemble
import scene3d.export
import scene3d.place
import scene3d.report
import scene3d.rest
from paco_core.errors import BadInput
from paco_core.types import Segmentation
from scene3d.backends.relief import ReliefLifter
from scene3d.glbcheck import check_glb
from scene3d.pipeline import Inputs, Reconstruction, reconstruct
from scene3d.scene import load_scene
from scene3d.synthetic.rooms import make_room
from scene3d.synthetic.truth import TrueScene
from scene3d.types import LiftedMesh, LiftInput


class Mishap(Exception):
    """Nothing that the program expects."""


@pytest.fixture(scope="module")
def room() -> TrueScene:
    return make_room(4, hw=(96, 128), n_objects=3)


def inputs_of(room: TrueScene) -> Inputs:
    return Inputs(room.photo, room.segmentation, room.camera, room.depth)


@pytest.fixture(scope="module")
def finished(room: TrueScene, tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    result = reconstruct(inputs_of(room), tmp_path_factory.mktemp("runs") / "room")
    assert result.fallbacks == ()
    return result


def raising(original: Callable[..., Any], is_meant: Callable[..., bool] = lambda *_, **__: True) -> Callable[..., Any]:
    """The same function, which raises for what is meant."""

    def function(*args: Any, **kwargs: Any) -> Any:
        if is_meant(*args, **kwargs):
            raise Mishap("of all things")
        return original(*args, **kwargs)

    return function


def about(object_id: int) -> Callable[..., bool]:
    """Whether a call is about one object, whichever argument tells."""

    def is_meant(*args: Any, **_: Any) -> bool:
        told = [getattr(arg, "obj", getattr(arg, "target", arg)) for arg in args]
        return any(getattr(arg, "id", None) == object_id for arg in told)

    return is_meant


def again(finished: Reconstruction, tmp_path: Path, *forgotten: str) -> Callable[[TrueScene], Reconstruction]:
    """The finished run once more, without the results of some stages."""
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    for pattern in forgotten:
        for file in (folder / "stages").glob(pattern):
            file.unlink()
    return lambda room: reconstruct(inputs_of(room), folder)


EVERYTHING_FROM = {
    "complete": ("complete/*", "background.npz", "objects/*/*", "place.npz", "environment.npz"),
    "lift": ("objects/*/*", "place.npz", "environment.npz"),
    "place": ("place.npz", "environment.npz"),
    "environment": ("environment.npz",),
    "background": ("background.npz", "environment.npz"),
    "export": (),
}

# (what fails, from which stage on it is computed anew, what says so): the victim stays in the scene
AT_A_FALLBACK = [
    ("paco_core.completion_target._crop_box", "complete", "not completed: Mishap: of all things"),
    ("paco_core.complete._finish", "complete", "pcnet failed: Mishap: of all things"),
    ("scene3d.pipeline.prepare_lift", "lift", "only its visible part is lifted: Mishap"),
    ("scene3d.backends.relief.ReliefLifter.lift", "lift", "relief failed: Mishap"),
    ("scene3d.backends.relief.finish", "lift", "relief failed: Mishap"),
    ("scene3d.place.make_target", "place", "not fitted to the photo: Mishap"),
    ("scene3d.rest._find_support", "place", "what it rests on is not known: Mishap"),
]
LEFT_OUT = [
    ("scene3d.backends.billboard.BillboardLifter.lift", "lift", "can't be lifted: Mishap"),
    ("scene3d.place.RayMesh", "place", "it can't be placed: Mishap"),
    ("scene3d.place._finished", "place", "it can't be placed: Mishap"),
    ("scene3d.pipeline.check_exportable", "place", "it can't be written: Mishap"),
]


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes most of a second run's time."""
    monkeypatch.setattr("scene3d.export.write_report", lambda *_, **__: None)


FIRST_CALL = ("_crop_box", "RayMesh", "finish")
"""No argument of these tells whose turn it is."""


class FirstCall:
    """True once."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_: Any, **__: Any) -> bool:
        self.calls += 1
        return self.calls == 1


def break_for(monkeypatch: pytest.MonkeyPatch, target: str, victim: int) -> None:
    """Let ``target`` raise for the victim alone, or for whoever comes first."""
    owner, _, name = target.rpartition(".")
    original = getattr(pkgutil.resolve_name(owner), name)
    monkeypatch.setattr(target, raising(original, FirstCall() if name in FIRST_CALL else about(victim)))


def check(result: Reconstruction, expected: str, count: int) -> None:
    (sentence,) = result.fallbacks
    assert expected in sentence, sentence
    assert len(result.scene.objects) == count
    assert check_glb((result.folder / "scene.glb").read_bytes()) == []
    assert [o.id for o in load_scene(result.folder).objects] == [o.id for o in result.scene.objects]


@pytest.mark.parametrize(("target", "stage", "expected"), AT_A_FALLBACK, ids=[t for t, _, _ in AT_A_FALLBACK])
def test_an_object_that_fails_falls_back(
    target: str, stage: str, expected: str, finished, room: TrueScene, tmp_path, monkeypatch, no_report
):
    victim = room.segmentation.ids[0]
    run = again(finished, tmp_path, *EVERYTHING_FROM[stage])
    break_for(monkeypatch, target, victim)
    check(run(room), expected, 3)


@pytest.mark.parametrize(("target", "stage", "expected"), LEFT_OUT, ids=[t for t, _, _ in LEFT_OUT])
def test_an_object_for_which_everything_fails_is_left_out_and_nothing_else(
    target: str, stage: str, expected: str, finished, room: TrueScene, tmp_path, monkeypatch, no_report
):
    victim = room.segmentation.ids[0]
    run = again(finished, tmp_path, *EVERYTHING_FROM[stage])
    if target.startswith("scene3d.backends"):
        monkeypatch.setattr(ReliefLifter, "lift", raising(ReliefLifter.lift, about(victim)))
    if target == "scene3d.place.RayMesh":
        monkeypatch.setattr("scene3d.place._fit_alone", raising(scene3d.place._fit_alone, about(victim)))
    break_for(monkeypatch, target, victim)
    result = run(room)
    check(result, expected, 2)
    assert result.fallbacks[0].startswith(f"{victim} ") and "left out of the scene" in result.fallbacks[0]
    assert result.fallbacks[0] in result.scene.notes
    (home,) = (result.folder / "objects").glob(f"{victim:03d}_*")
    assert not (home / "mesh.glb").exists() and (home / "rgba.png").exists()


# (what fails, what says so): every object stays
WHOLE_PHOTO = [
    (
        "paco_core.backends.geometric.GeometricDepth.estimate",
        "depth failed (Mishap: of all things): everything is taken to stand",
    ),
    ("paco_core.backends.boundary.BoundaryOrder.order", "occlusion failed (Mishap: of all things): nothing is taken to hide"),
    ("paco_core.pipeline.fill_background", "background failed (Mishap: of all things): the objects are painted over"),
    ("scene3d.pipeline.find_ground", "ground failed (Mishap: of all things): the camera is taken to be level"),
    ("scene3d.assemble.build_environment", "environment failed (Mishap: of all things): the scene has neither"),
]


@pytest.mark.parametrize(("target", "expected"), WHOLE_PHOTO, ids=[t for t, _ in WHOLE_PHOTO])
def test_a_stage_that_fails_gives_something_plainer(
    target: str, expected: str, finished, room: TrueScene, tmp_path, monkeypatch, no_report
):
    owner, _, name = target.rpartition(".")
    stage = {"fill_background": "background", "build_environment": "environment"}.get(name)
    again(finished, tmp_path, *(EVERYTHING_FROM[stage] if stage else ("**/*.npz",)))
    monkeypatch.setattr(target, raising(getattr(pkgutil.resolve_name(owner), name)))
    depth = None if name == "estimate" else room.depth
    check(reconstruct(replace(inputs_of(room), depth=depth), tmp_path / "run"), expected, 3)


def test_a_mesh_that_cannot_be_exported_is_missing_in_the_glb_alone(finished, room: TrueScene, tmp_path, monkeypatch, no_report):
    victim = room.segmentation.ids[0]
    break_for(monkeypatch, "scene3d.export.write_object_glb", victim)
    result = again(finished, tmp_path)(room)
    check(result, "left out of scene.glb, its mesh.glb could not be written: Mishap", 3)
    (home,) = (result.folder / "objects").glob(f"{victim:03d}_*")
    assert not (home / "mesh.glb").exists(), "the one of the earlier run is gone"


def test_pictures_of_one_object_that_fail_cost_nothing_else(finished, room: TrueScene, tmp_path, monkeypatch, no_report):
    monkeypatch.setattr("scene3d.report._mask_picture", raising(scene3d.report._mask_picture, FirstCall()))
    check(again(finished, tmp_path)(room), "1 table: its pictures could not be written: Mishap", 3)


def test_a_scene_glb_that_fails_costs_neither_scene_nor_objects(finished, room: TrueScene, tmp_path, monkeypatch, no_report):
    monkeypatch.setattr("scene3d.export.write_scene_glb", raising(scene3d.export.write_scene_glb))
    result = again(finished, tmp_path)(room)
    assert result.fallbacks == ("scene.glb could not be written: Mishap: of all things",)
    assert not (result.folder / "scene.glb").exists(), "the one of the earlier run is gone"
    assert len(load_scene(result.folder).objects) == 3


def test_a_report_that_fails_costs_nothing_else(finished, room: TrueScene, tmp_path, monkeypatch):
    monkeypatch.setattr("scene3d.export.write_report", raising(scene3d.export.write_report))
    result = again(finished, tmp_path)(room)
    check(result, "the report could not be written: Mishap", 3)
    assert not (result.folder / "report.html").exists(), "the one of the earlier run is gone"


def test_an_object_that_cannot_be_drawn_costs_the_report_its_picture(finished, room: TrueScene, tmp_path, monkeypatch):
    monkeypatch.setattr("scene3d.report.draw_object", raising(scene3d.report.draw_object, FirstCall()))
    result = again(finished, tmp_path)(room)
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "be shown here: Mishap: of all things" in page and "vase" in page


def test_what_failed_is_in_the_report(finished, room: TrueScene, tmp_path, monkeypatch):
    monkeypatch.setattr("scene3d.assemble.build_environment", raising(scene3d.assemble.build_environment))
    result = again(finished, tmp_path, "environment.npz")(room)
    assert "the scene has neither floor nor backdrop" in (result.folder / "report.html").read_text(encoding="utf-8")


def test_the_users_mistakes_stay_mistakes(finished, room: TrueScene, tmp_path, monkeypatch):
    def full(*_: Any, **__: Any) -> None:
        raise BadInput("mesh.glb can't be written (No space left on device)")

    monkeypatch.setattr("scene3d.export.write_object_glb", full)
    with pytest.raises(BadInput, match="No space left"):
        again(finished, tmp_path)(room)


def test_a_backend_that_returns_nonsense_is_replaced(finished, room: TrueScene, tmp_path, monkeypatch, no_report):
    original = ReliefLifter.lift

    def nonsense(self: ReliefLifter, obj: LiftInput, *, seed: int = 0) -> LiftedMesh:
        lifted = original(self, obj, seed=seed)
        mesh = lifted.mesh
        return [
            replace(lifted, mesh=replace(mesh, faces=mesh.faces[:0])),
            replace(lifted, mesh=replace(mesh, vertices=np.full_like(mesh.vertices, np.nan))),
            replace(lifted, metres_per_unit=0.0),
        ][obj.id - 1]

    monkeypatch.setattr(ReliefLifter, "lift", nonsense)
    result = again(finished, tmp_path, *EVERYTHING_FROM["lift"])(room)
    reasons = ("no triangles", "numbers that are not finite", "no size")
    assert all(f"relief failed: its mesh has {r}" in f for r, f in zip(reasons, result.fallbacks, strict=True))
    assert len(result.scene.objects) == 3


def odd_masks(hw: tuple[int, int]) -> dict[str, np.ndarray]:
    """Masks of objects that nobody would draw, and that come all the same."""
    masks = {name: np.zeros(hw, bool) for name in ("frame", "huge", "pole", "rail", "dot", "noise", "corner", "../..\\😀\0")}
    masks["frame"][:] = True
    masks["frame"][3:-3, 3:-3] = False
    masks["huge"][5:-5, 5:-5] = True
    masks["pole"][10:70, 40] = True
    masks["rail"][hw[0] // 2, 20:100] = True
    masks["dot"][20:24, 60:64] = True
    masks["noise"][50:90, 70:110] = np.random.default_rng(0).random((40, 40)) < 0.6
    masks["corner"][-12:, -16:] = True
    masks["../..\\😀\0"][60:75, 8:24] = True
    return masks


RARE = ("no depth on objects", "depth everywhere", "hardly any depth", "widest lens")


@pytest.mark.parametrize("known", ["no depth at all", *(pytest.param(k, marks=pytest.mark.slow) for k in RARE)])
def test_odd_objects_are_all_in_the_scene(known: str, room: TrueScene, tmp_path: Path):
    masks = odd_masks(room.photo.hw)
    stack = np.stack(list(masks.values()))
    valid = {
        "no depth on objects": ~stack.any(axis=0) | (np.arange(128) < 4),
        "hardly any depth": np.indices(room.photo.hw)[0] < 1,
    }.get(known, room.depth.valid)
    segmentation = Segmentation(tuple(range(1, len(stack) + 1)), tuple(masks), stack)
    inputs = Inputs(room.photo, segmentation, room.camera, replace(room.depth, valid=valid))
    if known == "no depth at all":
        inputs = replace(inputs, depth=None)
    if known == "widest lens":
        inputs = replace(inputs, depth=None, camera=None, fov_deg=150.0)
    result = reconstruct(inputs, tmp_path / "run")
    assert [o.id for o in result.scene.objects] == list(result.deocclusion.segmentation.ids)
    assert len(result.scene.objects) == len(masks)
    assert check_glb((result.folder / "scene.glb").read_bytes()) == []
    assert (result.folder / "report.html").exists()
