"""Finding one's way in a request schema, and saying in words what a part of it takes."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from flowrunner import escape
from flowrunner.catalog.model import Model

Path: TypeAlias = tuple[str | int, ...]
"""From the request down to a value: names and positions."""


def branches(root: Mapping[str, Any], part: Any) -> Iterator[Mapping[str, Any]]:
    """The part itself and every alternative it is made of, references followed."""
    if not isinstance(part, Mapping):
        return
    yield part
    inner = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    for reference in inner:
        yield from branches(root, _referred(root, reference))
    for key in ("anyOf", "oneOf", "allOf"):
        for alternative in part.get(key, ()):
            yield from branches(root, alternative)


def at(model: Model, path: Path) -> list[Mapping[str, Any]]:
    """Every part of the published schema that says something about the value at `path`."""
    found = list(branches(model.request, model.request))
    for step in path:
        found = [deep for part in found for deep in branches(model.request, _below(part, step))]
    return found


@lru_cache(maxsize=4096)
def takes_list(model: Model, path: Path) -> bool:
    """Whether the value at `path` may be a list."""
    return any(part.get("type") == "array" for part in at(model, path))


def properties(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The properties that the parts define together."""
    return {name: field for part in parts for name, field in part.get("properties", {}).items()}


def limit(parts: Sequence[Mapping[str, Any]], key: str) -> Any:
    """The first value that the parts give a keyword."""
    return next((part[key] for part in parts if key in part), None)


def _below(part: Mapping[str, Any], step: str | int) -> Any:
    if isinstance(step, int):
        return part.get("items")
    return part.get("properties", {}).get(step)


def _referred(root: Mapping[str, Any], reference: str) -> Any:
    found: Any = root
    for name in reference.removeprefix("#/").split("/"):
        name = name.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def shape(schema: Mapping[str, Any], noun: str = "") -> str:
    """What a value may be, in words: `a whole number from 512 to 2048`, `a list of 1 to 3 images`."""
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        return " or ".join(shape(part) for part in alternatives if isinstance(part, Mapping))
    if "enum" in schema:
        return f"one of {listed(schema['enum'])}"
    kind = schema.get("type", "")
    if kind == "array":
        return f"a list of {amount(schema, noun or plural(schema))}"
    if kind == "object":
        return f"{{{', '.join(schema.get('properties', {}))}}}"
    if kind == "string" and schema.get("format") == "uri":
        return "a URL"
    return KINDS.get(kind, "another value") + _bounds(schema)


KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def amount(schema: Mapping[str, Any], noun: str) -> str:
    """`1 to 3 images`, `4 numbers`, `up to 3 items`, `images` where any number will do."""
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if most is None:
        return f"at least {least} {noun}" if least else noun
    if least == most:
        return f"{most} {noun}"
    return f"{least} to {most} {noun}" if least else f"up to {most} {noun}"


def plural(schema: Mapping[str, Any]) -> str:
    """The word for what a list holds."""
    items = schema.get("items")
    kind = items.get("type") if isinstance(items, Mapping) else None
    return {"string": "texts", "number": "numbers", "integer": "numbers"}.get(str(kind), "items")


def listed(values: Sequence[Any]) -> str:
    """Allowed values, as many as fit into a sentence; texts bare unless they look like something else."""
    shown = [escape.line(value, 40) if _plain(value) else quoted(value) for value in values[:12]]
    return ", ".join(shown) + (", …" if len(values) > len(shown) else "")


def quoted(value: Any) -> str:
    """A value as it would be written, on one short line."""
    if isinstance(value, str):
        return f'"{escape.line(value, 60)}"'
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence):
        return "a list"
    return (
        {True: "true", False: "false", None: "null"}[value]
        if value is None or value is True or value is False
        else str(value)
    )


def _plain(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not value[0].isdigit()


def _bounds(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if most is not None:
        return f" up to {most}"
    if least is not None:
        return f" from {least} up"
    return f" of up to {schema['maxLength']} characters" if "maxLength" in schema else ""
