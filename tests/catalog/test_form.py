"""Requests of one form have the same faults."""

from typing import Any

import pytest
from catalogue import CATALOG
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.catalog import Model
from flowrunner.catalog.check import check
from flowrunner.catalog.form import form

MODELS = {model.id: model for model in CATALOG.models}
EDIT = MODELS["blackforestlabs/flux-2-edit"]
ANNOTATE = MODELS["image/annotate"]
URL = ["https://picture.invalid/"]


def edit(**more: Any) -> str:
    return form(EDIT, {"prompt": "A heron", "image_urls": URL, **more})


def test_prompts_that_fit_share_a_form() -> None:
    assert edit(prompt="A crane, at dawn") == edit()


@pytest.mark.parametrize(
    "more",
    [
        {"prompt": 4},
        {"prompt": "x" * 4001},
        {"image_size": {"width": 600, "height": 512}},
        {"output_format": "gif"},
        {"image_urls": [*URL, *URL]},
        {"prompts": "A heron"},
    ],
)
def test_whatever_can_be_at_fault_makes_another_form(more: dict[str, Any]) -> None:
    assert edit(**more) != edit()


def test_texts_that_are_too_long_differ_by_their_length() -> None:
    assert edit(prompt="x" * 4001) != edit(prompt="x" * 4002)
    assert edit(prompt="x" * 4001) == edit(prompt="y" * 4001)


def test_a_text_with_a_pattern_is_part_of_the_form() -> None:
    assert form(ANNOTATE, {"color": "#ffffff"}) != form(ANNOTATE, {"color": "white"})


def test_a_text_that_another_rule_looks_at_is_part_of_the_form() -> None:
    rule = {"if": {"properties": {"prompt": {"const": "A heron"}}}, "then": {"required": ["seed"]}}
    model = Model(id="own", provider="aimlapi", title="", request={**EDIT.request, **rule})
    assert form(model, {"prompt": "A heron"}) != form(model, {"prompt": "A crane"})


words = st.text(max_size=30) | st.integers(0, 3) | st.booleans()
requests = st.dictionaries(st.sampled_from(["prompt", "image_urls", "seed", "text", "color", "size", "box"]), words)


@given(name=st.sampled_from(sorted(MODELS)), one=requests, two=requests)
def test_one_form_one_verdict(name: str, one: dict[str, Any], two: dict[str, Any]) -> None:
    model = MODELS[name]
    if form(model, one) == form(model, two):
        assert sorted(map(str, check(model, one))) == sorted(map(str, check(model, two)))


@given(name=st.sampled_from(sorted(MODELS)), request_=requests, text=st.text(max_size=40))
def test_another_text_of_the_same_form_gets_the_same_verdict(name: str, request_: dict[str, Any], text: str) -> None:
    model = MODELS[name]
    for key, value in request_.items():
        changed = {**request_, key: text}
        if isinstance(value, str) and form(model, changed) == form(model, request_):
            assert check(model, changed) == check(model, request_)
