"""Judging a request schema that a stranger may have written, before anything compiles it.

A schema is a small program: a reference can fetch, a pattern can stall, `uniqueItems` compares all with all, and
references can double at each level. What passes here is checked in bounded time and touches no network.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

PATTERN_TEXT = 1000
"""Characters of a text on which a pattern is tried; longer ones do not match."""
_PATTERN = 200
_PATHS = 32
"""Ways through a pattern that alternatives and optional parts may make together."""
_NODES = 20_000
"""Subschemas that a request may be checked against, references followed."""
_WRITTEN = 1_000
"""Subschemas as written: the metaschema takes half a millisecond for each."""
_VALUES = 20_000
_VALUE = 50
"""Values in one of an `enum`, or in a `const`: each is compared with all of a request's."""
_DEPTH = 40
_UNIQUE = 200
_REFUSED = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "patternProperties")
_SUBSCHEMAS = ("items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_TABLES = ("properties", "$defs", "dependentSchemas")


def fault(schema: Mapping[str, Any]) -> str | None:
    """Why the schema is not to be used, in one sentence; None where nothing speaks against it."""
    if values(schema) > _VALUES:
        return f"request holds more than {_VALUES:,} values"
    try:
        _size(schema, schema, (), {})
        if sum(1 for _ in _written(schema)) > _WRITTEN:
            return f"request holds more than {_WRITTEN:,} schemas"
        return next(_faults(schema, "request"), None) or malformed(schema)
    except TooMuchError as found:
        return str(found)


def values(tree: Any) -> int:
    """How many values a JSON tree holds."""
    waiting, count = [tree], 0
    while waiting:
        inner = waiting.pop()
        parts = inner.values() if isinstance(inner, Mapping) else inner if isinstance(inner, list) else ()
        waiting += parts
        count += 1
    return count


def _written(schema: Any) -> Iterator[Any]:
    yield schema
    for _, part in _parts(schema) if isinstance(schema, Mapping) else ():
        yield from _written(part)


class TooMuchError(ValueError):
    """A schema that leads nowhere, in a ring, or grows without end."""


def malformed(schema: Mapping[str, Any]) -> str | None:
    """What the metaschema says against the schema; None where it says nothing."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = ".".join(str(part) for part in ("request", *error.absolute_path))
        return f"{place}: {error.message[:200]}"
    return None


def _faults(schema: Any, place: str) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    for key in _REFUSED:
        if key in schema:
            yield f"{place}: {key} is not taken in a model file"
    reference = schema.get("$ref", "#/")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        yield f"{place}: $ref {str(reference)[:80]!r} leads out of the file; only #/… is followed"
    yield from _slow(schema, place)
    for name, part in _parts(schema):
        yield from _faults(part, f"{place}.{name}")


def _slow(schema: Mapping[str, Any], place: str) -> Iterator[str]:
    pattern = schema.get("pattern")
    reason = stalls(pattern) if isinstance(pattern, str) else None
    if reason:
        yield f"{place}: pattern {reason}"
    listed = schema.get("enum", [])
    if any(values(value) > _VALUE for value in (schema.get("const"), *(listed if isinstance(listed, list) else ()))):
        yield f"{place}: a value to compare with holds more than {_VALUE} others"
    most = schema.get("maxItems")
    if schema.get("uniqueItems") and not (isinstance(most, int) and most <= _UNIQUE):
        yield f"{place}: uniqueItems needs a maxItems of at most {_UNIQUE}"


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((key, schema[key]) for key in _SUBSCHEMAS if key in schema)
    for key in _LISTS:
        if isinstance(schema.get(key), list):
            yield from ((f"{key}[{index}]", part) for index, part in enumerate(schema[key]))
    for key in _TABLES:
        if isinstance(schema.get(key), Mapping):
            yield from ((str(name), part) for name, part in schema[key].items())


def _size(schema: Any, root: Mapping[str, Any], inside: tuple[str, ...], known: dict[str, int]) -> int:
    """Subschemas that one value may meet below this one, references followed. `TooMuchError` for rings and giants."""
    if not isinstance(schema, Mapping):
        return 1
    if len(inside) > _DEPTH:
        raise TooMuchError(f"request nests deeper than {_DEPTH}")
    total = 1
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        total += _referred(reference, root, inside, known)
    total += sum(_size(part, root, (*inside, ""), known) for name, part in _parts(schema))
    if total > _NODES:
        raise TooMuchError(f"request grows over {_NODES} parts where its references are followed")
    return total


def _referred(reference: str, root: Mapping[str, Any], inside: tuple[str, ...], known: dict[str, int]) -> int:
    if reference in inside:
        raise TooMuchError(f"request: $ref {reference[:80]!r} leads back to itself")
    if reference not in known:
        known[reference] = _size(resolve(root, reference), root, (*inside, reference), known)
    return known[reference]


def resolve(root: Mapping[str, Any], reference: str) -> Any:
    """What `#/…` stands for; `TooMuchError` where it stands for nothing."""
    found: Any = root
    for part in reference[2:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise TooMuchError(f"request: $ref {reference[:80]!r} leads nowhere")
        found = found[name]
    return found


_TOKEN = re.compile(
    r"\\(?P<escape>.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<odd>\(\?(?!:))|(?P<group>\((?:\?:)?)|(?P<end>\))"
    r"|(?P<count>\{\d+\})|(?P<repeat>[*+]|\{\d*,\d*\})|(?P<maybe>\?)|(?P<bar>\|)|.",
    re.DOTALL,
)


def stalls(pattern: str) -> str | None:
    """Why a backtracking engine could take long over this pattern, or None. At most two repeats, none inside another
    or over alternatives: then a text of `PATTERN_TEXT` characters costs at most some ten million steps."""
    if len(pattern) > _PATTERN:
        return f"is longer than {_PATTERN} characters"
    try:
        with warnings.catch_warnings(action="error"):
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError, Warning):
        return "is no regular expression that Python knows"
    return _costly(pattern)


def _costly(pattern: str) -> str | None:
    # Without an anchor the engine begins anew at every character, which is one repeat more.
    repeats, paths = (0 if pattern.startswith("^") and "|" not in pattern else 1), 1
    simple = [True]
    last = True
    for token in _TOKEN.finditer(pattern):
        kind = token.lastgroup
        if kind == "odd" or (kind == "escape" and token["escape"] in "123456789k"):
            return "uses a look-around, a back reference or a flag"
        if kind in ("repeat", "count", "maybe"):
            if not last and kind != "maybe":
                return "repeats a group that repeats or has alternatives"
            repeats += kind == "repeat"
            paths *= 2 if kind == "maybe" else 1
            simple[-1] = False
            continue
        if kind == "bar":
            paths *= 2
            simple[-1] = False
        last = True
        if kind == "group":
            simple.append(True)
        elif kind == "end" and len(simple) > 1:
            last = simple.pop()
            simple[-1] = simple[-1] and last
    return "has too many repeats or alternatives" if repeats > 2 or paths > _PATHS else None
