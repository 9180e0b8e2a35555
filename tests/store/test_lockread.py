"""Reading locks: what people write into them, what does not fit, and limits."""

from pathlib import Path
from unittest.mock import patch

import pytest
from store_locks import cell, hexed, lock, read, sample

from flowrunner.problems import Problem, as_text
from flowrunner.source import Source
from flowrunner.store import lockread
from flowrunner.store.locked import Lock, Pick
from flowrunner.store.lockread import parse
from flowrunner.store.locktext import dump

KEY = hexed("key")
CELL = f"""  scene/lamp:
    model: m
    with: {{prompt: a}}
    samples:
      - {{images: [{{sha256: {hexed("i")}, type: image/png, size: 64x32}}], paid_usd: "0.04725", key: {KEY}}}
    key: {KEY}
"""


def told(text: str) -> list[tuple[str, int]]:
    """The code and line of every problem."""
    return [(problem.code, problem.span.line if problem.span else 0) for problem in read(text)[1]]


def only(text: str) -> Problem:
    (problem,) = read(text)[1]
    return problem


@pytest.mark.parametrize(
    ("written", "pick"),
    [
        ("{image: 3}", Pick(image=3)),
        ("{image: none}", Pick(image=None)),
        ('{image: none, why: "all tilt: badly"}', Pick(image=None, why="all tilt: badly")),
        (f"{{image: 1, digest: sha256:{KEY}, by: Ann, for: {KEY}}}", Pick(image=1, digest=KEY, by="Ann", for_=KEY)),
        ("\n    image: 2\n    why: |\n      sharper\n", Pick(image=2, why="sharper\n")),
        ("{image: 3}   # I like it", Pick(image=3)),
    ],
)
def test_a_pick_may_be_written_by_hand(written: str, pick: Pick) -> None:
    assert read(f"lock: 1\npicks:\n  scene/lamp: {written}\n") == (Lock(picks={"scene/lamp": pick}), [])


@pytest.mark.parametrize(
    ("written", "code", "says"),
    [
        ("{image: first}", "pick", "image: N"),
        ("{image: 0}", "pick", "image: N"),
        ("{image: 1.5}", "pick", "image: N"),
        ("{image: true}", "pick", "image: N"),
        ("{why: nice}", "pick", "image: N"),
        ("3", "type", "the pick of scene/lamp is a mapping"),
        ("{image: 3, digest: 9be1}", "digest", "sha256: and 64"),
        (f"{{image: 3, digest: {KEY}}}", "digest", "sha256: and 64"),
        ("{image: 3, for: 9be1}", "digest", "64 hexadecimal"),
        ("{image: 3, reason: nice}", "unknown-key", "reason"),
        ("{image: 3, why: 7}", "type", "why is text"),
    ],
)
def test_a_wrong_pick_is_named_with_its_place(written: str, code: str, says: str) -> None:
    problem = only(f"lock: 1\npicks:\n  a: {{image: 1}}\n  scene/lamp: {written}\n")
    assert (problem.code, problem.cells) == (code, ("scene/lamp",))
    assert says in problem.message
    assert problem.span
    assert problem.span.line == 4


def test_what_is_sound_is_read_beside_what_is_not() -> None:
    found, problems = read(f"lock: 1\npicks:\n  a: {{image: 1}}\n  b: {{image: x}}\ncells:\n{CELL}")
    assert list(found.picks) == ["a"]
    assert list(found.cells) == ["scene/lamp"]
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("size: 64x32", "size: 64 by 32"),
        ("size: 64x32", "size: 0x32"),
        ("image/png", "image/gif"),
        ("image/png", "{a: b}"),
        ('"0.04725"', "0.04725"),
        ('"0.04725"', '"free"'),
        ('"0.04725"', '"-1"'),
        (f"key: {KEY}}}", "key: ../../etc/passwd}"),
        (f"sha256: {hexed('i')}", "sha256: ../../etc/passwd"),
        (f"sha256: {hexed('i')}, ", ""),
        ("with: {prompt: a}", "with: a"),
        ("    model: m\n", ""),
        ("    model: m\n", "    model: m\n    extra: 1\n"),
        ("model: m", "model: [m]"),
        (f"    key: {KEY}\n", "    key: 1\n"),
    ],
)
def test_a_cell_that_does_not_fit_is_named(before: str, after: str) -> None:
    assert before in CELL
    problems = read("lock: 1\ncells:\n" + CELL.replace(before, after))[1]
    assert {problem.cells for problem in problems} == {("scene/lamp",)}


