"""A text and places in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.source import Source, Span

SOURCE = Source("a/b.yaml", "one\ntwö 🦖\n\nlast")


@pytest.mark.parametrize(
    ("start", "end", "line", "column", "end_line", "end_column", "text"),
    [
        (0, 3, 1, 1, 1, 4, "one"),
        (4, 7, 2, 1, 2, 4, "twö"),
        (8, 9, 2, 5, 2, 6, "🦖"),
        (10, 10, 3, 1, 3, 1, ""),
        (11, 15, 4, 1, 4, 5, "last"),
        (0, 7, 1, 1, 2, 4, "one\ntwö"),
        (15, 15, 4, 5, 4, 5, ""),
        (3, 2, 1, 4, 1, 4, ""),
    ],
)
def test_a_place_counts_lines_and_columns_from_one_in_code_points(
    start: int, end: int, line: int, column: int, end_line: int, end_column: int, text: str
) -> None:
    span = Span(SOURCE, start, end)
    assert (span.line, span.column, span.end_line, span.end_column) == (line, column, end_line, end_column)
    assert (span.text, span.file, str(span)) == (text, "a/b.yaml", f"a/b.yaml:{line}:{column}")


@pytest.mark.parametrize(
    ("number", "text"), [(1, "one"), (2, "twö 🦖"), (3, ""), (4, "last"), (0, ""), (5, ""), (-1, "")]
)
def test_a_line_stands_without_its_line_feed(number: int, text: str) -> None:
    assert SOURCE.line(number) == text


@given(st.text("ab\n", max_size=20), st.integers(0, 20))
def test_a_place_leads_back_to_its_character(text: str, at: int) -> None:
    source = Source("x", text)
    span = Span(source, min(at, len(text)), min(at, len(text)))
    assert source.starts[span.line - 1] + span.column - 1 == span.start
    assert source.line(span.line)[: span.column - 1] == text[source.starts[span.line - 1] : span.start]
