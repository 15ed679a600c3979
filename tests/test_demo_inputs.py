"""The two demo photos: complete, consistent, and drawn closely enough."""

import numpy as np
import pytest

import paco_core.demo
from paco_core.camera import pixel_rays
from paco_core.demo import DEMO_NAMES, DemoInput, load_demo
from paco_core.errors import BadInput
from paco_core.segment import segment


@pytest.fixture(scope="module")
def motorcycle() -> DemoInput:
    return load_demo("motorcycle")


@pytest.fixture(scope="module")
def floor_height(motorcycle: DemoInput) -> np.ndarray:
    """Height of every pixel above the plane through the free floor at the bottom of the photo, metres, NaN: unknown."""
    assert motorcycle.camera is not None
    assert motorcycle.depth is not None
    points = pixel_rays(motorcycle.camera) * np.where(motorcycle.depth.valid, motorcycle.depth.z, np.nan)[..., None]
    free = motorcycle.depth.valid & ~motorcycle.segmentation.masks.any(axis=0)
    free[:300] = False
    floor = points[free]
    normal = np.linalg.svd(floor - floor.mean(axis=0), full_matrices=False)[2][2]
    return (points - floor.mean(axis=0)) @ (normal * -np.sign(normal[1]))


def test_names_ids_and_sizes_are_as_documented():
    coffee, motorcycle = (load_demo(name) for name in DEMO_NAMES)
    assert coffee.photo.hw == (400, 600)
    assert dict(zip(coffee.segmentation.ids, coffee.segmentation.names, strict=True)) == {
        1: "coffee cup",
        2: "saucer",
        3: "spoon",
    }
    assert coffee.camera is None
    assert coffee.depth is None
    assert motorcycle.photo.hw == (500, 741)
    assert motorcycle.segmentation.ids == (1, 2, 3, 4, 5, 6, 7)
    assert motorcycle.segmentation.names[:5] == ("motorcycle", "bench", "red bin", "cardboard box", "cardboard box upper")


@pytest.mark.parametrize("name", DEMO_NAMES)
def test_masks_are_disjoint_and_pass_the_stage_unchanged(name: str):
    demo, notes = load_demo(name), []
    assert (demo.segmentation.masks.sum(axis=0) <= 1).all()
    found = segment(demo.photo, demo.segmentation, note=notes.append)
    assert found.ids == demo.segmentation.ids
    assert notes == []
    assert np.array_equal(found.masks, demo.segmentation.masks)
    assert demo.photo.name == name
    assert demo.licence
    assert demo.attribution


def test_the_motorcycle_has_metric_depth_in_a_garage(motorcycle: DemoInput):
    depth = motorcycle.depth
    assert depth is not None
    assert depth.kind == "metric"
    assert depth.valid.mean() > 0.9
    assert depth.z[depth.valid].min() > 1
    assert depth.z[depth.valid].max() < 12


def test_the_floor_is_a_plane_about_a_metre_below_the_camera(floor_height: np.ndarray, motorcycle: DemoInput):
    assert motorcycle.depth is not None
    free = motorcycle.depth.valid & ~motorcycle.segmentation.masks.any(axis=0)
    free[:300] = False
    assert np.abs(floor_height[free]).mean() < 0.01


def test_the_motorcycle_stands_on_the_floor_and_no_floor_is_on_it(floor_height: np.ndarray, motorcycle: DemoInput):
    mask = motorcycle.segmentation.mask(1)
    heights = floor_height[mask & np.isfinite(floor_height)]
    assert np.percentile(heights, 0.1) < 0.03
    assert (heights < 0.01).mean() < 0.005
    assert 0.9 < heights.max() < 1.3


def test_every_object_of_the_motorcycle_scene_keeps_to_its_own_depth(motorcycle: DemoInput):
    """A leak into the background would show as depth far behind the object: masks are good to a pixel or two."""
    depth = motorcycle.depth
    assert depth is not None
    for object_id, depth_range_m in {1: 1.2, 2: 1.0, 3: 0.6, 4: 0.4, 5: 0.6, 6: 0.4, 7: 0.5}.items():
        z = depth.z[motorcycle.segmentation.mask(object_id) & depth.valid]
        assert np.mean(z > np.median(z) + depth_range_m / 2) < 0.01, motorcycle.segmentation.name(object_id)


def test_the_cup_hides_saucer_and_spoon_and_the_spoon_comes_out_behind_it():
    masks = load_demo("coffee").segmentation
    cup, spoon = masks.mask(1), masks.mask(3)
    rows = np.flatnonzero(spoon.any(axis=1))
    hidden = [row for row in range(rows[0], rows[-1]) if not spoon[row].any()]
    assert hidden
    assert all(cup[row].any() for row in hidden)


def test_an_unknown_demo_is_refused_with_the_names():
    with pytest.raises(BadInput, match="coffee, motorcycle"):
        load_demo("kitchen")


def test_a_scikit_image_without_photos_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(paco_core.demo.resources, "files", lambda _: __import__("pathlib").Path("nowhere"))
    with pytest.raises(BadInput, match="pip install"):
        load_demo("coffee")
