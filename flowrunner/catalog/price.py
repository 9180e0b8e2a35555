"""What a call costs at most, by the catalogue's prices.

A megapixel is 2^20 pixels and each image is rounded up by itself: that fits fal's published $0.045 for 1920x1080
(1.98 megapixels at $0.03 and $0.015) and the six published example charges of AIML API's FLUX.2 models.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from flowrunner.catalog.model import Counted, Model, Per, Price
from flowrunner.catalog.sizes import Size, largest_size, output_size, planned_images
from flowrunner.money import DOLLAR, Nano

MEGAPIXEL = 1 << 20
"""Pixels."""


def estimate(
    model: Model,
    params: Mapping[str, Any],
    inputs: Sequence[Size | None] = (),
    override: Price | None = None,
    *,
    size: Size | None = None,
) -> Nano | None:
    """The most that one call can cost; None where no price is known, or a price by size and nothing bounds the size.

    `inputs` are the sizes of its input images, None for one that nobody here has seen (a link): it counts as the
    price's own cap for inputs, else as the model's largest picture, since no provider publishes a bound for inputs.
    `override` is the user's price for the model; `size` the output's, where more is known than the request says."""
    price = override or model.price
    if price is None:
        return None
    units = _units(price, model, params, inputs, size or output_size(model, params))
    if units is None:
        return None
    return _charged(price, units) if units else 0


def _charged(price: Price, units: int) -> Nano:
    """The price of so many units, and the credit that rounding may add to it.

    AIML API's published example for flux-2-edit is 75601 credits, one more than 3 x $0.012 x 2,000,000 x 1.05 comes to.
    In binary fractions it comes to 75600.00000000001, which rounds up to that; the same arithmetic gives the other five
    examples as published. So it is done here as it seems to be done there: as nowhere else, with floats."""
    exact = price.first + price.next * (units - 1)
    if not price.credit:
        return exact
    first, following = (float(_listed(price, amount)) for amount in (price.first, price.next))
    listed = following * units if first == following else first + following * (units - 1)
    whole = math.ceil(listed * (DOLLAR // price.credit) * (1 + price.markup_percent / 100))
    return max(exact, whole * price.credit)


def _listed(price: Price, amount: Nano) -> Decimal:
    return Decimal(amount) / DOLLAR / (1 + Decimal(price.markup_percent) / 100)


def _units(
    price: Price, model: Model, params: Mapping[str, Any], inputs: Sequence[Size | None], size: Size | None
) -> int | None:
    if price.per is Per.CALL:
        return 1
    outputs = planned_images(model, params) if Counted.OUTPUTS in price.counts else 0
    counted = inputs if Counted.INPUTS in price.counts else ()
    if price.per is Per.IMAGE:
        return outputs + len(counted)
    each = _named(price, model, params) if size is None else _megapixels(size)
    areas = [each] * outputs + [_input(price, model, one) for one in counted]
    known = [area for area in areas if area is not None]
    return sum(known) if len(known) == len(areas) else None


def _named(price: Price, model: Model, params: Mapping[str, Any]) -> int | None:
    default = model.parameters[model.size].get("default") if model.size else None
    named = params.get(model.size, default) if model.size else None
    known = price.named.get(named) if isinstance(named, str) else None
    return known or _largest(model)


def _input(price: Price, model: Model, size: Size | None) -> int | None:
    counted = _megapixels(size) if size is not None else price.input_cap or _largest(model)
    return min(counted, price.input_cap) if counted and price.input_cap else counted


def _largest(model: Model) -> int | None:
    largest = largest_size(model)
    return None if largest is None else _megapixels(largest)


def _megapixels(size: Size) -> int:
    return max(1, -(-size[0] * size[1] // MEGAPIXEL))
