"""Layers, stacked back to front, show the photo; original pixels stay, but for two along an occluder."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import distance_transform_edt

from paco_core.backends.classical import ClassicalCompleter
from paco_core.complete import complete
from paco_core.completion_target import CompletionConfig
from paco_core.errors import BadInput
from paco_core.files import PART
from paco_core.occlusion import layers_of
from paco_core.types import Background, Camera, Deocclusion, DepthMap, OcclusionEdge, OcclusionGraph, Photo, Segmentation
from scene3d.layers import back_to_front, canvas_of, write_layers
from tests.deocclusions import make_deocclusion

H, W = 72, 96
CONFIG = CompletionConfig()


@lru_cache(16)
def random_scene(seed: int) -> Deocclusion:
    """Noise, so that no pixel looks like another, with up to six shapes that hide each other, some cut by the border."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:H, :W] + 0.5
    taken, masks = np.zeros((H, W), bool), []
    for _ in range(rng.integers(1, 7)):
        y, x, b, a = *rng.uniform(-5, [H + 5, W + 5]), *rng.uniform(5, 30, 2)
        dy, dx = abs(v - y) / b, abs(u - x) / a
        shape = dy**2 + dx**2 <= 1 if rng.random() < 0.5 else np.maximum(dy, dx) <= 1
        visible = shape & ~taken
        if rng.random() < 0.5:  # drawn masks leave gaps
            visible &= distance_transform_edt(~taken) > rng.integers(1, 3)
        if visible.sum() >= 4:
            masks.append(visible)
            taken |= shape
    ids = tuple(int(i) for i in rng.permutation(len(masks)) + 1)
    edges = [OcclusionEdge(ids[i], ids[k], 1.0, 9, "user") for k in range(len(ids)) for i in range(k) if rng.random() < 0.8]
    segmentation = Segmentation(ids, tuple(f"thing {i}" for i in ids), np.array(masks).reshape(-1, H, W))
    graph = OcclusionGraph(ids, tuple(edges), (), layers_of(ids, tuple(edges)))
    photo = Photo(rng.integers(0, 256, (H, W, 3), dtype=np.uint8), "photo", "0")
    objects = complete(photo, segmentation, graph, ClassicalCompleter(), CONFIG)
    hole = np.asarray(segmentation.masks.any(axis=0))
    background = Background(np.where(hole[..., None], np.uint8(7), photo.rgb), hole, "truth")
    depth = DepthMap(np.ones((H, W), np.float32), np.ones((H, W), bool), "relative", "truth")
    camera = Camera(90.0, 90.0, W / 2, H / 2, W, H)
    return Deocclusion(photo, segmentation, camera, depth, graph, objects, background)


def along_an_occluder(scene: Deocclusion, object_id: int) -> np.ndarray:
    """Where an object may be repainted: two pixels along what hides it, or along nobody's pixels between the two."""
    front = np.zeros((H, W), bool)
    for other in scene.occlusion.occluders(object_id):
        front |= scene.segmentation.mask(other)
    if not front.any():
        return front
    gap = max(CONFIG.gap_px, CONFIG.gap_diagonal * float(np.hypot(H, W)))
    nobodys = ~scene.segmentation.masks.any(axis=0) & (distance_transform_edt(~front) <= 2 * gap)
    return distance_transform_edt(~(front | nobodys)) <= 2


def stacked(folder: Path) -> tuple[np.ndarray, dict]:
    """What an editor shows: all files of the list, one on the other; the canvas and the list."""
    about = json.loads((folder / "layers" / "layers.json").read_text(encoding="utf-8"))
    canvas = Image.new("RGBA", tuple(about["canvas_wh"]))
    for entry in about["layers"]:
        with Image.open(folder / "layers" / entry["file"]) as layer:
            assert layer.mode == "RGBA" and list(layer.size) == about["canvas_wh"]
            canvas = Image.alpha_composite(canvas, layer)
    return np.asarray(canvas), about


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_stacked_layers_are_the_photo_wherever_an_object_is_visible(seed: int, tmp_path_factory):
    scene, folder = random_scene(seed), tmp_path_factory.mktemp("run")
    assert write_layers(scene, folder) == ()
    canvas, about = stacked(folder)
    x0, y0, x1, y1 = about["photo_xyxy"]
    shown = canvas[y0:y1, x0:x1]
    for object_id, visible in zip(scene.segmentation.ids, scene.segmentation.masks, strict=True):
        exact = visible & ~along_an_occluder(scene, object_id)
        assert np.array_equal(shown[exact][:, :3], scene.photo.rgb[exact])
        assert (shown[visible][:, 3] == 255).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_complete_object_keeps_its_original_pixels_but_for_two_along_an_occluder(seed: int):
    scene = random_scene(seed)
    for item in scene.objects:
        x0, y0, x1, y1 = item.box_xyxy
        whole = np.zeros((y1 - y0, x1 - x0), bool)
        inner = np.s_[max(y0, 0) : min(y1, H), max(x0, 0) : min(x1, W)]
        crop = np.s_[max(-y0, 0) : max(-y0, 0) + inner[0].stop - inner[0].start,
                     max(-x0, 0) : max(-x0, 0) + inner[1].stop - inner[1].start]  # fmt: skip
        whole[crop] = scene.segmentation.mask(item.id)[inner]
        assert np.array_equal(item.visible, whole)
        exact = item.visible.copy()
        exact[crop] &= ~along_an_occluder(scene, item.id)[inner]
        photo = np.zeros((*whole.shape, 3), np.uint8)
        photo[crop] = scene.photo.rgb[inner]
        assert np.array_equal(item.rgba[exact][:, :3], photo[exact])
        assert (item.rgba[item.visible][:, 3] == 255).all()
        assert not (item.generated & item.visible).any() and (item.generated | item.visible == item.amodal).all()


