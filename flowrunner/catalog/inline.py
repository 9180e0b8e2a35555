"""A schema of OpenAPI 3 as a JSON Schema that stands alone: references written out, `nullable` translated, and
whatever says nothing about the value left out."""

from collections.abc import Mapping
from typing import Any

from flowrunner.catalog import guard

_SAID = ("type", "const", "default", "description", "title", "format")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_LENGTHS = ("minLength", "maxLength", "minItems", "maxItems")
_KEPT = frozenset((*_SAID, *_BOUNDS, *_LENGTHS))
_LISTS = ("anyOf", "oneOf", "allOf")
_PARTS = 20_000


class BadSchema(ValueError):
    """Why a schema cannot be written out."""


def inlined(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every `#/…` of the document `root` written out. BadSchema for a reference that leads elsewhere,
    nowhere or back to itself."""
    return _Writer(root).written(schema, ())


class _Writer:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.parts = 0

    def written(self, schema: Any, inside: tuple[str, ...]) -> dict[str, Any]:
        self.parts += 1
        if self.parts > _PARTS:
            raise BadSchema("a schema grows too large where its references are written out")
        if not isinstance(schema, Mapping):
            return {}
        made = self._referred(schema, inside) | {key: value for key, value in schema.items() if key in _KEPT}
        # A field that says `required: true` of itself, as some documents do, says nothing that JSON Schema knows.
        made |= {key: schema[key] for key in ("required", "enum") if isinstance(schema.get(key), list)}
        for key in _LISTS:
            if isinstance(schema.get(key), list):
                made[key] = [self.written(part, inside) for part in schema[key]]
        if isinstance(schema.get("properties"), Mapping):
            own = {str(name): self.written(part, inside) for name, part in schema["properties"].items()}
            made["properties"] = made.get("properties", {}) | own
        for key in ("items", "not", "additionalProperties"):
            if isinstance(schema.get(key), Mapping):
                made[key] = self.written(schema[key], inside)
            elif isinstance(schema.get(key), bool):
                made[key] = schema[key]
        return _nullable(_bounded(_merged(made), schema), schema)

    def _referred(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return {}
        if not reference.startswith("#/"):
            raise BadSchema(f"$ref {reference[:80]!r} leads out of the document")
        if reference in inside:
            raise BadSchema(f"$ref {reference[:80]!r} leads back to itself")
        try:
            target = guard.resolve(self.root, reference)
        except guard.TooMuchError:
            raise BadSchema(f"$ref {reference[:80]!r} leads nowhere") from None
        return self.written(target, (*inside, reference))


def _merged(made: dict[str, Any]) -> dict[str, Any]:
    """`allOf` of objects, or of one schema, is one schema: what stands beside it wins."""
    parts = made.get("allOf")
    if not parts or (len(parts) > 1 and any("properties" not in part for part in parts)):
        return made
    merged: dict[str, Any] = {}
    for part in (*parts, {key: value for key, value in made.items() if key != "allOf"}):
        properties = merged.get("properties", {}) | part.get("properties", {})
        required = [*merged.get("required", ()), *part.get("required", ())]
        merged |= part
        merged |= {"properties": properties} if properties else {}
        merged |= {"required": list(dict.fromkeys(required))} if required else {}
    return merged


def _bounded(made: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0 says `exclusiveMinimum: true` beside a minimum; and only patterns that cannot stall are kept."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        flag = made.get(exclusive)
        if isinstance(flag, bool):
            del made[exclusive]
            if flag and bound in made:
                made[exclusive] = made.pop(bound)
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and guard.stalls(pattern) is None:
        made["pattern"] = pattern
    return made


def _nullable(made: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    if schema.get("nullable") is not True:
        return made
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    if isinstance(made.get("enum"), list) and None not in made["enum"]:
        made["enum"] = [*made["enum"], None]
    for key in ("anyOf", "oneOf"):
        if key in made and {"type": "null"} not in made[key]:
            made[key] = [*made[key], {"type": "null"}]
    return made
