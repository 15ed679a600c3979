"""The examples of docs/inputs.md are read as the page says."""

import re
from pathlib import Path

import numpy as np
import pytest

from paco_core.maskfile import load_masks
from paco_core.stuff import STANDING

PAGE = (Path(__file__).parents[1] / "docs/inputs.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```json (\w+)\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.parametrize(
    ("kind", "names", "areas"),
    [("coco", ("cup",), [400]), ("cocoa", ("cup", "saucer"), [400, 250]), ("labelme", ("cup", "plate"), [400, 316])],
)
def test_json_examples_are_read_as_they_stand(kind: str, names: tuple[str, ...], areas: list[int], tmp_path: Path):
    file = tmp_path / "masks.json"
    file.write_text(EXAMPLES[kind])
    found = load_masks(file, (48, 64), photo_name="desk")
    assert found.names == names
    assert found.masks.sum(axis=(1, 2)).tolist() == pytest.approx(areas, abs=4)
    if kind == "coco":
        assert found.stuff is not None
        columns = (found.stuff == STANDING).all(axis=0)  # run lengths go down the columns
        assert np.flatnonzero(columns).tolist() == list(range(10))
        assert not found.stuff[:, ~columns].any()
