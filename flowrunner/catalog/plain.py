"""Whether a request keeps to its model's schemas: yes, or ask jsonschema, which takes longer to load than all of us.

Only the keywords are known here that the built-in models use. A schema with any other one is left to jsonschema, and so
is a request that breaks a rule: what is wrong with it is told from there.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from flowrunner.catalog.compile import is_multiple, is_uri, matches
from flowrunner.catalog.model import Model

_Schema = Mapping[str, Any]
_SCALARS = (str, int, float, bool, type(None))
_SAID = {"$comment", "default", "description", "examples", "title"}
"""Keywords that ask for nothing."""


def keeps(model: Model, request: Mapping[str, Any]) -> bool:
    """Whether jsonschema would find nothing; False also where only jsonschema knows. `request` is plain JSON."""
    return _is_known(model) and _holds(model.request, request) and _holds(model.stricter, request)


@lru_cache(maxsize=512)
def _is_known(model: Model) -> bool:
    return model.trusted and _are_known(model.request) and _are_known(model.stricter)


def _are_known(schema: Any) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= _KEYWORDS.keys() | _SAID:
        return False
    if not isinstance(schema.get("additionalProperties", True), bool):
        return False
    if not all(isinstance(value, _SCALARS) for value in schema.get("enum", ())):
        return False
    inner = [schema[key] for key in ("items", "not") if key in schema]
    inner += [part for key in ("allOf", "anyOf") for part in schema.get(key, ())]
    return all(map(_are_known, [*inner, *schema.get("properties", {}).values()]))


def _holds(schema: _Schema, value: Any) -> bool:
    return all(key in _SAID or _KEYWORDS[key](rule, value, schema) for key, rule in schema.items())


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "null": lambda value: value is None,
    "number": _is_number,
    "object": lambda value: isinstance(value, dict),
    "string": _is_text,
}


def _type(wanted: Any, value: Any, _: _Schema) -> bool:
    return any(_TYPES[kind](value) for kind in ([wanted] if isinstance(wanted, str) else wanted))


def _enum(listed: Any, value: Any, _: _Schema) -> bool:
    return any(one == value and isinstance(one, bool) == isinstance(value, bool) for one in listed)


def _properties(parts: Any, value: Any, _: _Schema) -> bool:
    return not isinstance(value, dict) or all(_holds(parts[name], value[name]) for name in parts.keys() & value.keys())


def _additional(allowed: Any, value: Any, schema: _Schema) -> bool:
    return allowed or not isinstance(value, dict) or value.keys() <= schema.get("properties", {}).keys()


_KEYWORDS: Mapping[str, Callable[[Any, Any, _Schema], bool]] = {
    "additionalProperties": _additional,
    "allOf": lambda parts, value, _: all(_holds(part, value) for part in parts),
    "anyOf": lambda parts, value, _: any(_holds(part, value) for part in parts),
    "enum": _enum,
    "exclusiveMinimum": lambda least, value, _: not _is_number(value) or value > least,
    "format": lambda form, value, _: form != "uri" or not _is_text(value) or is_uri(value),
    "items": lambda part, value, _: not isinstance(value, list) or all(_holds(part, item) for item in value),
    "maxItems": lambda most, value, _: not isinstance(value, list) or len(value) <= most,
    "maxLength": lambda most, value, _: not _is_text(value) or len(value) <= most,
    "maximum": lambda most, value, _: not _is_number(value) or value <= most,
    "minItems": lambda least, value, _: not isinstance(value, list) or len(value) >= least,
    "minLength": lambda least, value, _: not _is_text(value) or len(value) >= least,
    "minimum": lambda least, value, _: not _is_number(value) or value >= least,
    "multipleOf": lambda step, value, _: not _is_number(value) or is_multiple(value, step),
    "not": lambda part, value, _: not _holds(part, value),
    "pattern": lambda pattern, value, _: not _is_text(value) or matches(pattern, value),
    "properties": _properties,
    "required": lambda names, value, _: not isinstance(value, dict) or all(name in value for name in names),
    "type": _type,
}
"""What jsonschema says of a keyword, as validators of `compile` do: (rule, value, schema) -> whether it holds."""
