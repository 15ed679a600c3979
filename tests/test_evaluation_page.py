"""What an evaluation leaves behind: a page that can be sent, sheets, and the command that made them."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paco_core.evaluation.deocclusion import Completed, Method, by_masks, evaluate, true_order_of
from paco_core.evaluation.figures import Row, Table, plain
from paco_core.evaluation.mask_methods import METHODS
from paco_core.evaluation.scenes import AmodalScene
from scene3d.evaluation.object_sheets import CAPTION_PX, COLUMNS, TILE_PX, ObjectRows
from tests.hidden import two_boxes
from viewers.commands.eval import Options
from viewers.commands.eval_deocclusion import Deocclusion
from viewers.commands.eval_hidden import Order
from viewers.evaluation import Evaluation, Part, Sheet, command_line, page, write_evaluation

HOSTILE = '<script>alert("1")</script>|\n'


def test_the_page_holds_everything_and_no_script(tmp_path: Path):
    table = Table(("method", "IoU"), ((HOSTILE, "0.5"),))
    sheet = Sheet("best", HOSTILE, Image.new("RGB", (40, 30), (200, 0, 0)))
    found = Evaluation(f"T {HOSTILE}", (Part("Tables", table, HOSTILE, (sheet,)),), (Row("m", {"IoU": plain(0.5)}),))
    text = write_evaluation(found, tmp_path, f"paco eval {HOSTILE}")
    html = (tmp_path / "report.html").read_text()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 7  # title twice, command, note, cell, alt text, caption
    assert 'src="data:image/webp;base64,' in html
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert Image.open(tmp_path / "best.jpg").size == (40, 30)
    assert (tmp_path / "table.md").read_text().rstrip() in text
    assert "Python 3." in html


def test_an_evaluation_without_parts_is_a_page_too():
    assert page(Evaluation("Nothing", (), ()), "paco eval").endswith("</html>\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(Deocclusion()), "paco eval --seed 0 deocclusion rooms"),
        (
            Options(Deocclusion("my file.json", count=3, things=True, out=Path("o")), seed=4),
            "paco eval --seed 4 deocclusion 'my file.json' --count 3 --things --out o",
        ),
        (
            Options(Deocclusion(inpainter=("telea", "lama=a b.pt"))),
            "paco eval --seed 0 deocclusion rooms --inpainter telea --inpainter 'lama=a b.pt'",
        ),
        (Options(Order(), preset="lossless"), "paco eval --preset lossless --seed 0 order rooms"),
    ],
)
def test_the_command_is_said_as_it_can_be_typed(options: Options, said: str):
    assert command_line(options) == said


def nothing(scene: AmodalScene) -> Completed:
    return Completed(scene.segmentation.masks, np.stack([scene.photo.rgb] * 3))


def test_every_occluded_object_is_drawn_once_the_worst_last():
    rows = ObjectRows()
    evaluate([two_boxes()] * 2, {"nothing": Method(nothing, colours=True)}, watchers={"nothing": rows})
    assert [round(row.hidden_iou, 2) for row in rows.rows] == [0.0] * 4  # red is in front of all
    sheets = rows.sheets("nothing")
    assert list(sheets) == ["best", "median", "worst"]
    assert sheets["best"].width > len(COLUMNS) * TILE_PX
    assert TILE_PX + CAPTION_PX < sheets["best"].height < 2 * TILE_PX  # one of four objects


def test_missing_parts_are_red_and_right_ones_are_not():
    (right, wrong) = (ObjectRows(), ObjectRows())

    def truth(scene: AmodalScene) -> Completed:
        assert scene.alone is not None
        return Completed(scene.amodal, np.ascontiguousarray(scene.alone[..., :3]))

    evaluate(
        [two_boxes()],
        {"truth": Method(truth, colours=True), "nothing": Method(nothing, colours=True)},
        watchers={"truth": right, "nothing": wrong},
    )
    shares = [_red(rows.sheets("x")["best"]) for rows in (right, wrong)]
    assert shares[0] < 0.001 < 0.01 < shares[1]


def _red(sheet: Image.Image) -> float:
    last = np.asarray(sheet)[:, -TILE_PX:].astype(int)
    return float(((last[..., 0] > 180) & (last[..., 1] < 110) & (last[..., 2] < 110)).mean())


def test_masks_alone_are_drawn_without_colours():
    rows = ObjectRows()
    scene = two_boxes()
    evaluate([scene], {"hull": by_masks(METHODS["hull"], true_order_of)}, watchers={"hull": rows})
    assert len(rows.rows) == 2
    assert ObjectRows().sheets("hull") == {}
