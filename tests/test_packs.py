"""Packs of whole objects: what goes in comes out, what may not be trained on stays out, nothing in a file is trusted."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paco_core.data.bank import Bank, balanced, read_bank
from paco_core.data.cutouts import find_cutouts
from paco_core.data.pack import QUALITIES, PackItem, PackPlan, cropped, without_specks, write_pack
from paco_core.data.packfile import ITEMS, MARGIN_PX, read_header
from paco_core.errors import BadInput
from viewers.cli import main


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


def test_parts_of_a_pack_are_joined_and_the_same_object_in_both_keeps_its_group(tmp_path: Path):
    pack = packed(tmp_path)
    bank = read_bank([pack, pack], size=32)
    assert len(bank) == 2
    assert bank.groups.tolist() == [0, 0]
    assert bank.weights.tolist() == [0.5, 0.5]
    assert torch.equal(bank.to("cpu").rgba, bank.rgba)


kinds = st.lists(st.tuples(*[st.sampled_from("abc")] * 3), min_size=1, max_size=40)


@settings(max_examples=50, deadline=None)
@given(kinds)
def test_weights_sum_to_one_and_groups_of_a_category_count_the_same(places: list[tuple[str, str, str]]):
    weights = balanced([p[0] for p in places], [p[1] for p in places], [p[2] for p in places])
    assert sum(weights) == pytest.approx(1)
    by_group: dict[tuple[str, str, str], float] = {}
    for place, weight in zip(places, weights, strict=True):
        by_group[place] = by_group.get(place, 0) + weight
    for style, category, _ in places:
        alike = [weight for place, weight in by_group.items() if place[:2] == (style, category)]
        assert max(alike) == pytest.approx(min(alike))


def test_a_category_with_four_times_the_objects_is_shown_twice_as_often():
    weights = balanced(["photo"] * 5, ["bike"] * 4 + ["bird"], ["1", "2", "3", "4", "5"])
    assert weights == pytest.approx([1 / 6] * 4 + [1 / 3])


def noise(count: int, views: int) -> list[list[PackItem]]:
    rng = np.random.default_rng(0)
    opaque = np.full((64, 64, 1), 255)

    def picture() -> np.ndarray:
        return np.dstack([rng.integers(0, 256, (64, 64, 3)), opaque]).astype(np.uint8)

    return [[PackItem(picture(), "", "", "", f"g{k}", "", "", view) for view in range(views)] for k in range(count)]


def test_a_pack_that_grows_too_large_loses_quality_then_its_last_views(tmp_path: Path):
    limit = 60_000
    plan = PackPlan("train", "train", 64, limit, "a test")
    summary = write_pack(tmp_path / "x.pack", noise(20, 4), plan, total=20)
    assert summary.quality == QUALITIES[-1]
    assert 0 < summary.dropped < 60
    assert 0.8 * limit < summary.bytes <= limit
    assert summary.objects == 20


def test_a_lower_quality_is_taken_before_anything_is_dropped(tmp_path: Path):
    roomy = write_pack(tmp_path / "x.pack", noise(6, 2), PackPlan("train", "train", 64, 10**6, ""), total=6)
    tight = write_pack(tmp_path / "x.pack", noise(6, 2), PackPlan("train", "train", 64, int(0.8 * roomy.bytes), ""), total=6)
    assert (roomy.quality, roomy.dropped, tight.dropped) == (QUALITIES[0], 0, 0)
    assert tight.quality < roomy.quality
    assert tight.bytes < 0.8 * roomy.bytes


def test_specks_are_removed_and_parts_stay():
    rgba = np.full((60, 60, 4), 255, np.uint8)
    rgba[..., 3] = 0
    rgba[5:35, 5:35, 3], rgba[40:50, 40:50, 3], rgba[55:57, 5:7, 3] = 255, 255, 255
    kept = without_specks(rgba)[..., 3] > 0
    assert kept[5:35, 5:35].all()
    assert kept[40:50, 40:50].all()
    assert not kept[55:57].any()


def test_the_colour_of_what_was_behind_is_gone_from_soft_edges():
    rgba = disc(hw=(200, 200))
    ring = (np.roll(rgba[..., 3], 2, axis=1) > 0) & (rgba[..., 3] == 0)
    rgba[ring, 3] = 90
    colour = cropped(rgba, 64)[..., :3].astype(int)
    assert ring.sum() > 100
    assert colour[..., 1].max() < 90


@pytest.mark.parametrize(
    "index",
    [
        b"no json\n[1]\n{}",
        b'{"file": "../a.png", "use": "train"}',
        b'{"file": "not there.png"}',
        json.dumps({"file": "é" * 250}).encode(),
        b"",
    ],
)
def test_an_index_of_which_nothing_can_be_used_is_refused(tmp_path: Path, index: bytes):
    (tmp_path / "index.jsonl").write_bytes(index)
    with pytest.raises(BadInput, match="index"):
        find_cutouts(tmp_path)


def test_pictures_that_can_not_be_used_are_skipped_and_named(tmp_path: Path):
    folder = folder_of(tmp_path)
    (folder / "a.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((60, 60, 4), np.uint8)).save(folder / "c.png")
    chosen = find_cutouts(folder).select("train", measuring=True)
    sentences = [item for item in chosen.items(64) if isinstance(item, str)]
    assert sorted(sentence.split()[0] for sentence in sentences) == ["a.png", "c.png"]
    with pytest.raises(BadInput, match="2 objects left out"):
        write_pack(tmp_path / "x.pack", chosen.items(64), PackPlan("train", "eval", 64, 10**6, ""), total=2)


def test_only_what_is_for_measuring_can_be_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "only.pack"
    words = ["pack", "cutouts", str(folder_of(tmp_path)), "--size", "64", "--out", str(out), "--only-measuring"]
    assert main(words) == 2
    assert "goes with --measuring" in capsys.readouterr().err
    assert main([*words, "--measuring"]) == 0
    assert read_bank([out], size=64, measuring=True).names == ("thing c",)
    assert "--only-measuring" in read_header(out)["made_by"]
    assert main([*words, "--measuring", "--split", "val"]) == 2
    assert "leave --only-measuring out" in capsys.readouterr().err


def test_a_split_without_anything_for_training_says_so(tmp_path: Path):
    folder = folder_of(tmp_path, use="eval")
    with pytest.raises(BadInput, match="--measuring"):
        find_cutouts(folder).select("train", measuring=False)


ITEM = {"file": "000000.webp", "name": "", "category": "", "style": "", "group": ""}


@pytest.mark.parametrize(
    "changes",
    [
        {ITEMS: b""},
        {ITEMS: b"[]"},
        {ITEMS: b"{}"},
        {ITEMS: b"\xff\xfe"},
        {ITEMS: json.dumps(ITEM | {"file": "../../etc/passwd"}).encode()},
        {ITEMS: json.dumps(ITEM | {"name": 3}).encode()},
        {ITEMS: json.dumps(ITEM | {"name": "x" * 10**5}).encode()},
        {"pack.json": b"{}"},
        {"pack.json": b"[" * 10**5},
        {"pack.json": b'{"version": 1}'},
        {"000000.webp": b"no picture"},
        {"000000.webp": b""},
    ],
)
def test_a_damaged_pack_is_refused_with_a_sentence(tmp_path: Path, changes: dict[str, bytes]):
    pack = repacked(packed(tmp_path), changes)
    with pytest.raises(BadInput, match=r"x\.pack"):
        read_bank([pack], size=64)


def test_a_picture_that_is_larger_than_any_bank_is_refused(tmp_path: Path):
    Image.new("RGBA", (1100, 20)).save(tmp_path / "large.webp")
    pack = repacked(packed(tmp_path), {"000000.webp": (tmp_path / "large.webp").read_bytes()})
    with pytest.raises(BadInput, match="1100 x 20 px"):
        read_bank([pack], size=64)


def test_a_compressed_pack_is_refused_since_it_may_be_a_bomb(tmp_path: Path):
    pack = repacked(packed(tmp_path), {"000000.webp": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(BadInput, match="compressed or too large"):
        read_bank([pack], size=64)


def test_what_is_no_pack_is_refused(tmp_path: Path):
    (tmp_path / "x.pack").write_bytes(b"PK no zip")
    for path in (tmp_path / "x.pack", tmp_path / "none.pack", tmp_path):
        with pytest.raises(BadInput, match="paco pack"):
            read_bank([path], size=64)
    with pytest.raises(BadInput, match="No pack"):
        read_bank([], size=64)
    with pytest.raises(BadInput, match="px"):
        read_bank([packed(tmp_path)], size=4)


def test_a_pack_cut_short_is_refused(tmp_path: Path):
    pack = packed(tmp_path)
    pack.write_bytes(pack.read_bytes()[:-40])
    with pytest.raises(BadInput, match="no pack"):
        read_bank([pack], size=64)
