"""Writing locks: a golden file, and text that comes back as it was."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from store_locks import cell, hexed, lock, read, sample

from flowrunner.store.locked import Acceptance, Lock, LockedCell, LockedSample, Pick
from flowrunner.store.locktext import Written, dump, flow, text

GOLDEN = Path(__file__).with_name("spring.lock.yaml")

SPRING = Lock(
    inputs={"season": "winter", "logo": "assets/winter.png", "strength": 0.5, "count": 3, "draft": False},
    picks={
        "scene/vase": Pick(image=None, by="Anna Berg", why="all four tilt", for_=hexed("vase")),
        "scene/lamp": Pick(
            image=3, digest=hexed("lamp"), by="Anna Berg", why="the shade reads at small size", for_=hexed("lamp's key")
        ),
    },
    accepts={
        "headline/lamp": Acceptance(
            stands=hexed("headline's key"), for_=hexed("mended"), by="Anna Berg", why="a comma: nobody sees it"
        )
    },
    models={"image/annotate": hexed("annotate"), "blackforestlabs/flux-2-pro-edit": hexed("edit")},
    cells={
        "scene/lamp": cell("scene/lamp", "Brass desk lamp on an oak desk,\nsoft light: 5 o'clock", variants=3),
        "headline/lamp": LockedCell(
            cell="headline/lamp",
            model="image/annotate",
            with_={"image": f"sha256:{hexed('lamp')}", "text": "No", "box": [0.25, 0, 1, 1e-07], "size": None},
            samples=(sample("headline", paid=0, pixels=hexed("pixels")),),
            key=hexed("headline's key"),
        ),
        "wall": LockedCell(
            cell="wall", model="m", with_={}, samples=(LockedSample(key=hexed("wall"), images=()),), key=hexed("w")
        ),
    },
)


def test_a_lock_reads_as_its_golden_file_does() -> None:
    assert dump(SPRING) == GOLDEN.read_text(encoding="utf-8")


def test_the_golden_file_holds_that_lock() -> None:
    assert read(GOLDEN.read_text(encoding="utf-8")) == (SPRING, [])


def test_the_order_of_what_is_given_changes_nothing() -> None:
    turned = Lock(
        inputs=dict([*SPRING.inputs.items()][::-1]),
        picks=dict([*SPRING.picks.items()][::-1]),
        accepts=dict([*SPRING.accepts.items()][::-1]),
        models=dict([*SPRING.models.items()][::-1]),
        cells=dict([*SPRING.cells.items()][::-1]),
    )
    assert dump(turned) == dump(SPRING)


def test_what_was_written_before_is_not_mistaken_for_what_is_new() -> None:
    written: Written = {}
    for one in (cell("a"), cell("a", "another"), cell("b"), cell("a")):
        assert dump(lock(one), written) == dump(lock(one))


def test_an_empty_lock_has_only_its_version() -> None:
    assert dump(Lock()) == "lock: 1\n"


@pytest.mark.parametrize("plain", ["oak", "an oak desk", "a.b/c_d-e", "sha256:0d1e", "1024x1024", "Größe", "it's 5 m!"])
def test_what_everyone_reads_as_text_is_plain(plain: str) -> None:
    assert text(plain) == plain


SYNTAX = ["", " a", "a ", "a:", "a: b", "a #b", "a, b", "#ff", "- a", "? a", "{a}", "[a]", "&a", "*a", "!a", "|", ">"]
SYNTAX += ["%a", "@a", "`a", "'a'", '"a"', "<<", "=", "---", "...", "{{ x }}", "data:x"]
NO_TEXT = ["true", "No", "on", "null", "~", "1", "-1", "1e3", "0.5", ".5", "0x1F", "007", "1_000", "16:9"]
NO_TEXT += ["2024-01-01", "12:30:45", "2024-01-01T10:00:00Z"]
HIDDEN = ["\t", "a\nb", "\x00", "\x1b[31m", "\u202e", "\u200b", "\u00a0", "\ufeff", "\uffff", "\U000e0041"]


@pytest.mark.parametrize("unsafe", [*SYNTAX, *NO_TEXT, *HIDDEN])
def test_what_someone_reads_as_something_else_is_quoted(unsafe: str) -> None:
    shown = text(unsafe)
    assert shown.startswith('"')
    assert yaml.safe_load(shown) == unsafe
    assert all(character.isprintable() for character in shown)


def test_a_number_that_a_reader_may_round_is_shown_as_text() -> None:
    assert flow([2**53, 2**53 + 1, -1e17]) == '[9007199254740992, "9007199254740993", "-100000000000000000"]'


def test_equal_numbers_are_written_alike() -> None:
    assert flow([2.0, 2, 7.50, True]) == "[2, 2, 7.5, true]"


def normal(word: str) -> str:
    """Text as the loader gives it: NFC, and LF for every line end."""
    return unicodedata.normalize("NFC", word.replace("\r\n", "\n").replace("\r", "\n"))


CHARACTERS = "ab1-?:#,[]{}&*!|>'\"%@`~. \t\n\r\\/=<"
WORDS = st.one_of(
    st.text(max_size=30),
    st.text(alphabet=CHARACTERS, max_size=12),
    st.sampled_from(["true", "null", "1e3", "0x1F", "16:9", "- a", "a: b", "a #b", "\x85", "\u2028", "é", "👩‍💻"]),
)
LOADED = WORDS.map(normal)
NUMBERS = st.one_of(
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-(2.0**53), max_value=2.0**53),
)
VALUES = st.recursive(
    st.one_of(LOADED, NUMBERS, st.booleans(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LOADED, inner, max_size=3),
    max_leaves=8,
)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(word=WORDS)
def test_any_text_is_the_same_text_to_every_reader(word: str) -> None:
    assert yaml.safe_load(text(word)) == word
    assert yaml.safe_load(f"[{text(word)}, {{k: {text(word)}}}]") == [word, {"k": word}]


@given(params=st.dictionaries(LOADED, VALUES, max_size=4), name=LOADED, why=LOADED, given=VALUES, key=DIGESTS)
def test_any_lock_comes_back_as_it_was(params: dict[str, Any], name: str, why: str, given: Any, key: str) -> None:
    one = LockedCell(cell=name, model=why, with_=params, samples=(sample(name),), key=key)
    inputs = {} if isinstance(given, list | dict) else {name: given}
    before = lock(one, picks={name: Pick(image=1, why=why, by=name, digest=key)}, inputs=inputs, models={name: key})
    after, problems = read(dump(before))
    assert (after, problems) == (before, [])
    assert dump(after) == dump(before)
