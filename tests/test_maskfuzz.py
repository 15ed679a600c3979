"""Whatever a mask file holds, reading it gives masks of the photo's size or a sentence, soon."""

import json
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings

from paco_core.errors import BadInput
from paco_core.maskfile import load_masks
from paco_core.rle import decode_rle
from tests.maskfiles import HW, any_json, damaged, label_pictures, mask_json, run_lengths


def read(data: bytes, name: str) -> None:
    """Masks of the photo's size and fit to be written, or ``BadInput``; anything else fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            found = load_masks(path, HW, photo_name="desk")
        except BadInput as sentence:
            assert len(str(sentence)) < 2000
            return
    assert found.masks.shape == (len(found.ids), *HW)
    assert len(found.ids) == len(found.names) == len(set(found.ids)) > 0
    assert all(0 < i < 2**31 for i in found.ids)
    assert all(name and name.encode() and name.isprintable() for name in found.names)


@settings(max_examples=120, deadline=2000)
@given(mask_json())
def test_json_that_is_almost_right_is_read_or_refused(content: object):
    read(json.dumps(content).encode(), "m.json")


@settings(max_examples=60, deadline=2000)
@given(any_json)
def test_any_json_is_read_or_refused(content: object):
    read(json.dumps(content).encode(), "m.json")


@settings(max_examples=60, deadline=2000)
@given(damaged(mask_json().map(lambda content: json.dumps(content).encode())))
def test_damaged_json_is_read_or_refused(data: bytes):
    read(data, "m.json")


@settings(max_examples=60, deadline=2000)
@given(damaged(label_pictures()))
def test_damaged_label_pictures_are_read_or_refused(data: bytes):
    read(data, "m.png")


@settings(max_examples=200, deadline=2000)
@given(run_lengths)
def test_run_lengths_give_a_mask_or_a_sentence(rle: object):
    try:
        mask = decode_rle(rle, HW)
    except BadInput:
        return
    assert mask.shape == HW
    assert mask.dtype == np.bool_
