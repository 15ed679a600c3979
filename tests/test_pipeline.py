"""The whole job on a small procedural room: files, resuming, failures, loose masks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage as ndi

from paco_core.camera import pixel_rays
from paco_core.errors import BadInput, ObjectFailed
from paco_core.pipeline import shrink
from paco_core.store import RunFolder
from paco_core.types import DepthMap, Segmentation
from scene3d.backends.relief import ReliefLifter
from scene3d.evaluation.scene_metrics import score_scene
from scene3d.glbcheck import check_glb
from scene3d.lift import LiftConfig
from scene3d.pipeline import Config, Inputs, build, reconstruct
from scene3d.scene import load_scene
from scene3d.synthetic.rooms import make_room
from scene3d.synthetic.truth import TrueScene


@pytest.fixture(scope="module")
def room() -> TrueScene:
    return make_room(4, hw=(192, 256), n_objects=3)


def inputs_of(room: TrueScene, **changes) -> Inputs:
    return replace(Inputs(room.photo, room.segmentation, room.camera, room.depth), **changes)


@pytest.fixture(scope="module")
def finished(room: TrueScene, tmp_path_factory: pytest.TempPathFactory):
    return reconstruct(inputs_of(room), tmp_path_factory.mktemp("runs") / "room")


def seen_stages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the stages that are computed, not loaded, from here on."""
    computed: list[str] = []
    original = RunFolder._note

    def note(self, name, result):
        if not result.cached:
            computed.append(name)
        return original(self, name, result)

    monkeypatch.setattr(RunFolder, "_note", note)
    return computed


def test_a_run_folder_holds_everything_that_people_open(finished, room):
    folder: Path = finished.folder
    for name in ("scene.glb", "scene.json", "report.html", "report.png", "background.png", "config.json", "run.json"):
        assert (folder / name).stat().st_size > 0, name
    assert json.loads((folder / "config.json").read_text())["lifter"] == "relief"
    for obj in finished.scene.objects:
        (home,) = (folder / "objects").glob(f"{obj.id:03d}_*")
        assert {"mesh.glb", "rgba.png", "generated.png", "amodal.png"} <= {f.name for f in home.iterdir()}
        assert check_glb((home / "mesh.glb").read_bytes()) == []
    assert check_glb((folder / "scene.glb").read_bytes()) == []


def test_no_object_is_lost_and_the_scene_can_be_loaded_again(finished, room):
    assert [o.id for o in finished.scene.objects] == list(room.segmentation.ids)
    again = load_scene(finished.folder)
    assert [o.name for o in again.objects] == [o.name for o in finished.scene.objects]
    assert np.array_equal(again.objects[0].mesh.vertices, finished.scene.objects[0].mesh.vertices)


def test_running_again_computes_nothing(finished, room, monkeypatch):
    computed = seen_stages(monkeypatch)
    again = reconstruct(inputs_of(room), finished.folder)
    assert computed == [] and "place" in again.resumed and finished.resumed == ()
    assert again.timings.keys() == finished.timings.keys()


def test_a_changed_setting_recomputes_what_depends_on_it_and_nothing_else(finished, room, monkeypatch):
    computed = seen_stages(monkeypatch)
    smaller = Config(lift=LiftConfig(max_side_px=200, min_side_px=64))
    build(inputs_of(room), RunFolder(finished.folder, packages=("paco_core", "scene3d")), smaller)
    assert computed
    assert all(name.endswith("/lift") or name in ("place", "environment") for name in computed), computed


def test_a_lifter_that_fails_costs_one_object_its_shape_and_nothing_more(room, tmp_path, monkeypatch):
    original = ReliefLifter.lift
    victim = room.segmentation.ids[0]

    def lift(self, item, *, seed=0):
        if item.id == victim:
            raise ObjectFailed("no such luck")
        return original(self, item, seed=seed)

    monkeypatch.setattr(ReliefLifter, "lift", lift)
    result = reconstruct(inputs_of(room), tmp_path / "run")
    assert len(result.scene.objects) == len(room.segmentation.ids)
    (sentence,) = result.fallbacks
    assert sentence.startswith(f"{victim} ") and "no such luck" in sentence
    assert "no such luck" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_objects_of_earlier_masks_leave_the_folder(room, tmp_path):
    reconstruct(inputs_of(room), tmp_path / "run")
    _, second, third = sorted((tmp_path / "run" / "objects").iterdir())
    (third / "my notes.txt").write_text("keep me")
    one = Segmentation(room.segmentation.ids[:1], ("crate",), room.segmentation.masks[:1])
    reconstruct(inputs_of(room, segmentation=one), tmp_path / "run")
    assert not second.exists() and [f.name for f in third.iterdir()] == ["my notes.txt"]
    assert (tmp_path / "run" / "objects" / "001_crate" / "mesh.glb").exists()


def test_loose_masks_give_nearly_the_same_scene(room, tmp_path):
    """Every mask drawn 1-2 px too large or too small, with gaps and overlaps."""
    rng = np.random.default_rng(0)
    loose = np.array(
        [
            ndi.binary_dilation(m, iterations=int(rng.integers(1, 3))) if rng.random() < 0.5 else ndi.binary_erosion(m)
            for m in room.segmentation.masks
        ]
    )
    masks = Segmentation(room.segmentation.ids, room.segmentation.names, loose)
    _, scene = build(inputs_of(room, segmentation=masks), RunFolder(tmp_path / "run"))
    for obj in score_scene(scene, room).objects:
        assert obj.iou > 0.7 and obj.height_error < 0.25


def test_relative_depth_gives_a_scene_that_says_that_its_scale_is_a_guess(room, tmp_path):
    depth = DepthMap(room.depth.z * np.float32(0.37), room.depth.valid, "relative", "file")
    _, scene = build(inputs_of(room, depth=depth), RunFolder(tmp_path / "run"))
    assert not scene.metric
    assert all(o.world_from_object.translation[1] > -0.05 for o in scene.objects)


def test_a_large_photo_is_worked_on_at_a_bounded_size_with_everything_that_belongs_to_it(room):
    small = shrink(inputs_of(room), 128)
    assert small.depth is not None and small.camera is not None
    assert small.photo.hw == small.segmentation.masks.shape[1:] == small.depth.z.shape == (96, 128)
    assert small.photo.sha256 == room.photo.sha256
    before, after = pixel_rays(room.camera), pixel_rays(small.camera)
    assert np.allclose(after[0, 0], before[:2, :2].mean(axis=(0, 1))), "the camera looks where it looked"
    assert shrink(inputs_of(room), 256) == inputs_of(room)


def test_masks_of_another_size_are_refused_before_anything_is_computed(room, tmp_path):
    wrong = Segmentation((1,), ("box",), np.ones((1, 10, 10), bool))
    with pytest.raises(BadInput):
        reconstruct(inputs_of(room, segmentation=wrong), tmp_path / "run")


def test_the_same_seed_gives_the_same_scene(finished, room, tmp_path):
    _, again = build(inputs_of(room), RunFolder(tmp_path / "run"))
    for one, two in zip(finished.scene.objects, again.objects, strict=True):
        assert np.array_equal(one.mesh.vertices, two.mesh.vertices)
        assert np.array_equal(one.mesh.texture, two.mesh.texture)


def test_generated_pictures_show_exactly_what_was_invented(finished):
    for obj in finished.deocclusion.objects:
        (home,) = (finished.folder / "objects").glob(f"{obj.id:03d}_*")
        assert np.array_equal(np.asarray(Image.open(home / "generated.png")) > 0, obj.generated)
