"""Problems: folded, sorted, shown."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.problems import (
    Problem,
    Severity,
    as_annotations,
    as_json,
    as_text,
    dump,
    error,
    strict,
    tally,
    tidy,
    warning,
)
from flowrunner.source import Source, Span

SOURCE = Source("shared/brand.yaml", "sizes:\n    banner: {width: 1920, height: 600}\n\ttabbed: x\n漢字: wert\n")


def place(word: str, source: Source = SOURCE) -> Span:
    start = source.text.index(word)
    return Span(source, start, start + len(word))


def of(cell: str, message: str = "height 600 is not a multiple of 32") -> Problem:
    step = place("sizes")
    return Problem(
        code="size-step", message=message, span=place("600"), hint="write 608", cells=(cell,), of=36, step=step
    )


def test_a_problem_reads_place_message_line_caret_and_what_to_do() -> None:
    assert as_text([error("size-step", "height 600 is not a multiple of 32", place("600"), "write 608 or 576")]) == (
        "shared/brand.yaml:2:35: error: height 600 is not a multiple of 32  [size-step]\n"
        "   2 |     banner: {width: 1920, height: 600}\n"
        "     |                                   ^~~ write 608 or 576"
    )


def test_one_fault_of_many_cells_is_told_once_with_how_many_and_the_first() -> None:
    (found,) = tidy([of("frame/lamp/banner"), of("frame/vase/banner"), of("frame/lamp/banner")])
    assert found.cells == ("frame/lamp/banner", "frame/vase/banner")
    assert as_text([found]).splitlines()[-1] == (
        "     = frame (shared/brand.yaml:1): 2 of 36 cells, first frame/lamp/banner"
    )


def shared(*cells: str, more: int = 0) -> str:
    """The note under a fault in `defaults`, which each of these cells takes."""
    source = Source("show.yaml", "defaults: 600\nsteps:\n  one: 1\n  two: 2\n  three: 3\n  four: 4\n  five: 5\n")
    steps = {cell: place(cell.partition("/")[0], source) for cell in cells}
    found = [
        replace(of(cell), span=place("600", source), of=1 + more, step=replace(step, end=step.end + 3))
        for cell, step in steps.items()
    ]
    once = tidy(found)
    assert tidy(once) == once
    assert len(once) == 1
    return as_text(once).splitlines()[-1].removeprefix("     = ")


def test_a_fault_outside_of_its_step_names_it() -> None:
    assert shared("two") == "two (show.yaml:4)"


def test_one_fault_of_many_steps_is_told_once_and_names_them() -> None:
    assert shared("one", "two") == "one, two: 2 of 2 cells, first one"
    assert shared("one/a", "two/a", more=1) == "one, two: 2 of 4 cells, first one/a"
    assert shared("one", "two", "three", "four", "five") == (
        "one, two, three, four and 1 more: 5 of 5 cells, first one"
    )


def test_a_fault_within_its_step_does_not_name_it() -> None:
    assert as_text([replace(of("frame"), of=1, step=Span(SOURCE, 0, place("600").end))]).count("\n") == 2


def test_steps_in_which_the_same_rule_says_something_else_are_told_apart() -> None:
    other = replace(of("edit"), message="height 600 is not a multiple of 64", step=place("banner"))
    assert [found.cells for found in tidy([of("frame"), other])] == [("frame",), ("edit",)]


def test_a_problem_without_a_place_names_its_file() -> None:
    found = Problem(code="file", message="x.yaml does not exist", file="x.yaml", hint="look for it")
    assert as_text([found]) == "x.yaml: error: x.yaml does not exist  [file]\n     = look for it"


def test_wide_characters_and_tabs_move_the_caret() -> None:
    wide = as_text([error("x", "m", place("wert"))]).splitlines()
    assert wide[2] == "     |       ^~~~"
    tabbed = as_text([error("x", "m", Span(SOURCE, place("tabbed").end + 2, place("tabbed").end + 3))]).splitlines()
    assert tabbed[1].index("x") == tabbed[2].index("^")


def test_a_long_line_is_cut_to_a_window_around_the_place() -> None:
    source = Source("a.yaml", "k: " + "x" * 300 + "HERE" + "y" * 300)
    shown = as_text([error("x", "m", place("HERE", source))]).splitlines()
    assert len(shown[1]) < 220
    assert shown[1].index("HERE") == shown[2].index("^")
    assert shown[1].count("…") == 2


def test_what_hides_in_a_file_is_spelled_out() -> None:
    source = Source("a\x1b.yaml", "k: a\u202eb\x1b[31m")
    shown = as_text([error("x", "m\x07", place("k", source), "h\x1b")])
    assert not any(character in shown for character in "\x1b\x07\u202e")


def test_problems_are_sorted_by_file_place_and_severity() -> None:
    other = Source("a.yaml", "abc")
    found = [
        warning("w", "later", place("600")),
        error("e", "same place", place("banner")),
        warning("w", "same place", place("banner")),
        error("e", "other file", Span(other, 2, 3)),
    ]
    told = [(problem.code, problem.message) for problem in tidy(reversed(found))]
    assert told == [("e", "other file"), ("e", "same place"), ("w", "same place"), ("w", "later")]


@given(
    st.permutations([of("frame/a"), of("frame/b"), error("z", "m", place("sizes")), warning("a", "n", place("sizes"))])
)
def test_the_order_in_which_problems_were_found_counts_for_nothing(found: list[Problem]) -> None:
    assert [problem.code for problem in tidy(found)] == ["z", "a", "size-step"]


def test_strictness_makes_errors_of_warnings() -> None:
    assert [problem.severity for problem in strict([warning("w", "m"), error("e", "m")])] == [Severity.ERROR] * 2


@pytest.mark.parametrize(
    ("errors", "warnings", "files", "text"),
    [
        (0, 0, 1, "no problems in 1 file"),
        (0, 0, 3, "no problems in 3 files"),
        (1, 0, 1, "1 error in 1 file"),
        (2, 1, 1, "2 errors and 1 warning in 1 file"),
        (0, 2, 2, "2 warnings in 2 files"),
    ],
)
def test_problems_are_counted(errors: int, warnings: int, files: int, text: str) -> None:
    assert tally([error("e", "m")] * errors + [warning("w", "m")] * warnings, files) == text


def test_json_has_the_promised_fields() -> None:
    (record,) = as_json([of("frame/lamp")])
    assert record == {
        "code": "size-step",
        "severity": "error",
        "message": "height 600 is not a multiple of 32",
        "hint": "write 608",
        "file": "shared/brand.yaml",
        "line": 2,
        "column": 35,
        "end_line": 2,
        "end_column": 38,
        "cells": ["frame/lamp"],
    }
    assert json.loads(dump([of("frame/lamp")])) == {"problems": [record]}
    (bare,) = as_json([Problem(code="file", message="m", file="x.yaml")])
    assert (bare["file"], bare["line"], bare["end_column"]) == ("x.yaml", None, None)


def test_annotations_are_workflow_commands_that_text_cannot_leave() -> None:
    shown = as_annotations([error("x", "100%\n::error::gone", place("600"), "do: this, that")])
    assert shown == (
        "::error file=shared/brand.yaml,line=2,col=35,endLine=2,endColumn=38,title=x::"
        "100%25\\n::error::gone%0Ado: this, that"
    )
    assert "\n" not in shown
