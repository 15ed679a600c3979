"""A report in a real browser: nothing is wider than a phone, every picture loads and opens large, night and paper work."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import scene3d.report
from paco_core.types import OcclusionEdge, OcclusionGraph
from scene3d.report import write_report
from tests.test_report import TIMINGS, make_inputs

pytestmark = pytest.mark.slow
LONG = "a_name_without_a_single_space_" * 6
SCREENS_WH = ((360, 780), (768, 1024), (1280, 800))
PAGE_WIDER_PX = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
STICKING_OUT = """[...document.querySelectorAll('body *')]
    .filter(e => !e.closest('.scroll') && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(e => e.outerHTML.slice(0, 80))"""
CONTRASTS = """[...document.querySelectorAll('h1, h2, h3, dt, dd, figcaption, td, th, li, .why, .mark, footer')].map(e => {
    const light = rgb => rgb.match(/[\\d.]+/g).slice(0, 3).map(Number)
        .map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
    let behind = e;
    while (/, 0\\)$/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    const pair = [light(getComputedStyle(e).color), light(getComputedStyle(behind).backgroundColor)].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05); })"""  # WCAG 2.2, 1.4.3


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many objects, one layer each, with names of every sort, long reasons, long methods."""
    deocclusion, scene = make_inputs(names=(LONG, "قطة برتقالية كبيرة"))
    objects = tuple(replace(deocclusion.objects[k % 2], id=k + 1, layer=k) for k in range(12))
    ids, edge = tuple(range(1, 13)), deocclusion.occlusion.edges[0]
    edges: tuple[OcclusionEdge, ...] = tuple(replace(edge, front=k, behind=k + 1) for k in ids[:-1])
    placed = tuple(replace(scene.objects[k % 2], id=k + 1, fallback=f"{LONG} failed: too thin") for k in range(12))
    deocclusion = replace(deocclusion, objects=objects, occlusion=OcclusionGraph(ids, edges, (), tuple(range(12))))
    segmentation = deocclusion.segmentation
    masks = segmentation.masks[[k % 2 for k in range(12)]]
    names = tuple(segmentation.names[k % 2] for k in range(12))
    deocclusion = replace(deocclusion, segmentation=replace(segmentation, ids=ids, names=names, masks=masks))
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene3d.report, "VIEW_PX", 96)
        write_report(deocclusion, replace(scene, objects=placed), {**TIMINGS, LONG: (LONG, 1.0)}, folder, mishaps=(LONG,))
    return folder / "report.html"


def opened(browser: Any, report: Path, wh: tuple[int, int], **options: Any) -> Any:
    context = browser.new_context(viewport={"width": wh[0], "height": wh[1]}, is_mobile=wh[0] < 1000, **options)
    page = context.new_page()
    page.goto(report.as_uri())
    return page


@pytest.mark.parametrize("wh", SCREENS_WH)
def test_no_page_is_wider_than_its_screen_and_every_picture_loads(browser: Any, report: Path, wh: tuple[int, int]):
    page = opened(browser, report, wh)
    assert page.evaluate(PAGE_WIDER_PX) == 0 and page.evaluate("visualViewport.scale") == 1
    assert page.evaluate(STICKING_OUT) == []
    widths = page.evaluate("[...document.images].map(image => image.complete ? image.naturalWidth : 0)")
    assert len(widths) == 3 + 4 + 1 + 12 * 2 and min(widths) > 0


def test_the_checks_of_width_see_what_is_too_wide(browser: Any, report: Path):
    page = opened(browser, report, SCREENS_WH[0])
    page.evaluate("document.querySelector('h1').style.width = '500px'")
    assert page.evaluate(PAGE_WIDER_PX) > 100 and page.evaluate(STICKING_OUT)


def test_a_tapped_picture_fills_the_screen_and_a_second_tap_puts_it_back(browser: Any, report: Path):
    page = opened(browser, report, SCREENS_WH[0], has_touch=True)
    for position in (0, 5, -1):
        picture = page.locator("img").nth(position)
        picture.scroll_into_view_if_needed()
        before = picture.bounding_box()
        picture.tap()
        large = picture.bounding_box()
        assert (large["x"], large["y"], large["width"], large["height"]) == (0, 0, 360, 780)
        picture.tap()
        assert picture.bounding_box() == before


def test_pictures_open_from_the_keyboard(browser: Any, report: Path):
    page = opened(browser, report, SCREENS_WH[2])
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.locator("img").first.bounding_box()["height"] == 800


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_by_day_and_by_night(browser: Any, report: Path, scheme: str):
    page = opened(browser, report, SCREENS_WH[0], color_scheme=scheme)
    assert min(page.evaluate(CONTRASTS)) >= 4.5
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    assert dark == (scheme == "dark")


def test_it_prints_on_white_whatever_the_screen(browser: Any, report: Path):
    page = opened(browser, report, SCREENS_WH[2], color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")
