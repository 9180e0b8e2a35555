"""The form of a request: all that its faults depend on. Requests that differ in free text only have one form."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flowrunner.catalog.model import Model

_FREE = {"type", "minLength", "maxLength", "title", "description", "default", "examples"}
_PRESENCE = {"required", "not", "anyOf", "allOf", "oneOf"}
"""Keywords that ask which parameters are there, not what they hold."""


def form(model: Model, request: Mapping[str, Any]) -> str:
    """A text that two requests share only if a check finds the same in both. `request` is plain JSON."""
    free = _free(model)
    texts = {
        name: _length(request[name], bounds) for name, bounds in free.items() if isinstance(request.get(name), str)
    }
    rest = {name: value for name, value in request.items() if name not in texts}
    return _ENCODE([texts, rest])


_ENCODE = json.JSONEncoder(sort_keys=True).encode


def _length(text: str, bounds: tuple[int, int | None]) -> int | None:
    """Its length where that is at fault."""
    least, most = bounds
    return None if least <= len(text) and (most is None or len(text) <= most) else len(text)


@lru_cache(maxsize=512)
def _free(model: Model) -> dict[str, tuple[int, int | None]]:
    """The parameters that take any text, with the least and the greatest length."""
    schemas = (model.request, model.stricter)
    if not all(_is_flat(schema) for schema in schemas):
        return {}
    return {name: bounds for name, part in model.parameters.items() if (bounds := _bounds(part, model, name))}


def _bounds(part: Any, model: Model, name: str) -> tuple[int, int | None] | None:
    if not isinstance(part, Mapping) or part.get("type") != "string" or not part.keys() <= _FREE:
        return None
    if name in model.stricter.get("properties", {}):
        return None
    return int(part.get("minLength", 0)), part.get("maxLength")


def _is_flat(schema: Mapping[str, Any]) -> bool:
    """Whether nothing but `properties` looks at a parameter's value."""
    own = {"type", "properties", "additionalProperties", "title", "description"}
    rest = {key: part for key, part in schema.items() if key not in own}
    return isinstance(schema.get("additionalProperties", True), bool) and _asks_presence(rest)


def _asks_presence(schema: Any) -> bool:
    if not isinstance(schema, Mapping) or not schema.keys() <= _PRESENCE:
        return False
    inner = [schema["not"]] if "not" in schema else []
    inner += [part for key in ("anyOf", "allOf", "oneOf") for part in schema.get(key, ())]
    return all(_asks_presence(part) for part in inner)
