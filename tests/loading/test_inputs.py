"""Inputs as declared."""

from typing import Any

import pytest
from written import STEP, fault, read

from flowrunner.loading.inputs import mismatch
from flowrunner.pipeline import InputSpec, InputType


def spec(text: str) -> InputSpec:
    return read(f"inputs: {{x: {text}}}\n{STEP}").inputs["x"]


@pytest.mark.parametrize("kind", InputType)
def test_an_input_has_a_type(kind: InputType) -> None:
    assert spec(f"{{type: {kind}}}").type is kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("~", InputType.STRING),
        ("{}", InputType.STRING),
        ("{enum: [a, b]}", InputType.STRING),
        ("{enum: [1, 2]}", InputType.INTEGER),
        ("{enum: [1, 2.5]}", InputType.NUMBER),
        ("{enum: [true]}", InputType.BOOLEAN),
        ("{enum: [a, 1]}", InputType.STRING),
    ],
)
def test_a_type_that_is_not_said_follows_from_the_allowed_values(text: str, kind: InputType) -> None:
    assert spec(text).type is kind


def test_a_default_of_null_is_a_default() -> None:
    found = spec("{type: image, default: ~}")
    assert found.default is not None
    assert found.default.value is None
    assert spec("{type: image}").default is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", 3),
        ("{type: integer}", "3"),
        ("{type: integer}", 3.5),
        ("{type: integer}", True),
        ("{type: number}", "3"),
        ("{type: number}", False),
        ("{type: number}", float("inf")),
        ("{type: number}", float("nan")),
        ("{type: integer}", 2**53 + 1),
        ("{type: boolean}", 1),
        ("{type: image}", 5),
        ("{type: image}", ""),
        ("{enum: [a, b]}", "c"),
        ("{enum: [1, 2]}", 3),
        ("{type: integer, minimum: 2}", 1),
        ("{type: number, maximum: 2}", 2.5),
        ("{minLength: 2}", "a"),
        ("{maxLength: 2}", "abc"),
        ("{}", ["a"]),
    ],
)
def test_a_value_that_does_not_fit_is_told(text: str, value: Any) -> None:
    assert mismatch(spec(text), value).startswith("input x ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", "a"),
        ("{type: integer, minimum: 2, maximum: 4}", 2),
        ("{type: number}", 3),
        ("{type: number, maximum: 2.5}", 2.5),
        ("{type: boolean}", False),
        ("{type: image}", "a.png"),
        ("{enum: [1, 2]}", 2),
        ("{minLength: 1, maxLength: 3}", "abc"),
    ],
)
def test_a_value_that_fits_is_taken(text: str, value: Any) -> None:
    assert mismatch(spec(text), value) == ""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("text", "type"),
        ("{type: int}", "enum"),
        ("{type: [string]}", "enum"),
        ("{enum: []}", "type"),
        ("{enum: a}", "type"),
        ("{enum: [[a]]}", "type"),
        ("{default: [a]}", "type"),
        ("{default: 3}", "input"),
        ("{type: integer, default: x}", "input"),
        ("{minimum: x}", "type"),
        ("{minLength: -1}", "range"),
        ("{descripton: x}", "unknown-key"),
    ],
)
def test_a_declaration_that_means_nothing_is_a_problem(text: str, code: str) -> None:
    assert fault(f"inputs: {{x: {text}}}\n{STEP}").code == code
