"""What calls cost: the published example charges, and upper bounds where something is not known."""

from dataclasses import replace
from typing import Any

import pytest
from catalogue import EDITOR, GENERATOR, OPERATIONS, model
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.catalog import Counted, Model, Per, Price
from flowrunner.catalog.price import estimate
from flowrunner.money import DOLLAR, parse

CREDITS = 2_000_000
"""To the dollar, as AIML API publishes."""
BANNER = {"image_size": {"width": 1472, "height": 512}}
REX, MUG = (1024, 768), (1738, 1294)
"""The sizes of the two reference pictures of the published examples."""


@pytest.mark.parametrize(
    ("name", "params", "inputs", "charged"),
    [
        ("flux-2", BANNER, [], 25200),
        ("flux-2-lora", BANNER, [], 44100),
        ("flux-2-pro", BANNER, [], 63000),
        ("flux-2-edit", {}, [REX, MUG], 75601),
        ("flux-2-lora-edit", {}, [REX, MUG], 132300),
        ("flux-2-pro-edit", {}, [REX, MUG], 189000),
    ],
)
def test_the_published_example_charges_come_out(
    name: str, params: dict[str, Any], inputs: list[tuple[int, int]], charged: int
) -> None:
    assert estimate(model(name), params, inputs) == charged * DOLLAR // CREDITS


def dollars(name: str, params: dict[str, Any], *inputs: tuple[int, int] | None) -> int | None:
    return estimate(model(name), params, inputs)


def side(width: int, height: int | None = None) -> dict[str, Any]:
    return {"image_size": {"width": width, "height": height or width}}


def test_each_picture_is_rounded_up_by_itself() -> None:
    assert dollars("flux-2", side(1024)) == parse("0.0126")
    assert dollars("flux-2", side(1024, 1056)) == parse("0.0252")
    assert dollars("flux-2", side(512) | {"num_images": 4}) == parse("0.0504")


def test_the_first_megapixel_of_pro_costs_more_than_the_next() -> None:
    assert dollars("flux-2-pro", side(2048)) == parse("0.0315") + 3 * parse("0.01575")


def test_a_named_size_of_unknown_pixels_counts_as_the_largest() -> None:
    assert dollars("flux-2", {"image_size": "square_hd"}) == 4 * parse("0.0126")
    assert dollars("flux-2", {"image_size": "landscape_4_3"}) == dollars("flux-2", {}) == parse("0.0126")


def test_an_input_that_nobody_has_seen_counts_as_the_largest() -> None:
    assert dollars("flux-2-pro-edit", side(512), None) == parse("0.0315") + 4 * parse("0.01575")


def test_inputs_that_the_provider_shrinks_count_one_megapixel_each() -> None:
    assert dollars("flux-2-edit", side(512), None, (9000, 9000)) == parse("0.0378005")


def test_inputs_of_a_generator_are_free() -> None:
    assert dollars("flux-2", side(512), (4000, 4000)) == parse("0.0126")


@pytest.mark.parametrize("name", [EDITOR, GENERATOR, "flux-2-max"])
def test_an_unknown_price_is_none_and_never_nothing(name: str) -> None:
    assert dollars(name, {}) is None


@pytest.mark.parametrize("name", OPERATIONS)
def test_local_operations_cost_nothing(name: str) -> None:
    assert dollars(name, {}, None) == 0


def test_the_users_price_stands_in_for_the_catalogues() -> None:
    per_image = Price(per=Per.IMAGE, first=100, next=10)
    assert estimate(model("flux-2"), {"num_images": 3}, [], per_image) == 120
    assert estimate(model(EDITOR), {}, [None], per_image) == 100
    both = Price(per=Per.IMAGE, first=100, next=10, counts=(Counted.OUTPUTS, Counted.INPUTS))
    assert estimate(model(EDITOR), {}, [None], both) == 110
    assert estimate(model(EDITOR), {}, [None], Price(per=Per.CALL, first=7, next=7)) == 7


def test_a_price_by_size_is_unknown_where_nothing_bounds_the_size() -> None:
    assert estimate(model(EDITOR), {}, [], Price(per=Per.MEGAPIXEL, first=1, next=1)) is None


def test_a_size_that_the_caller_knows_is_counted() -> None:
    by_size = Price(per=Per.MEGAPIXEL, first=1, next=1)
    assert estimate(model(EDITOR), {}, [], by_size, size=(2048, 1024)) == 2
    assert estimate(model("flux-2"), {"image_size": "square_hd"}, size=(1024, 1024)) == parse("0.0126")


SIDES = st.integers(16, 64).map(lambda steps: steps * 32)
PICTURES = st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), max_size=3)


@pytest.mark.parametrize("name", ["flux-2", "flux-2-lora", "flux-2-pro"])
def test_rounding_adds_one_credit_at_most(name: str) -> None:
    price = model(name).price
    assert price is not None
    plain = replace(price, credit=0)
    for count in range(1, 40):
        params = side(1024) | {"num_images": count}
        rounded, exact = (estimate(model(name), params, [], one) for one in (price, plain))
        assert rounded is not None
        assert exact is not None
        assert 0 <= rounded - exact <= DOLLAR // CREDITS


@given(st.sampled_from(["flux-2-edit", "flux-2-pro-edit"]), SIDES, SIDES, PICTURES)
def test_what_is_not_known_never_makes_a_call_cheaper(
    name: str, width: int, height: int, inputs: list[tuple[int, int]]
) -> None:
    found: Model = model(name)
    known = estimate(found, side(width, height), inputs)
    blind = estimate(found, {"image_size": "square"}, inputs)
    assert known is not None
    assert blind is not None
    assert known <= blind
