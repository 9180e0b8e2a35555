"""The words that differ between two requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.changes import Change, words


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("an oak desk", "a walnut desk", "an oak → a walnut"),
        ("an oak desk", "an oak desk, dark", "+ , dark"),
        ("an oak, dark desk", "an oak desk", "− , dark"),
        ("a lamp", "two vases", "a lamp → two vases"),
        ("", "a lamp", "+ a lamp"),
        ("a  lamp\n", "a lamp", "only blanks or line ends changed"),
        ("a lamp a lamp", "a lamp", "− a lamp"),
        ("scale 7.5 now", "scale 7.25 now", "7.5 → 7.25"),
        ("Anna's lamp", "Anna’s lamp", "Anna's → Anna’s"),
        ("x " * 90, "y", f"{'x ' * 29}x… → y"),
    ],
)
def test_only_the_words_that_differ_are_told(before: str, after: str, told: str) -> None:
    assert words(before, after) == told


texts = st.lists(st.sampled_from(["a", "lamp", "on", "oak,", "\n", "desk"]), max_size=8).map(" ".join)


@given(texts, texts)
def test_two_texts_are_told_apart_in_both_directions(one: str, two: str) -> None:
    told, back = words(one, two), words(two, one)
    if "→" in told:
        assert back == " → ".join(reversed(told.split(" → ")))
    else:
        assert back[0] == {"+": "−", "−": "+"}.get(told[0], told[0])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, 3, "seed is new: 3"),
        (3, None, "seed is gone, was 3"),
        (3, 4, "seed: 3 → 4"),
        (True, "true", "seed: true → true"),
        ("sha256:" + "a" * 64, "sha256:" + "b" * 64, "seed: picture aaaaaa → picture bbbbbb"),
        (
            "sha256:" + "a" * 64,
            "https://pictures.example/b.png",
            "seed: picture aaaaaa → https://pictures.example/b.png",
        ),
        ([], {}, "seed: [] → {}"),
    ],
)
def test_a_change_is_a_sentence(before: object, after: object, told: str) -> None:
    assert Change(path="seed", before=before, after=after).sentence == told


def test_a_picture_of_the_project_is_told_by_its_file() -> None:
    change = Change(path="image", before="sha256:" + "a" * 64, after="sha256:" + "b" * 64, source="photos/lamp.png")
    assert change.sentence == "image: picture aaaaaa → photos/lamp.png (bbbbbb)"
