"""Tables of figures: what is shown, what is written, what is compared with."""

import json
import math
from pathlib import Path

import pytest

from paco_core.errors import BadInput
from paco_core.evaluation.figures import Row, Table, figure_table, figures_json, number, plain, read_figures
from paco_core.evaluation.table import Estimate

ROWS = [
    Row("truth", {"IoU": Estimate(1.0, 0.9, 1.0), "PSNR": plain(50.0)}, {"objects": "3"}),
    Row("visible", {"IoU": Estimate(0.5, 0.25, 0.75), "PSNR": plain(math.nan)}, {"objects": "3"}),
]


def test_a_row_shows_facts_and_then_the_figures_that_are_asked_for():
    found = figure_table(ROWS, ("PSNR", "IoU"))
    assert found.head == ("method", "objects", "PSNR", "IoU")
    assert found.rows == (("truth", "3", "50.000", "1.000 (0.900–1.000)"), ("visible", "3", "–", "0.500 (0.250–0.750)"))
    assert str(found).splitlines()[:2] == ["| method | objects | PSNR | IoU |", "|---|---|---|---|"]


def test_a_table_without_rows_has_a_head():
    assert str(figure_table([], ("IoU",))) == "| method | IoU |\n|---|---|"


def test_what_was_written_is_compared_with(tmp_path: Path):
    file = tmp_path / "figures.json"
    file.write_text(figures_json([Row("truth", {"IoU": plain(0.9), "PSNR": plain(math.nan)}), Row("gone", {"IoU": plain(1.0)})]))
    assert json.loads(file.read_text())["figures"]["truth"] == {"IoU": 0.9, "PSNR": None}
    before = read_figures(file)
    assert before == {"truth": {"IoU": 0.9}, "gone": {"IoU": 1.0}}
    assert figure_table(ROWS, ("IoU", "PSNR"), before).rows == (
        ("truth", "3", "1.000 (0.900–1.000) [+0.100]", "50.000"),
        ("visible", "3", "0.500 (0.250–0.750)", "–"),
    )


@pytest.mark.parametrize("content", ["[]", "{}", '{"figures": [1]}', '{"figures": {"a": 1}}'])
def test_figures_of_something_else_are_refused(tmp_path: Path, content: str):
    (tmp_path / "f.json").write_text(content)
    with pytest.raises(BadInput, match="no figures of an earlier evaluation"):
        read_figures(tmp_path / "f.json")


def test_what_is_no_number_is_left_out(tmp_path: Path):
    (tmp_path / "f.json").write_text('{"figures": {"a": {"x": true, "y": "1", "z": 2, "n": null}}}')
    assert read_figures(tmp_path / "f.json") == {"a": {"z": 2.0}}


def test_names_from_outside_cannot_break_the_table():
    assert str(Table(("a",), (("x|y\nz",),))).splitlines()[2] == "| x\\|y z |"
    assert number(math.nan) == "–"
