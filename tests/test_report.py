"""The report shows everything that was promised, escapes what comes from outside, and never breaks on odd input."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import scene3d.report
from paco_core.errors import BadInput
from paco_core.types import DepthMap, OcclusionGraph
from scene3d.evaluation.photo_sheets import TILE_PX, VIEWS_DEG, photo_row
from scene3d.pipeline import Reconstruction
from scene3d.report import FIGURE_PX, build_report, write_object_images, write_report
from scene3d.report_html import page
from scene3d.report_pictures import INVENTED, draw_depth, draw_graph, draw_masks, draw_object, label, object_colour, printable
from scene3d.report_sheet import WIDTH, sheet
from scene3d.types import PlacementStep
from tests.deocclusions import make_deocclusion
from tests.scenes import make_scene

TIMINGS = {"depth": ("geometric <fast>", 0.25), "lift": ("relief", 1.5)}
HOSTILE = ("<script>alert(1)</script>", '椅子\u202e\0 & "cup" \'')


def make_inputs(names=("box", "wall clock")):
    scene = make_scene(names=names)
    steps = (PlacementStep("contact", True, 2.0, 1.0), PlacementStep("silhouette", False, 1.0, 1.1))
    first = replace(scene.objects[0], steps=steps)
    second = replace(scene.objects[1], support="object", support_id=1, fallback="relief failed: too thin")
    return make_deocclusion(names=names), replace(scene, objects=(first, second))


@pytest.fixture(autouse=True, scope="module")
def small_views():
    """Rendering is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene3d.report, "VIEW_PX", 48)
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(*make_inputs(), TIMINGS, folder, peak_memory_gb=1.25)
    return folder


