"""Packs of whole objects: what goes in comes out, what may not be trained on stays out, nothing in a file is trusted."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paco_core.data.bank import MARGIN_PX, Bank, read_bank, read_header
from paco_core.data.cutouts import find_cutouts
from paco_core.data.pack import PackPlan, write_pack
from paco_core.errors import BadInput

PLAN = PackPlan("train", "train", 64, 10**6, "a test")


def disc(colour: tuple[int, int, int] = (200, 40, 40), hw: tuple[int, int] = (60, 100)) -> np.ndarray:
    """An ellipse on what must never be seen: bright green under alpha 0."""
    rows, columns = np.indices(hw)
    inside = ((rows - hw[0] / 2) / (hw[0] * 0.4)) ** 2 + ((columns - hw[1] / 2) / (hw[1] * 0.4)) ** 2 <= 1
    rgb = np.where(inside[..., None], colour, (0, 255, 0))
    return np.dstack([rgb, 255 * inside]).astype(np.uint8)


def folder_of(tmp_path: Path, **changes: object) -> Path:
    """Three cut-outs: two for training, of which one is of the split val, and one for measuring."""
    uses = [("a", "train", "train"), ("b", "train", "val"), ("c", "eval", "train")]
    lines = []
    for name, use, split in uses:
        Image.fromarray(disc()).save(tmp_path / f"{name}.png")
        entry = {"file": f"{name}.png", "category": f"thing {name}", "use": use, "split": split, "licence": f"L-{name}"}
        lines.append({**entry, "source_repo": f"repo {name}", "real_photo": True, **changes})
    (tmp_path / "index.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return tmp_path


def packed(tmp_path: Path, *, split: str = "train", measuring: bool = False) -> Path:
    chosen = find_cutouts(folder_of(tmp_path)).select(split, measuring=measuring)
    plan = PackPlan(split, "eval" if measuring else "train", 64, 10**6, "a test")
    return write_pack(tmp_path / "x.pack", chosen.items(64), plan, total=len(chosen.entries)).path


def repacked(pack: Path, changes: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """The same pack with other content."""
    with zipfile.ZipFile(pack) as old:
        content = {name: old.read(name) for name in old.namelist()} | changes
    with zipfile.ZipFile(pack, "w", compression) as new:
        for name, data in content.items():
            new.writestr(name, data)
    return pack


def test_a_pack_holds_the_objects_of_its_split_that_may_be_trained_on(tmp_path: Path):
    bank = read_bank([packed(tmp_path)], size=64)
    assert isinstance(bank, Bank)
    assert bank.names == ("thing a",)
    assert bank.styles == ("photo",)
    assert bank.rgba.shape == (1, 4, 64, 64)


def test_the_object_fills_its_picture_but_for_the_margin_and_has_its_own_colour_everywhere(tmp_path: Path):
    rgba = read_bank([packed(tmp_path)], size=64).rgba[0].numpy()
    rows, columns = (np.flatnonzero((rgba[3] > 127).any(axis=axis)) for axis in (1, 0))
    assert (columns[0], columns[-1]) == (MARGIN_PX, 63 - MARGIN_PX)
    assert abs((rows[0] + rows[-1]) - 63) <= 1
    np.testing.assert_allclose(rgba[:3].transpose(1, 2, 0), np.broadcast_to((200, 40, 40), (64, 64, 3)), atol=12)


def test_licences_and_sources_are_listed(tmp_path: Path):
    header = read_header(packed(tmp_path))
    assert (header["licence"], header["source"]) == ({"L-a": 1}, {"repo a": 1})
    assert header["made_by"] == "a test"


def test_training_refuses_a_pack_for_measuring(tmp_path: Path):
    pack = packed(tmp_path, measuring=True)
    assert len(read_bank([pack], size=64, measuring=True)) == 2
    with pytest.raises(BadInput, match="for measuring only"):
        read_bank([pack], size=64)


def test_the_same_items_make_the_same_bytes(tmp_path: Path):
    first = packed(tmp_path).read_bytes()
    assert packed(tmp_path).read_bytes() == first
