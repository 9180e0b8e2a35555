"""Paths into plain data, and what is said of one that leads nowhere."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flowrunner.templates import TemplateProblem, Unknown, expression, parse

SCOPE: dict[str, Any] = {
    "inputs": {"photo": Unknown("image")},
    "vars": {"light": "soft", "sizes": [{"w": 1}, {"w": 2}], "odd key": 1, "1": "one", "none": {}, "n": 1},
    "axis": {
        "product": {"id": "lamp", "name": "Lamp"},
        "size": 1.5,
        "size.id": "1.50",
    },
}


class Lazy(Mapping[str, Any]):
    """A mapping that is no dict and counts what is read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __getitem__(self, key: str) -> Any:
        self.read.append(key)
        return {"width": 640, "height": 480}[key]

    def __iter__(self) -> Iterator[str]:
        return iter(("width", "height"))

    def __len__(self) -> int:
        return 2


def value(text: str) -> Any:
    return expression(text).render(SCOPE)


def mistake(text: str) -> TemplateProblem:
    with pytest.raises(TemplateProblem) as caught:
        value(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vars.sizes[1].w", 2),
        ("vars.sizes[vars.n].w", 2),
        ("vars['odd key']", 1),
        ("vars[1]", "one"),
        ("vars[vars.n]", "one"),
        ("axis.size", 1.5),
        ("axis.size.id", "1.50"),
        ("axis.product.id", "lamp"),
        ("axis['product']['name']", "Lamp"),
    ],
)
def test_a_path_looks_items_up(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("vars.ligth", "vars.ligth is not defined", "did you mean vars.light?"),
        ("vars['odd kye']", 'vars["odd kye"] is not defined', 'did you mean vars["odd key"]?'),
        ("axis.product.nam.x", "axis.product.nam is not defined", "did you mean axis.product.name?"),
        ("axis.zzz", "axis.zzz is not defined", "axis has product, size"),
        ("vars.none.x", "vars.none.x is not defined", "vars.none is empty"),
        ("vars.sizes[2]", "vars.sizes[2] is not defined", "vars.sizes is a list of 2: vars.sizes[0], vars.sizes[1], …"),
        ("vars.sizes.w", "vars.sizes.w is not defined", "vars.sizes is a list of 2: vars.sizes[0], vars.sizes[1], …"),
        (
            "vars.sizes['0']",
            'vars.sizes["0"] is not defined',
            "vars.sizes is a list of 2: vars.sizes[0], vars.sizes[1], …",
        ),
        ("vars.light[0]", "vars.light[0] is not defined", "vars.light is text and has no parts"),
        ("vars.light.upper", "vars.light.upper is not defined", "vars.light is text and has no parts"),
        ("vars.n.real", "vars.n.real is not defined", "vars.n is a number and has no parts"),
        (
            "inputs.photo.url",
            "inputs.photo.url is not defined",
            "inputs.photo is an input of type image and has no parts",
        ),
        ("vars[vars.none]", "vars[a mapping] is not defined", "vars has light, sizes, odd key, 1, none, n"),
        ("nothing.x", "nothing is not defined", "the scope has inputs, vars, axis"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_breaks(text: str, message: str, hint: str) -> None:
    found = mistake(text)
    assert (found.message, found.hint, found.code) == (message, hint, "undefined")


def test_a_missing_part_marks_the_whole_path() -> None:
    text = "one {{ vars.n }} two {{ vars.sizes[vars.n].h }}"
    with pytest.raises(TemplateProblem) as caught:
        parse(text).render(SCOPE)
    assert text[caught.value.start : caught.value.end] == "vars.sizes[vars.n].h"


@pytest.mark.parametrize(
    "path", ["vars.no", "vars.no.way[0].down", "vars.sizes[9].w", "vars.light.x", "vars[vars.no].x"]
)
def test_a_missing_part_anywhere_is_not_defined_and_takes_a_default(path: str) -> None:
    assert value(f"{path} is defined") is False
    assert value(f"{path} is not defined") is True
    assert value(f"{path} | default('x')") == "x"


def test_a_guard_covers_its_own_path_only() -> None:
    assert mistake("vars.no is defined or vars.nope").message == "vars.nope is not defined"
    assert mistake("vars.no | upper | default('x')").message == "vars.no is not defined"


def test_a_lazy_mapping_is_read_only_where_a_template_asks() -> None:
    lazy = Lazy()
    assert parse("{{ axis.photo.width }}").render({"axis": {"photo": lazy}}) == 640
    assert lazy.read == ["width"]


def test_a_whole_lazy_mapping_becomes_a_dict() -> None:
    found = parse("{{ axis.photo }}").render({"axis": {"photo": Lazy()}})
    assert found == {"width": 640, "height": 480}
    assert type(found) is dict


def test_what_is_no_plain_data_never_leaves_a_template() -> None:
    with pytest.raises(TemplateProblem):
        parse("{{ vars.x }}").render({"vars": {"x": object()}})
    with pytest.raises(TemplateProblem):
        parse("a {{ vars.x }}").render({"vars": {"x": b"bytes"}})
