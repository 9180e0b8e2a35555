"""The fast way to read a lock gives what the thorough one gives, or leaves it to that."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_locks import cell, hexed, lock, read, sample

from flowrunner.loading import document
from flowrunner.loading.fields import Fields
from flowrunner.slotted import replace
from flowrunner.source import Source
from flowrunner.store import lockdecode
from flowrunner.store.locked import Lock, LockedCell
from flowrunner.store.locktext import dump
from flowrunner.store.lockwritten import cells

GOLDEN = Path(__file__).with_name("spring.lock.yaml").read_text(encoding="utf-8")
HEAD = "cells:\n"


def fast(text: str) -> dict[str, LockedCell] | None:
    return cells(text.partition(HEAD)[2])


def thorough(text: str) -> Lock:
    fields = Fields()
    found = lockdecode.whole(document.parse(Source("a.lock.yaml", text)), fields)
    assert not fields.problems
    return found


def test_a_lock_as_it_was_written_is_read_fast() -> None:
    assert fast(GOLDEN) == thorough(GOLDEN).cells
    assert read(GOLDEN) == (thorough(GOLDEN), [])


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["yes", "12", "0x1F", "1e3", "a: b", "a, b", "[x]", '"', "\\", "#", "data:image/png", "", " a", "a:", "null"]
)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e9, 1e9) | st.booleans()
values: st.SearchStrategy[Any] = st.recursive(
    texts | numbers, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


@given(params=st.dictionaries(texts.filter(bool), values, max_size=4), name=texts.filter(bool), count=st.integers(0, 3))
def test_both_ways_read_the_same(params: dict[str, Any], name: str, count: int) -> None:
    samples = tuple(sample(number, paid=number or None) for number in range(count))
    made = LockedCell(cell=name, model="m", with_=params, samples=samples, key=hexed("key"))
    text = dump(lock(made))
    found = fast(text)
    assert found is None or found == thorough(text).cells


@pytest.mark.parametrize("digest", ["0b" + "1" * 62, "7" * 64, "1" * 30 + "e" + "2" * 33, "0" * 64, "e" * 64])
def test_digests_that_look_like_numbers_are_read_fast_where_they_stand_in_quotes(digest: str) -> None:
    made = cell("a")
    (one, *_) = made.samples
    image = replace(one.images[0], sha256=digest, pixels=digest)
    made = replace(made, key=digest, samples=(replace(one, key=digest, images=(image, image)),))
    text = dump(lock(made))
    assert fast(text) == thorough(text).cells == {"a": made}
    if f'"{digest}"' in text:
        for old in (f'sha256: "{digest}"', f'key: "{digest}"'):
            assert fast(text.replace(old, old.replace('"', ""))) is None


@pytest.mark.parametrize("prompt", ["a desk", "soft light: 5 o'clock", 'a "quiet" room\n', "ä, ö", "12", "\x07\u200b"])
def test_usual_prompts_are_read_fast(prompt: str) -> None:
    text = dump(lock(cell("scene/lamp", prompt), cell("scene/vase", prompt)))
    assert fast(text) == thorough(text).cells


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    model:", "    # by hand\n    model:"),
        ("    model: m", "    model:  m"),
        ("model: m", "model: 'm'"),
        ("prompt: a desk", "prompt: a desk "),
        ("seed: 42", "seed: 042"),
        ("seed: 42", "seed: 42, seed: 42"),
        ("cells:\n", "cells:\n\n"),
        ("    samples:", "    note: x\n    samples:"),
        ("      - {", "      - [{"),
        ("size: 1024x768", "size: 1024x0768"),
        ("size: 1024x768", "size: [1024x768]"),
        ("image/png", "image/gif"),
        ('paid_usd: "0.04725"', "paid_usd: 0.04725"),
        ('paid_usd: "0.04725"', 'paid_usd: "0.047250"'),
        ("bytes: 1400", "bytes: 1e3"),
        ("    key: ", "    key: 0"),
        ("a desk", '"\\uD800"'),
        ("    key: ", "      - {}\n    key: "),
        ("}\n    key: ", "}\x0b      - {images: []}\n    key: "),
        ("images: [{", "images: [ {"),
        ("    # end of a", "    # end of b"),
        ("    # end of a\n", "    # end of a"),
    ],
)  # fmt: skip
def test_whatever_was_not_written_so_is_left_to_the_thorough_way(old: str, new: str) -> None:
    text = dump(lock(cell("a", "a desk"))).replace("blackforestlabs/flux-2-pro", "m")
    assert fast(text) is not None
    assert old in text
    assert fast(text.replace(old, new)) is None


def test_a_cell_that_stands_twice_is_left_to_the_thorough_way() -> None:
    text = dump(lock(cell("a")))
    assert fast(text + text.partition(HEAD)[2]) is None
    assert read(text + text.partition(HEAD)[2]) == (lock(cell("a")), [])
    other = dump(lock(cell("a", "another"))).partition(HEAD)[2]
    assert [problem.code for problem in read(text + other)[1]] == ["lock-conflict"]


def test_a_sample_that_stands_twice_is_left_to_the_thorough_way() -> None:
    text = dump(lock(cell("a", variants=1)))
    (line,) = [line for line in text.splitlines() if line.startswith("      - ")]
    assert fast(text.replace(line, f"{line}\n{line}")) is None


def test_a_section_that_two_branches_began_is_left_to_the_thorough_way() -> None:
    text = dump(lock(cell("a"))) + dump(lock(cell("b"))).removeprefix("lock: 1\n")
    assert read(text)[0].cells.keys() == {"a", "b"}
    text = dump(lock(cell("b"))).replace(HEAD, "cells: {}\n" + HEAD)
    assert read(text)[0].cells.keys() == {"b"}


def test_what_stands_above_the_cells_is_read_thoroughly() -> None:
    text = dump(lock(cell("a"))).replace("lock: 1\n", "lock: 1   # ours\npicks: {a: {image: 2}}\n")
    found, problems = read(text)
    assert (found.picks["a"].image, list(found.cells), problems) == (2, ["a"], [])
    assert [problem.code for problem in read(text.replace("image: 2", "image: x"))[1]] == ["pick"]


def test_a_flood_of_brackets_is_left_to_the_thorough_way() -> None:
    text = dump(lock(cell("a"))).replace("a desk", "[" * 100_000)
    assert fast(text) is None
