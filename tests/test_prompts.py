"""Boxes and points in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_core.errors import BadInput
from paco_core.prompts import MAX_POINTS, MAX_PROMPTS, Prompt, parse_prompts, scaled

HW = (100, 200)


def test_a_box_with_a_name_is_left_top_right_bottom():
    assert parse_prompts(["cup=12, 8,34.5,30"], [], HW) == (Prompt("cup", (12, 8, 34.5, 30)),)


def test_box_and_points_of_one_name_are_one_object_whatever_the_case():
    found = parse_prompts(
        ["Cup=10,10,60,60", "saucer=0,50,90,90"], ["cup=20,20; -50,50", "CUP=30 , 30", "spoon=150,50 160,60"], HW
    )
    cup = Prompt("Cup", (10, 10, 60, 60), ((20, 20), (30, 30)), ((50, 50),))
    assert found == (cup, Prompt("saucer", (0, 50, 90, 90)), Prompt("spoon", None, ((150, 50), (160, 60))))


def test_points_without_a_name_belong_to_the_only_box_without_one():
    assert parse_prompts(["10,10,60,60"], ["20,20", "-50,50"], HW) == (Prompt("", (10, 10, 60, 60), ((20, 20),), ((50, 50),)),)
    assert len(parse_prompts(["10,10,60,60", "70,10,90,60"], ["20,20"], HW)) == 3
    assert len(parse_prompts(["cup=10,10,60,60"], ["20,20"], HW)) == 2


def test_a_box_that_sticks_out_of_the_photo_is_cut_at_its_border():
    assert parse_prompts(["cup=-20,-5,30,300"], [], HW)[0].box == (0, 0, 30, 100)


BAD_BOXES = {
    "cup=1,2,3": "four numbers, not 3",
    "cup=": "'nothing' is not a number",
    "cup=a,2,3,4": "'a' is not a number",
    "cup=nan,2,30,40": "not a number of pixels",
    "cup=1,2,inf,40": "not a number of pixels",
    "cup=30,10,20,40": "right must be larger than left",
    "cup=10,40,20,40": "bottom larger than top",
    "cup=300,10,320,40": "outside of the photo",
    "cup=10,10,10.5,40": "less than a pixel",
}


@pytest.mark.parametrize(("word", "sentence"), BAD_BOXES.items())
def test_a_box_that_is_none_is_refused_with_the_right_form(word: str, sentence: str):
    with pytest.raises(BadInput) as refused:
        parse_prompts([word], [], HW)
    assert sentence in str(refused.value)
    assert '--box "cup=120,80,340,300"' in str(refused.value)


BAD_POINTS = {
    "cup=": "there is no point",
    "cup=5": "two numbers, not 1",
    "cup=1,2,3": "two numbers, not 3",
    "cup=x,2": "'x' is not a number",
    "cup=nan,2": "not a number of pixels",
    "cup=200,50": "outside of the photo",
    "cup=50,-3": "outside of the photo",
    "cup=--5,3": "-5,3 lies outside of the photo",
}


@pytest.mark.parametrize(("word", "sentence"), BAD_POINTS.items())
def test_a_point_that_is_none_is_refused_with_the_right_form(word: str, sentence: str):
    with pytest.raises(BadInput) as refused:
        parse_prompts([], [word], HW)
    assert sentence in str(refused.value)
    assert '--point "cup=200,150' in str(refused.value)


@pytest.mark.parametrize(
    ("boxes", "points", "sentence"),
    [
        (["cup=1,1,9,9", "Cup=2,2,8,8"], [], 'two boxes for "Cup"'),
        ([], ["cup=-5,5"], "only points that are not it"),
        ([], ["cup=5,5 -5,5"], "both as inside and as outside"),
        (["cup=1,1,9,9"], ["cup=50,50"], "outside of its box"),
        ([f"{k},0,{k + 1},9" for k in range(MAX_PROMPTS + 1)], [], f"at most {MAX_PROMPTS}"),
        ([], ["cup=" + " ".join(f"{k % 200},{k // 200}" for k in range(MAX_POINTS + 1))], f"at most {MAX_POINTS}"),
    ],
)
def test_what_contradicts_itself_or_is_too_much_is_refused(boxes: list[str], points: list[str], sentence: str):
    with pytest.raises(BadInput, match=sentence):
        parse_prompts(boxes, points, HW)


def test_prompts_follow_the_photo_to_another_size():
    assert scaled((Prompt("cup", (10, 20, 30, 40), ((12, 22),), ((28, 38),)),), 0.5, 0.25) == (
        Prompt("cup", (5, 5, 15, 10), ((6, 5.5),), ((14, 9.5),)),
    )


words = st.text("=,;-+.0123456789enaif \tcupß\0\n", max_size=24) | st.text(max_size=12)


@given(st.lists(words, max_size=4), st.lists(words, max_size=4))
def test_any_words_are_prompts_inside_of_the_photo_or_a_sentence(boxes: list[str], points: list[str]):
    try:
        found = parse_prompts(boxes, points, HW)
    except BadInput as sentence:
        assert 10 < len(str(sentence)) < 2000
        return
    for prompt in found:
        assert prompt.box or prompt.inside
        assert all(0 <= x < HW[1] and 0 <= y < HW[0] for x, y in (*prompt.inside, *prompt.outside))
        if prompt.box:
            assert all(map(math.isfinite, prompt.box))
            assert 0 <= prompt.box[0] < prompt.box[2] <= HW[1]
            assert 0 <= prompt.box[1] < prompt.box[3] <= HW[0]
