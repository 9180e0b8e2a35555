"""Schemas of strangers: what is refused before anything compiles it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.catalog import guard


def ring(**parts: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": parts}


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"$ref": "file:///etc/passwd"}, "leads out of the file"),
        ({"$ref": "other.json#/a"}, "leads out of the file"),
        ({"$ref": "#/$defs/none"}, "leads nowhere"),
        ({"$id": "https://example.com/"}, "$id is not taken"),
        ({"$dynamicRef": "#a"}, "$dynamicRef is not taken"),
        ({"patternProperties": {"^(x+x+)+y$": {}}}, "patternProperties is not taken"),
        ({"items": {"pattern": "(a+)+$"}}, "pattern repeats a group"),
        ({"uniqueItems": True}, "uniqueItems needs a maxItems"),
        ({"uniqueItems": True, "maxItems": 6000}, "uniqueItems needs a maxItems"),
        ({"type": "strin"}, "'strin' is not valid"),
        ({"maximum": "ten"}, "is not of type 'number'"),
        ({"anyOf": [{"not": {"$ref": "http://example.com"}}]}, "leads out of the file"),
    ],
)
def test_a_part_that_could_fetch_stall_or_mean_nothing_is_refused(part: dict[str, Any], reason: str) -> None:
    found = guard.fault({"type": "object", "properties": {"a": part}})
    assert found is not None
    assert reason in found
    assert found.startswith("request")


@pytest.mark.parametrize(
    "part",
    [
        {"type": "string", "pattern": "^#([0-9a-f]{6}|[0-9a-f]{8})$"},
        {"type": "array", "uniqueItems": True, "maxItems": 10},
        {"$ref": "#/$defs/size"},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    ],
)
def test_what_request_schemas_need_is_taken(part: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": part}, "$defs": {"size": {"type": "integer"}}}
    assert guard.fault(schema) is None


def test_a_reference_to_itself_is_refused() -> None:
    assert "back to itself" in str(guard.fault(ring(a={"$ref": "#/$defs/a"})))
    assert "back to itself" in str(guard.fault(ring(a={"items": {"$ref": "#/$defs/b"}}, b={"$ref": "#/$defs/a"})))


def test_references_that_double_at_each_level_are_refused() -> None:
    doubling: dict[str, Any] = {
        f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(15)
    }
    assert "grows over" in str(guard.fault(ring(a={"$ref": "#/$defs/a0"}, a15={}, **doubling)))


def test_deep_nesting_is_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(90):
        nested = {"items": nested}
    assert "deeper than" in str(guard.fault({"type": "object", "properties": {"a": nested}}))


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a*)*",
        "(a|aa)+",
        "(?:a+)+",
        "(?=a)b",
        r"(a)\1",
        "(?P<x>a)(?P=x)",
        "a*a*a*b",
        "^a|.*.*x",
        ".*.*x",
        "a?" * 9,
        "(a|a)" * 9,
        "a{1,9}a{1,9}a{1,9}",
        "(a{2}){3}",
        "a" * 201,
        "(",
        "[",
        "*",
        "(?i)a",
    ],
)
def test_a_pattern_that_could_take_long_is_refused(pattern: str) -> None:
    assert guard.stalls(pattern) is not None


@pytest.mark.parametrize(
    "pattern",
    ["^[a-z]+$", "^[0-9]+x[0-9]+$", "^https?://", r"^\d{4}-\d{2}-\d{2}$", "^(png|jpe?g|webp)$", "[)(*+]{3}", r"\(\+\*"],
)
def test_plain_patterns_are_taken(pattern: str) -> None:
    assert guard.stalls(pattern) is None


@given(st.text(alphabet="ab()[]|*+?{}1,2^$\\.", max_size=24), st.integers(1, 200))
def test_what_is_taken_is_quick_on_the_longest_text(pattern: str, length: int) -> None:
    if guard.stalls(pattern) is None:
        re.search(pattern, "a" * length + "!")