@pytest.mark.parametrize("version", ["2", "true", "1.0", '"1"', "{a: b}", "null"])
def test_a_lock_of_another_version_is_refused(version: str) -> None:
    found, problems = read(f"lock: {version}\ncells:\n{CELL}")
    assert found == Lock()
    assert [problem.code for problem in problems] == ["lock-version"]


@pytest.mark.parametrize("text", ["", "- a", "a", "cells: {}"])
def test_what_is_no_lock_is_refused(text: str) -> None:
    found, problems = read(text)
    assert found == Lock()
    assert len(problems) == 1


def test_an_unknown_section_is_named() -> None:
    assert told("lock: 1\ncell: {}\n") == [("unknown-key", 2)]


def test_empty_sections_hold_nothing() -> None:
    assert read("lock: 1\ninputs:\npicks: {}\nmodels:\ncells:\n") == (Lock(), [])


def test_a_lock_of_hundreds_of_cells_is_within_the_limits() -> None:
    big = lock(*(cell(f"scene/{number}", variants=4) for number in range(250)))
    assert read(dump(big)) == (big, [])


def test_samples_of_many_images_are_within_the_limits() -> None:
    images = sample("many").images * 16
    samples = tuple(type(sample())(key=hexed(number), images=images) for number in range(60))
    one = cell("wall")
    big = lock(type(one)(cell="wall", model="m", with_={}, samples=samples, key=KEY))
    assert read(dump(big)) == (big, [])


def test_values_beyond_what_the_samples_need_are_refused() -> None:
    assert told("lock: 1\ninputs:\n  a: [" + "1, " * 12_000 + "1]\n") == [("too-large", 3)]


def test_a_lock_that_is_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockread, "LIMIT", 100)
    monkeypatch.setattr("flowrunner.loading.document.parse", None)
    assert [problem.code for problem in parse(Source("a", "x" * 101))[1]] == ["too-large"]


def test_a_broken_lock_of_countless_blocks_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockread._Blocks, "_read", None)
    found, problems = read("lock: 1\n}\ncells:\n" + "  a: {}\n" * 10_001)
    assert (found, len(problems)) == (Lock(), 1)


PICTURE = CELL.partition("{sha256: ")[2][:6]
TWICE = CELL + CELL.replace("prompt: a", "prompt: b")
WOVEN = CELL + CELL.replace("prompt: a", "prompt: b").split("\n", 2)[2]
SAMPLES = CELL.replace("    key:", CELL.split("\n")[4] + "\n    key:")


@pytest.mark.parametrize(
    ("cells", "line", "says"),
    [
        (TWICE, 6, f"lines 6 to 11 (prompt a, picture {PICTURE}) and lines 12 to 17 (prompt b, picture {PICTURE})"),
        (WOVEN, 6, "with at lines 8 and 12, samples at lines 9 and 13, key at lines 11 and 15"),
        (SAMPLES, 11, "the same samples at lines 10 and 11"),
        ("  scene/lamp:\n    with: {prompt: a\n    model: m\n", 6, "lines 6 to 8"),
        ("  scene/lamp:\n", 6, "nothing is left"),
    ],
    ids=["repeated cell", "repeated key", "repeated sample", "no YAML", "empty"],
)
def test_a_cell_of_two_versions_is_named_with_both_places(cells: str, line: int, says: str) -> None:
    other = CELL.replace("scene/lamp", "scene/vase")
    found, problems = read(f"lock: 1\nmodels:\n  m: sha256:{KEY}\n\ncells:\n{cells}{other}")
    assert list(found.cells) == ["scene/vase"]
    assert [(problem.code, problem.cells) for problem in problems] == [("lock-conflict", ("scene/lamp",))]
    assert problems[0].span
    assert problems[0].span.line == line
    assert says in problems[0].message


def test_a_repeated_pick_is_named() -> None:
    found, problems = read("lock: 1\npicks:\n  a: {image: 1}\n  b: {image: 1}\n  a: {image: 2}\n  c: {image: 3}\n")
    assert sorted(found.picks) == ["b", "c"]
    assert [(problem.code, problem.cells) for problem in problems] == [("lock-conflict", ("a",))]
    assert "line 3 (image 1) and line 5 (image 2)" in problems[0].message


