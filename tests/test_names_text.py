"""Names of objects as tokens: hashed words, and CLIP where its package is there."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paco_core.errors import BadInput, MissingDependency
from paco_core.nets.names_text import ClipNames, HashedNames
from paco_core.nets.paco_config import PACO_SMALL, PACO_TINY
from tests.paconets import clip_folder, stir

STARTED = replace(PACO_TINY, pretrained=True, text_buckets=0, text_slots=16)


def test_hashed_names_are_the_same_everywhere_and_alike_for_alike_words():
    names = HashedNames(PACO_SMALL)
    tokens = names.tokens([("Dog",), ("dogs",), ("teapot",), ()])
    # crc32("<dog>") % 2048 + 1, worked out with zlib outside of this project
    assert tokens.shape == (4, 12, 16) and tokens[0, 0, :4].tolist() == CRC_OF_DOG
    dog, dogs, teapot, nothing = (set(row[row > 0].tolist()) for row in tokens)
    assert len(dog & dogs) >= 2 and len(dog & teapot) == 0 and not nothing
    vectors = stir(names)(tokens)
    assert vectors.shape == (4, 12, 128) and torch.equal(vectors[3], names.nothing.expand(12, -1))


CRC_OF_DOG = [1561, 1933, 382, 1477]


@given(st.lists(st.lists(st.text(max_size=60), max_size=20), min_size=1, max_size=3))
def test_any_names_become_tokens_of_the_table(several: list[list[str]]):
    tokens = HashedNames(PACO_TINY).tokens(several)
    assert tokens.shape == (len(several), 4, 16) and tokens.min() >= 0 and tokens.max() <= PACO_TINY.text_buckets


def test_the_order_of_objects_changes_no_hashed_names():
    names = stir(HashedNames(PACO_SMALL))
    one, other = names.encode([("red chair", "dog")]), names.encode([("dog", "red chair")])
    assert torch.allclose(one.sum(1), other.sum(1), atol=1e-5)


def test_clip_reads_names_joined_by_and(tmp_path: Path):
    names = ClipNames(STARTED, clip_folder(tmp_path, width=8), torch.device("cpu"))
    text = names.encode([("a", "b"), ("a and b",), ("b", "a"), ()])
    assert text.shape == (4, 16, 8) and not text.requires_grad
    assert torch.allclose(text[0], text[1]) and not torch.allclose(text[0], text[2])


def test_without_its_package_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependency, match=r"pip install 'paco-scene3d\[sd\]'"):
        ClipNames(STARTED, tmp_path, torch.device("cpu"))


def test_a_clip_of_another_width_or_none_is_refused(tmp_path: Path):
    folder = clip_folder(tmp_path / "wide", width=16)
    with pytest.raises(BadInput, match="makes 16 numbers a word, paco-tiny reads 8"):
        ClipNames(STARTED, folder, torch.device("cpu"))
    with pytest.raises(BadInput, match="no CLIP text encoder"):
        ClipNames(STARTED, tmp_path / "nowhere", torch.device("cpu"))
