"""The short way to say yes, held against jsonschema."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from catalogue import CATALOG, PICTURE, least, model
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.catalog import Model
from flowrunner.catalog.compile import compiled
from flowrunner.catalog.guard import PATTERN_TEXT
from flowrunner.catalog.plain import _are_known, keeps

MODELS = {found.id: found for found in CATALOG.models}
EDGES = ("minimum", "maximum", "exclusiveMinimum", "multipleOf")
LONG = ("minLength", "maxLength")
COLOURS = ["#00ff00", "#00FF00cc", "#00ff0", "#00ff00\n", "x#00ff00", "#" + "0" * PATTERN_TEXT]
WORDS = ["", "x", PICTURE, "https:", "data:image/png;base64,iVBORw0KGgo=", "portrait_4_3", "PNG", *COLOURS]
ODD = [None, True, False, 0, 1, -1, 1.0, 0.5, 512, 512.0, 600, 10**9, 1e300, 0.07, *WORDS]


def _parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Whatever says something about one value."""
    yield schema
    for key in ("anyOf", "allOf"):
        for part in schema.get(key, ()):
            yield from _parts(part)


def _edges(part: Mapping[str, Any]) -> Iterator[Any]:
    """Values on either side of what a schema asks for."""
    yield from part.get("enum", ())
    for key in EDGES:
        if key in part:
            yield from (part[key], part[key] + 1, part[key] - 1, part[key] * 2, float(part[key]), part[key] + 0.5)
    for key in LONG:
        if key in part:
            yield from ("x" * length for length in (part[key] - 1, part[key], part[key] + 1) if length >= 0)


def _values(schema: Mapping[str, Any], other: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values for a schema, and what another schema has to say of the same one; right, nearly so, and wrong."""
    parts = [*_parts(schema), *_parts(other)]
    edges = [edge for part in parts for edge in _edges(part)]
    found: list[st.SearchStrategy[Any]] = [
        st.sampled_from(edges or ODD),
        st.sampled_from(edges or ODD),
        st.sampled_from(ODD),
    ]
    items = [part["items"] for part in parts if "items" in part]
    if items:
        most = max([part.get("maxItems", 3) for part in parts])
        found.append(st.lists(_values(items[0], items[-1]), max_size=min(most + 1, 12)))
    named: dict[str, list[Mapping[str, Any]]] = {}
    for part in parts:
        for name, inner in part.get("properties", {}).items():
            named.setdefault(name, []).append(inner)
    if named:
        found.append(_few({name: _values(inner[0], inner[-1]) for name, inner in named.items()}))
    return st.one_of(found)


def _few(fields: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the fields, and now and then one that nobody knows."""
    known = {**fields, "other": st.sampled_from(ODD)}
    names = st.lists(st.sampled_from(sorted(known)), max_size=3)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: known[name] for name in chosen}))


def _requests(found: Model) -> st.SearchStrategy[dict[str, Any]]:
    stricter = found.stricter.get("properties", {})
    fields = {name: _values(part, stricter.get(name, {})) for name, part in found.parameters.items()}
    if found.provider == "image":
        sound = st.fixed_dictionaries({name: fields[name] for name in found.required})
    else:
        sound = st.just(least(found.id.removeprefix("blackforestlabs/")))
    return st.tuples(sound, _few(fields)).map(lambda both: both[0] | both[1])


REQUESTS = {name: _requests(found) for name, found in MODELS.items()}


def errors(found: Model, request: Mapping[str, Any]) -> list[str]:
    return [error.message for validator in compiled(found) for error in validator.iter_errors(request)]


@given(st.data(), st.sampled_from(sorted(MODELS)))
def test_a_request_keeps_to_its_schemas_where_jsonschema_finds_nothing(data: st.DataObject, name: str) -> None:
    request = data.draw(REQUESTS[name])
    assert keeps(MODELS[name], request) == (not errors(MODELS[name], request))


RULES: list[dict[str, Any]] = [
    *({"type": kind} for kind in ("array", "boolean", "integer", "null", "number", "object", "string")),
    {"type": ["integer", "null"]},
    *({"enum": listed} for listed in ([1, "x"], [True, None], [0], [False])),
    *({key: edge} for key in EDGES for edge in (1, 0.5, 512)),
    *({key: 1} for key in (*LONG, "minItems", "maxItems")),
    {"multipleOf": 0.01},
    {"format": "uri"},
    {"format": "date"},
    {"pattern": "^#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$"},
    {"required": ["a", "b"]},
    {"properties": {"a": {"type": "string"}}},
    {"properties": {"a": {}}, "additionalProperties": False},
    {"additionalProperties": False},
    {"additionalProperties": True},
    {"items": {"type": "string"}},
    {"not": {"required": ["a"]}},
    {"allOf": [{"minimum": 1}, {"maximum": 1}]},
    {"anyOf": [{"type": "string"}, {"type": "object"}]},
]
MANY = [*ODD, [], ["x"], ["x", 1], {}, {"a": "x"}, {"a": 1}, {"a": "x", "b": None}, {"b": 1}]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_each_keyword_means_what_it_means_to_jsonschema(rule: dict[str, Any]) -> None:
    found = replace(model("flux-2"), request={"properties": {"a": rule}}, stricter={})
    assert [value for value in MANY if keeps(found, {"a": value}) != (not errors(found, {"a": value}))] == []


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_schema_of_ours_has_known_keywords_only(name: str) -> None:
    assert _are_known(MODELS[name].request)
    assert _are_known(MODELS[name].stricter)


def test_a_model_of_a_project_is_left_to_jsonschema() -> None:
    ours = model("flux-2")
    assert keeps(ours, least("flux-2"))
    assert not keeps(replace(ours, trusted=False), least("flux-2"))


@pytest.mark.parametrize(
    "part",
    [
        True,
        {"const": 1},
        {"$ref": "#/$defs/a"},
        {"enum": [[1]]},
        {"items": {"oneOf": [{}]}},
        {"anyOf": [{"if": {}}]},
        {"additionalProperties": {"type": "string"}},
        {"not": False},
    ],
)
def test_a_keyword_that_is_not_known_is_left_to_jsonschema(part: Any) -> None:
    schema = {"type": "object", "properties": {"a": part}}
    assert not _are_known(schema)
    assert not keeps(replace(model("flux-2"), request=schema), {})
    assert not keeps(replace(model("flux-2"), stricter=schema), {})