def test_what_both_sides_wrote_to_the_letter_is_read_once() -> None:
    other = CELL.replace("scene/lamp", "scene/vase")
    pick, model = "  a: {image: 1}\n", f"  m: sha256:{KEY}\n"
    sound = f"lock: 1\npicks:\n{pick}models:\n{model}cells:\n{CELL}{other}"
    assert read(f"{sound}{CELL}models:\n{model}picks:\n{pick}") == read(sound)


def test_what_a_merge_left_below_another_header_is_read_as_what_it_is() -> None:
    said = f"  b: {{why: x, stands: {KEY}, for: {KEY}}}\n"
    pick, model = "  a:\n    {image: 1}\n", f"  m: sha256:{KEY}\n"
    sound = f"lock: 1\npicks:\n{pick}accepts:\n{said}models:\n{model}cells:\n{CELL}"
    assert read(sound)[1] == []
    assert read(f"lock: 1\naccepts:\n{pick}{said}{model}cells:\n{CELL}") == read(sound)
    assert read(f"lock: 1\npicks:\n{CELL}accepts:\n{said}picks:\n{model}{pick}") == read(sound)


def test_what_is_wrong_in_a_lock_is_told_also_where_something_was_moved() -> None:
    problems = read(f"lock: 1\naccepts:\n  a: {{image: 1}}\n  b: {{why: x, stands: 1, for: {KEY}}}\n")[1]
    assert any(problem.code == "digest" for problem in problems)


def test_a_section_that_both_sides_began_is_read_as_one() -> None:
    found, problems = read("lock: 1\npicks:\n  a: {image: 1}\npicks:\n  b: {image: 2}\n")
    assert (found, problems) == (Lock(picks={"a": Pick(image=1), "b": Pick(image=2)}), [])


def test_a_fault_in_a_broken_lock_stands_at_its_own_place() -> None:
    problems = read(f"lock: 1\ncells:\n{TWICE}picks:\n  a: {{image: none, why: 3}}\n")[1]
    assert [str(problem.span) for problem in problems] == ["a.lock.yaml:3:3", "a.lock.yaml:16:25"]
    assert 'write "3"' in as_text(problems)


def test_a_broken_lock_of_another_version_is_refused() -> None:
    assert ("lock-version", 1) in told(f"lock: 2\ncells:\n{TWICE}")


def test_only_a_lock_that_is_read_as_yaml_has_its_digests_counted() -> None:
    text = dump(lock(cell("a")))
    with patch.object(lockread, "_DIGEST", wraps=lockread._DIGEST) as digests:
        assert read(text) == (lock(cell("a")), [])
        assert digests.findall.call_count == 0
        read(text.replace("prompt: a desk", "prompt:  a desk"))
        assert digests.findall.call_count == 1


def test_marks_of_a_merge_are_told_once() -> None:
    text = f"lock: 1\ncells:\n<<<<<<< HEAD\n{CELL}=======\n{CELL}>>>>>>> two\n"
    assert told(text) == [("lock-conflict", 3)]


def test_what_is_no_yaml_outside_every_entry_is_told() -> None:
    assert told(f"lock: 1\n}}\ncells:\n{CELL}") == [("yaml", 2)]


def test_a_lock_that_ends_in_the_middle_is_told_as_that_wherever_it_was_cut() -> None:
    text = (Path(__file__).parent / "spring.lock.yaml").read_text()
    whole, none = read(text)
    assert not none
    for end in (end for end in range(len("lock: 1\n") + 1, len(text), 29) if text[end - 1] != "\n"):
        found, problems = read(text[:end])
        assert {problem.code for problem in problems} <= {"lock-cut"}
        assert all(one == whole.cells[name] for name, one in found.cells.items())


def test_the_entry_that_was_cut_off_is_named_and_those_before_it_are_read() -> None:
    text = dump(lock(cell("a"), cell("b")))
    found, (problem,) = read(text[: text.index("  b:") + 12])
    assert list(found.cells) == ["a"]
    assert (problem.code, problem.cells, problem.message[:35]) == (
        "lock-cut",
        ("b",),
        "the file ends in the middle of b: i",
    )
