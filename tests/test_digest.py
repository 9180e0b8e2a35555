"""Digests of JSON values."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.digest import canonical, sha256, tagged

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (7.5, 7.50),
        (2, 2.0),
        ([1, {"x": 2.0}], (1, {"x": 2})),
        (-0.0, 0),
        (1e3, 1000),
    ],
)
def test_equal_values_have_one_text(one: Any, two: Any) -> None:
    assert canonical(one) == canonical(two)
    assert tagged("t", one) == tagged("t", two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (1, "1"),
        (1, True),
        (0, False),
        (None, "null"),
        ([], {}),
        ([1, 2], [2, 1]),
        ([[1], 2], [1, [2]]),
        ("é", "e\u0301"),
        ("", None),
        ({"a": None}, {}),
        (0.1, 0.10000000000000002),
    ],
)
def test_values_that_differ_have_different_digests(one: Any, two: Any) -> None:
    assert tagged("t", one) != tagged("t", two)


def test_the_tag_keeps_kinds_of_things_apart() -> None:
    assert tagged("call/1", "x") != tagged("cell/1", "x")
    assert tagged("a", "b") != sha256(b"b")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_what_json_cannot_carry_has_no_digest(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical(value)


@given(_JSON)
def test_the_one_text_is_json_of_the_same_value(value: Any) -> None:
    assert json.loads(canonical(value)) == value


@given(st.dictionaries(st.text(max_size=4), st.integers(), max_size=5), st.randoms())
def test_the_order_of_keys_counts_for_nothing(value: dict[str, int], chance: Any) -> None:
    items = list(value.items())
    chance.shuffle(items)
    assert canonical(dict(items)) == canonical(value)
