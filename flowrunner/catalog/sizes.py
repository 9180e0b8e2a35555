"""What a request says about the pictures it asks for: how many, and how large."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from flowrunner.catalog import schema
from flowrunner.catalog.model import Model
from flowrunner.catalog.schema import Path

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""


def planned_images(model: Model, params: Mapping[str, Any]) -> int:
    """How many images one call gives: what its count parameter asks for or defaults to, else 1."""
    if model.count is None:
        return 1
    asked = params.get(model.count, model.parameters[model.count].get("default", 1))
    return int(asked) if isinstance(asked, int | float) and not isinstance(asked, bool) and asked >= 1 else 1


def takes_size(model: Model, path: Path) -> bool:
    """Whether the value at `path` is a mapping of width and height."""
    named = schema.properties(schema.at(model, path)) if path else {}
    return {"width", "height"} <= named.keys()


def legal_size(model: Model, wish: Size, path: Path | None = None) -> Size:
    """The size at `path` (the model's size parameter) that comes nearest to a wished one: scaled as a whole into the
    bounds, then each side to the nearest allowed step, a tie going up."""
    where = path or ((model.size,) if model.size else ())
    (least_w, most_w, step_w), (least_h, most_h, step_h) = _side(model, where, "width"), _side(model, where, "height")
    width, height = max(wish[0], 1), max(wish[1], 1)
    grow = max(Fraction(1), Fraction(least_w, width), Fraction(least_h, height))
    scale = min(grow, *(Fraction(most, side) for most, side in ((most_w, width), (most_h, height)) if most))
    return _step(width * scale, least_w, most_w, step_w), _step(height * scale, least_h, most_h, step_h)


def output_size(model: Model, params: Mapping[str, Any]) -> Size | None:
    """The size that a request names in pixels; None where it names none, as with the presets and by default."""
    asked = params if model.size is None else params.get(model.size)
    if not isinstance(asked, Mapping) or (model.size and not takes_size(model, (model.size,))):
        return None
    where: Path = (model.size,) if model.size else ()
    width, height = (_asked(model, asked, (*where, side)) for side in ("width", "height"))
    return (width, height) if width and height else None


def largest_size(model: Model) -> Size | None:
    """The largest size that a request may name; None where the schema has no bounds or no size."""
    if model.size is None:
        return None
    width, height = (_side(model, (model.size,), side)[1] for side in ("width", "height"))
    return (width, height) if width and height else None


def _asked(model: Model, asked: Mapping[str, Any], path: Path) -> int | None:
    value = asked.get(str(path[-1]), schema.limit(schema.at(model, path), "default"))
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 1 else None


def _side(model: Model, where: Path, side: str) -> tuple[int, int | None, int]:
    """Smallest, largest and step of a side; a step is a rule of the stricter schema."""
    parts = schema.at(model, (*where, side))
    least, most = schema.limit(parts, "minimum"), schema.limit(parts, "maximum")
    step: Any = model.stricter
    for name in (*where, side):
        step = step.get("properties", {}).get(name, {})
    stepped = step.get("multipleOf") or schema.limit(parts, "multipleOf") or 1
    return int(least or 1), None if most is None else int(most), max(1, int(stepped))


def _step(side: Fraction, least: int, most: int | None, step: int) -> int:
    nearest = int(side / step + Fraction(1, 2)) * step
    lowest = -(-least // step) * step
    return max(lowest, nearest if most is None else min(nearest, most // step * step))
