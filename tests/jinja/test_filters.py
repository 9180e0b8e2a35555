"""Filters, operators and tests: their results, their mistakes, their bounds."""

from typing import Any

import pytest

from flowrunner.templates import TemplateProblem, expression

SCOPE: dict[str, Any] = {
    "vars": {
        "name": "don't STOP the café",
        "tags": ["warm", 7, True],
        "empty": [],
        "map": {"a": 1, "3": "three"},
        "null": None,
        "zero": 0,
        "long": "x" * 60_000,
        "wide": "é" * 30_000,
        "many": ["y" * 1000] * 100_000,
        "huge": 9007199254740992,
        "list": [None],
        "mixed": ["x", {"a": 1}],
        "nested": {"deep": {"x": 1}},
    }
}


def value(text: str) -> Any:
    return expression(text).render(SCOPE)


def mistake(text: str) -> TemplateProblem:
    with pytest.raises(TemplateProblem) as caught:
        value(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vars.name | lower", "don't stop the café"),
        ("vars.name | upper", "DON'T STOP THE CAFÉ"),
        ("vars.name | title", "Don't Stop The Café"),
        ("'a-b (c) [d' | title", "A-B (C) [D"),
        ("vars.name | capitalize", "Don't stop the café"),
        ("'  x ' | trim", "x"),
        ("'--x-' | trim('-')", "x"),
        ("'a,b,c' | replace(',', ' / ')", "a / b / c"),
        ("7.5 | replace('.', ',')", "7,5"),
        ("vars.tags | join", "warm7true"),
        ("vars.tags | join(', ')", "warm, 7, true"),
        ("vars.empty | join(', ')", ""),
        ("vars.tags | length", 3),
        ("vars.map | length", 2),
        ("'café' | length", 4),
        ("'12' | int", 12),
        ("' -7.9 ' | int", -7),
        ("7.9 | int", 7),
        ("'1e3' | int", 1000),
        ("'7' | float", 7.0),
        ("'.5' | float", 0.5),
        ("2.6 | round", 3),
        ("2.5 | round", 2),
        ("7 | round(2)", 7),
        ("2.345 | round(2)", 2.35),
        ("vars.tags | first", "warm"),
        ("vars.tags | last", True),
        ("vars.none | default('x')", "x"),
        ("vars.none | default", ""),
        ("vars.nested.no.way.down | default(1)", 1),
        ("vars.null | default('x')", None),
        ("vars.null | default('x', true)", "x"),
        ("vars.zero | default(5)", 0),
        ("vars.zero | default(5, true)", 5),
        ("vars.none | default(vars.zero)", 0),
        ("vars.none | default(vars.no) | default([1])", [1]),
        ("vars.empty | first | default('none')", "none"),
        ("vars.none | last | default('none')", "none"),
        ("(vars.none if vars.zero else vars.no) | default('z')", "z"),
        ("'a' in vars.map", True),
        ("3 in vars.map", True),
        ("7 in vars.tags", True),
        ("'a' < 'b'", True),
        ("2 >= 2.0", True),
        ("1 == '1'", False),
        ("vars.nested.deep == vars.nested['deep']", True),
    ],
)
def test_a_filter_or_operator_gives(text: str, expected: object) -> None:
    found = value(text)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vars.null | upper", "vars.null is null here"),
        ("vars.map | lower", "vars.map is a mapping and cannot stand in text"),
        ("vars.tags | trim", "vars.tags is a list and cannot stand in text"),
        ("vars.list | join", "item 1 of vars.list is null and cannot be joined"),
        ("vars.mixed | join(', ')", "item 2 of vars.mixed is a mapping and cannot be joined"),
        ("vars.tags | join(none)", "the separator of join is null"),
        ("vars.empty | join(vars.map)", "the separator of join is a mapping"),
        ("'abc' | join('-')", "join takes a list, and 'abc' is text"),
        ("vars.map | first", "first takes a list, and vars.map is a mapping"),
        ("vars.name | last", "last takes a list, and vars.name is text"),
        ("vars.empty | first", "vars.empty is empty and has no first item"),
        ("vars.zero | length", "length takes text, a list or a mapping, and vars.zero is a number"),
        ("'x7' | int", "int makes a number of text such as 7.5, and 'x7' is \"x7\""),
        ("'1_000' | int", "int makes a number of text such as 7.5, and '1_000' is \"1_000\""),
        ("'٣' | int", "int makes a number of text such as 7.5, and '٣' is \"٣\""),
        ("'' | float", "float makes a number of text such as 7.5, and '' is \"\""),
        ("true | int", "int makes a number of text such as 7.5, and true is true"),
        ("'nan' | float", "float makes a number of text such as 7.5, and 'nan' is \"nan\""),
        ("'1e999' | float", "'1e999' gives a number over 2^53, which is not exact"),
        ("'1e-400' | float", "'1e-400' gives a number that is too small to be more than 0"),
        ("vars.huge + 1", "vars.huge + 1 gives a number over 2^53, which is not exact"),
        ("'a' | round", "round takes a number, and 'a' is text"),
        ("1 | round(-1)", "round takes the number of decimals, from 0 to 15"),
        ("1 | round('x')", "round takes the number of decimals, from 0 to 15"),
        ("'abc' | replace('', 'x')", "replace has no text to look for"),
        ("vars.name + 1", "vars.name + 1 takes numbers, and a value in it is text"),
        ("1 - true", "1 - true takes numbers, and a value in it is true"),
        ("-vars.name", "vars.name takes numbers, and a value in it is text"),
        ("1 < 'a'", "1 < 'a' compares a number with text"),
        ("vars.null >= 1", "vars.null >= 1 compares null with a number"),
        ("1 in 'abc'", "1 in 'abc' looks for a number in text"),
        ("1 not in 5", "1 not in 5 looks for a number in a number"),
        ("'a' ~ vars.null", "vars.null is null here"),
    ],
)
def test_a_value_that_does_not_fit_is_a_problem(text: str, message: str) -> None:
    found = mistake(text)
    assert (found.message, found.code) == (message, "template-value")


@pytest.mark.parametrize(
    "text",
    [
        "vars.long ~ vars.long",
        "vars.wide ~ vars.wide",
        "vars.long | replace('x', 'xxxxxxxx')",
        "vars.tags | join(vars.long)",
    ],
)
def test_no_text_grows_beyond_its_limit(text: str) -> None:
    found = mistake(text)
    assert (found.message, found.code) == ("this text would be longer than 64 KiB", "template-limit")


@pytest.mark.parametrize("text", ["vars.many | join", "vars.many | join(', ') | length"])
def test_no_more_than_2000_items_are_joined(text: str) -> None:
    found = mistake(text)
    assert found.message.startswith("join takes at most 2,000 items, and vars.many has ")
    assert found.code == "template-limit"


def test_a_text_may_be_64_kib_long() -> None:
    scope = {"vars": {"half": "x" * 32 * 1024}}
    assert len(expression("vars.half ~ vars.half").render(scope)) == 64 * 1024


def test_a_mistake_marks_the_operator_with_its_values() -> None:
    text = "1 == 1 and vars.name + 1"
    with pytest.raises(TemplateProblem) as caught:
        value(text)
    assert text[caught.value.start : caught.value.end] == "vars.name + 1"