def test_random_scenes_do_hide_and_cut_things():
    """Else the laws above would hold for nothing."""
    scenes = [random_scene(seed) for seed in range(10)]
    assert sum(item.generated.any() for scene in scenes for item in scene.objects) > 8
    assert sum(canvas_of(scene).photo_xy != (0, 0) for scene in scenes) > 2
    assert sum(along_an_occluder(scene, i).any() for scene in scenes for i in scene.segmentation.ids) > 8


def test_what_hides_comes_after_what_it_hides():
    for seed in range(10):
        scene = random_scene(seed)
        order = [item.id for item in back_to_front(scene)]
        assert all(order.index(edge.front) > order.index(edge.behind) for edge in scene.occlusion.edges)


def test_the_list_says_what_every_layer_is_and_where(tmp_path: Path):
    scene = make_deocclusion(names=("box", "椅子 / 3"))
    left = replace(scene.objects[0], box_xyxy=(-30, 7, scene.objects[0].rgba.shape[1] - 30, 7 + scene.objects[0].rgba.shape[0]))
    scene = replace(scene, objects=(left, scene.objects[1]))
    write_layers(scene, tmp_path)
    _, about = stacked(tmp_path)
    assert about["canvas_wh"] == [230, 150] and about["photo_xyxy"] == [30, 0, 230, 150]
    assert [entry["file"] for entry in about["layers"]] == ["000_background.png", "001_002_3.png", "002_001_box.png"]
    assert about["layers"][1]["name"] == "椅子 / 3"
    box = about["layers"][2]
    assert box["box_xyxy"][:2] == [0, 7] and box["crop"] == "objects/001_box/rgba.png" and box["depth_layer"] == 0
    assert box["amodal_px"] == left.amodal.sum() and box["visible_px"] == left.visible.sum()
    with Image.open(tmp_path / "layers" / box["file"]) as layer:
        x0, y0, x1, y1 = box["box_xyxy"]
        assert np.array_equal(np.asarray(layer)[y0:y1, x0:x1], left.rgba)


def test_layers_of_an_earlier_run_go_and_what_people_put_there_stays(tmp_path: Path):
    scene = make_deocclusion(names=("box", "clock"))
    write_layers(scene, tmp_path)
    own = tmp_path / "layers" / "009_my_hat.png"
    own.write_bytes(b"")
    write_layers(replace(scene, objects=scene.objects[:1]), tmp_path)
    assert {p.name for p in (tmp_path / "layers").iterdir()} == {"000_background.png", "001_001_box.png", own.name, "layers.json"}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"layers": [{"file": "../../keep.png"}, {"file": 3}, 4]}', '{"layers": 7}', "[" * 100_000]
)
def test_a_list_that_was_changed_by_hand_removes_nothing(tmp_path: Path, text: str):
    (tmp_path / "run" / "layers").mkdir(parents=True)
    (tmp_path / "run" / "layers" / "layers.json").write_text(text)
    (tmp_path / "keep.png").write_bytes(b"")
    assert write_layers(make_deocclusion(), tmp_path / "run") == ()
    assert (tmp_path / "keep.png").exists()
    assert not list(tmp_path.rglob(f"*{PART}"))


def test_one_odd_object_costs_one_layer(tmp_path: Path):
    scene = make_deocclusion(names=("box", "clock"))
    odd = replace(scene.objects[0], box_xyxy=(0, 0, 3, 3))  # says another size than its picture has
    (sentence,) = write_layers(replace(scene, objects=(replace(odd, box_xyxy=(150, 100, 153, 103)), scene.objects[1])), tmp_path)
    assert "1 box: its layer could not be written" in sentence
    assert len(stacked(tmp_path)[1]["layers"]) == 2


def test_a_folder_that_cannot_be_written_is_bad_input(tmp_path: Path):
    (tmp_path / "layers").write_text("")
    with pytest.raises(BadInput, match="can't be written"):
        write_layers(make_deocclusion(), tmp_path)