class Reader(HTMLParser):
    """Tags, attributes and visible text of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data + "\n"


def test_the_sheet_is_a_picture_1600_px_wide(written):
    with Image.open(written / "report.png") as picture:
        assert picture.width == WIDTH == 1600 and picture.height > 900
        assert len(np.unique(np.asarray(picture.convert("L")))) > 100


def test_the_page_says_what_was_done(written):
    text = Reader((written / "report.html").read_text()).text
    for expected in (
        "room",
        "box",
        "wall clock",
        "relief failed: too thin",
        "on box",
        "geometric <fast>",
        "1.75",  # seconds together
        "1.2 GB at most",
        "w × h × d",
        "contact",
        "metric, from depth",
        "Who hides whom: arrows from front to behind; 1 dashed edge was cut to break a cycle",
        "Scene, 30° to the left",
        "Scene, from the photo's camera",
        "Scene, 30° to the right",
        "25 %, by truth, truth",
    ):
        assert expected in text, expected


def test_the_page_needs_nothing_from_elsewhere(written):
    reader = Reader((written / "report.html").read_text())
    sources = [attributes["src"] for _, attributes in reader.tags if "src" in attributes]
    assert len(sources) == 3 + 4 + 1 + 2 * 2
    assert all(source.startswith("data:image/") for source in sources)
    assert not any("href" in attributes for _, attributes in reader.tags)
    assert not re.search(r"url\(|@import|https?:", (written / "report.html").read_text())
    assert all(attributes["alt"] for tag, attributes in reader.tags if tag == "img")


def test_the_page_fits_a_phone_and_the_night(written):
    text = (written / "report.html").read_text()
    assert 'name="viewport"' in text and "prefers-color-scheme:dark" in text


def test_hostile_names_stay_text(tmp_path):
    deocclusion, scene = make_inputs(names=HOSTILE)
    deocclusion = replace(deocclusion, photo=replace(deocclusion.photo, name="</title><img src=x onerror=alert(1)>"))
    write_report(deocclusion, scene, {"</td><b>": ("<i>", 0.0)}, tmp_path)
    reader = Reader((tmp_path / "report.html").read_text())
    assert not {"script", "b", "i"} & {tag for tag, attributes in reader.tags if not attributes} - {"b"}
    assert not any("onerror" in attributes for _, attributes in reader.tags)
    assert HOSTILE[0] in reader.text and "</td><b>" in reader.text
    with Image.open(tmp_path / "report.png") as picture:
        picture.load()


def test_a_scale_that_was_guessed_is_called_so():
    deocclusion, scene = make_inputs()
    report = build_report(deocclusion, replace(scene, metric=False, scale_source="typical sizes"), TIMINGS)
    assert "guessed" in report.size_heading
    assert dict(report.facts)["scale"] == "guessed, not metric, from typical sizes"


def test_an_object_that_was_not_placed_is_still_listed():
    deocclusion, scene = make_inputs()
    report = build_report(deocclusion, replace(scene, objects=scene.objects[:1]), TIMINGS)
    assert [entry.name for entry in report.objects] == ["box", "wall clock"]
    assert report.objects[1].lift == "not placed"
    assert sheet(report).width == WIDTH and "not placed" in page(report)


def test_a_scene_without_objects_has_a_report():
    deocclusion, scene = make_inputs()
    segmentation = replace(deocclusion.segmentation, ids=(), names=(), masks=np.zeros((0, *deocclusion.photo.hw), bool))
    empty = replace(deocclusion, objects=(), segmentation=segmentation, occlusion=OcclusionGraph((), (), (), ()))
    report = build_report(empty, replace(scene, objects=(), occlusion_edges=()), {})
    assert report.objects == () and sheet(report).width == WIDTH and "<table>" in page(report)


def test_object_images_are_written_beside_each_other(tmp_path):
    deocclusion, _ = make_inputs(names=HOSTILE)
    write_object_images(deocclusion, tmp_path)
    assert sorted(p.name for p in (tmp_path / "objects").iterdir()) == ["001_script_alert_1_script", "002_cup"]
    folder, item = tmp_path / "objects" / "001_script_alert_1_script", deocclusion.objects[0]
    for name, expected in (("rgba", item.rgba), ("amodal", item.amodal * 255), ("generated", item.generated * 255)):
        with Image.open(folder / f"{name}.png") as picture:
            assert np.array_equal(np.asarray(picture), expected), name
    with Image.open(tmp_path / "background.png") as picture:
        assert np.array_equal(np.asarray(picture), deocclusion.background.rgb)


def test_a_folder_that_cannot_be_written_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="can't be written"):
        write_report(*make_inputs(), TIMINGS, tmp_path / "file")


def test_masks_are_tinted_and_the_rest_of_the_photo_is_left_alone():
    deocclusion = make_deocclusion(names=("a", "b"))
    picture = np.asarray(draw_masks(deocclusion.photo, deocclusion.segmentation)).astype(int)
    outside = ~deocclusion.segmentation.masks.any(axis=0)
    changed = (picture != deocclusion.photo.rgb).any(axis=-1)
    assert changed[~outside].mean() > 0.95
    assert changed[outside].mean() < 0.05  # a label may reach over the edge of a small mask


def test_what_was_invented_is_marked_and_nothing_else():
    item = make_deocclusion().objects[0]
    plain, marked = (np.asarray(draw_object(item, 200, marked=m)).astype(int) for m in (False, True))
    share = (np.abs(plain - marked).max(axis=-1) > 8).mean() / (item.rgba[..., 3].mean() / 255 * 0.92**2 * 1)
    assert np.abs(marked - INVENTED).max(axis=-1).min() < 12
    assert 0 < share < 0.6
    whole = replace(item, visible=item.amodal)
    assert draw_object(whole, 99, marked=True).tobytes() == draw_object(whole, 99, marked=False).tobytes()


def test_an_object_without_a_single_pixel_can_be_drawn():
    item = make_deocclusion().objects[0]
    gone = replace(item, rgba=np.zeros_like(item.rgba), visible=np.zeros_like(item.visible))
    assert draw_object(gone, 50, marked=True).size == (50, 50)


def test_near_is_brighter_than_far_and_holes_are_grey():
    z = np.linspace(1, 5, 64, dtype=np.float32).reshape(8, 8)
    valid = np.ones((8, 8), bool)
    valid[0, 7] = False
    grey = np.asarray(draw_depth(DepthMap(z, valid, "metric", "file")).convert("L")).astype(int)
    brightness = grey.ravel()[valid.ravel()]
    assert (np.diff(brightness) <= 0).all() and np.ptp(brightness) > 150
    nothing = DepthMap(z, np.zeros((8, 8), bool), "relative", "file")
    assert (np.asarray(draw_depth(nothing)) == 128).all()


def test_the_graph_shows_cut_edges_in_their_own_colour():
    deocclusion = make_deocclusion()
    names = {1: "box", 2: "clock"}

    def close_to_mark(graph) -> int:
        pixels = np.asarray(draw_graph(graph, names, 400)).astype(int)
        return int((np.abs(pixels - INVENTED).max(axis=-1) < 30).sum())

    with_cut = close_to_mark(deocclusion.occlusion)
    without = close_to_mark(replace(deocclusion.occlusion, dropped=()))
    assert with_cut > without + 50


def test_pages_stay_small_for_large_photos():
    deocclusion, scene = make_inputs()
    big = np.random.default_rng(0).integers(0, 255, (800, 1200, 3), dtype=np.uint8)
    depth = DepthMap(np.ones(big.shape[:2], np.float32), np.ones(big.shape[:2], bool), "metric", "file")
    photo, masks = replace(deocclusion.photo, rgb=big), np.zeros((2, *big.shape[:2]), bool)
    masks[:, 100:200, 100:200] = np.array([1, 0], bool)[:, None, None]
    segmentation = replace(deocclusion.segmentation, masks=masks)
    background = replace(deocclusion.background, rgb=big, generated=masks[0])
    large = replace(deocclusion, photo=photo, depth=depth, segmentation=segmentation, background=background)
    report = build_report(large, scene, TIMINGS)
    assert max(figure.image.width for figure in report.figures) == FIGURE_PX
    assert len(page(report)) < 6e6  # noise is the worst case


@given(st.text(max_size=80), st.integers(2, 50))
def test_every_text_can_be_drawn(text, longest):
    shown = printable(text, longest)
    assert len(shown) <= longest and shown.isprintable()


def test_characters_that_the_font_lacks_are_replaced():
    assert printable("3 × 4 椅") == "3 x 4 ?"
    assert printable("Café") == "Cafe"


def test_objects_get_different_colours():
    assert len({object_colour(k) for k in range(40)}) == 40


def test_the_page_of_25_objects_stays_light():
    deocclusion, scene = make_inputs()
    rng = np.random.default_rng(0)
    smooth = np.asarray(Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).resize((400, 400)))
    rgba = np.dstack([smooth, np.full((400, 400), 255, np.uint8)])
    half = np.zeros((400, 400), bool)
    half[:200] = True
    first = replace(deocclusion.objects[0], rgba=rgba, visible=half, box_xyxy=(0, 0, 400, 400))
    many = tuple(replace(first, id=k, name=f"thing {k}") for k in range(1, 26))
    assert len(page(build_report(replace(deocclusion, objects=many), scene, TIMINGS))) < 3e6


def test_an_object_that_nothing_hides_is_shown_once():
    deocclusion, scene = make_inputs()
    item = deocclusion.objects[0]
    seen = replace(deocclusion, objects=(replace(item, visible=item.amodal), deocclusion.objects[1]))
    report = build_report(seen, scene, TIMINGS)
    assert [entry.whole for entry in report.objects] == [True, False]
    alts = [attributes["alt"] for tag, attributes in Reader(page(report)).tags if tag == "img"]
    assert [alt for alt in alts if alt.startswith(("box", "wall clock"))] == [
        "box, complete",
        "wall clock, complete",
        "wall clock, what was invented is marked",
    ]


def test_names_that_the_font_lacks_become_numbers_in_pictures_and_stay_in_the_page():
    assert label(3, "椅子") == "object 3" and label(4, "🦊 fox") == "? fox" and label(5, " ") == "object 5"
    assert label(6, "Café") == "Cafe" and label(7, "what???") == "what???"
    deocclusion, scene = make_inputs(names=("椅子", "قطة برتقالية"))
    report = build_report(deocclusion, scene, TIMINGS)
    assert "椅子" in page(report) and "قطة برتقالية" in page(report)
    assert sheet(report).width == WIDTH


def test_fallbacks_are_told_once_with_the_id():
    deocclusion, scene = make_inputs(names=("bowl", "bowl"))
    objects = tuple(replace(item, fallback="relief failed: too thin") for item in deocclusion.objects)
    report = build_report(replace(deocclusion, objects=objects), scene, TIMINGS)
    assert report.fallbacks == ("1 bowl: relief failed: too thin", "2 bowl: relief failed: too thin")


@pytest.mark.parametrize("count", [0, 1, 3, 26])
def test_sheets_and_pages_hold_any_number_of_objects(count):
    deocclusion, scene = make_inputs(names=("a_name_without_a_single_space_" * 8, "x"))
    objects = tuple(replace(deocclusion.objects[k % 2], id=k + 1, layer=k) for k in range(count))
    report = build_report(replace(deocclusion, objects=objects), scene, TIMINGS)
    assert sheet(report).width == WIDTH and page(report).count("<article>") == count


def test_a_contact_sheets_row_shows_a_scene_with_and_without_objects(tmp_path):
    deocclusion, scene = make_inputs()
    empty = replace(deocclusion, objects=()), replace(scene, objects=())
    for flat, placed in ((deocclusion, scene), empty):
        row = photo_row(Reconstruction(flat, placed, {}, (), (), tmp_path), "room: some objects")
        assert row.shape[1] == TILE_PX * (3 + len(VIEWS_DEG)) and row.std() > 10
