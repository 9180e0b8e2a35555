"""What a request says about the pictures it asks for: how many, and how large."""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

from flowrunner.catalog import schema
from flowrunner.catalog.model import Model
from flowrunner.catalog.schema import Path
from flowrunner.slotted import dataclass

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""


def planned_images(model: Model, params: Mapping[str, Any]) -> int:
    """How many images one call gives: what its count parameter asks for or defaults to, else 1."""
    if model.count is None:
        return 1
    asked = params.get(model.count, model.parameters[model.count].get("default", 1))
    return int(asked) if isinstance(asked, int | float) and not isinstance(asked, bool) and asked >= 1 else 1


@lru_cache(maxsize=4096)
def takes_size(model: Model, path: Path) -> bool:
    """Whether the value at `path` is a mapping of width and height."""
    named = schema.properties(schema.at(model, path)) if path else {}
    return {"width", "height"} <= named.keys()


@lru_cache(maxsize=4096)
def legal_size(model: Model, path: Path, wish: Size | None) -> Size | None:
    """The size at `path` that comes nearest to a wished one: scaled as a whole into the bounds, then each side to the
    nearest allowed step, a tie going up. Without a wish it is the largest one, so that what is priced by it is an upper
    bound. None where no size is taken at `path`."""
    if not takes_size(model, path):
        return None
    sides = _side(model, path, "width"), _side(model, path, "height")
    width, height = wish or (sides[0].most or 1024, sides[1].most or 1024)
    width, height = max(width, 1), max(height, 1)
    grow = max(Fraction(1), Fraction(sides[0].least, width), Fraction(sides[1].least, height))
    shrink = [Fraction(side.most, own) for side, own in zip(sides, (width, height), strict=True) if side.most]
    scale = min([grow, *shrink])
    return sides[0].step(width * scale), sides[1].step(height * scale)


def output_size(model: Model, params: Mapping[str, Any]) -> Size | None:
    """The size that a request names in pixels; None where it names none, as with the presets and by default."""
    asked = params if model.size is None else params.get(model.size)
    if not isinstance(asked, Mapping) or (model.size and not takes_size(model, (model.size,))):
        return None
    where: Path = (model.size,) if model.size else ()
    width, height = (_asked(model, asked, (*where, side)) for side in ("width", "height"))
    return (width, height) if width and height else None


@lru_cache(maxsize=512)
def largest_size(model: Model) -> Size | None:
    """The largest size that a request may name; None where the schema has no bounds or no size."""
    if model.size is None:
        return None
    width, height = (_side(model, (model.size,), side).most for side in ("width", "height"))
    return (width, height) if width and height else None


@dataclass(frozen=True, slots=True)
class _Side:
    """Pixels that a side may have: multiples of `every` between the bounds."""

    least: int
    most: int | None
    every: int

    def step(self, wish: Fraction) -> int:
        nearest = int(wish / self.every + Fraction(1, 2)) * self.every
        lowest = -(-self.least // self.every) * self.every
        return max(lowest, nearest if self.most is None else min(nearest, self.most // self.every * self.every))


def _side(model: Model, where: Path, side: str) -> _Side:
    """The bounds of a side as published; its step is a rule of the stricter schema."""
    parts = schema.at(model, (*where, side))
    stricter: Any = model.stricter
    for name in (*where, side):
        stricter = stricter.get("properties", {}).get(name, {})
    every = stricter.get("multipleOf") or schema.limit(parts, "multipleOf") or 1
    least, most = schema.limit(parts, "minimum"), schema.limit(parts, "maximum")
    return _Side(max(1, int(least or 1)), None if most is None else int(most), max(1, int(every)))


def _asked(model: Model, asked: Mapping[str, Any], path: Path) -> int | None:
    side = str(path[-1])
    value = asked[side] if side in asked else schema.limit(schema.at(model, path), "default")
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 1 else None
