"""Every rule of every model: a value that breaks it is named with its file, line and column."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support import picture, project

from flowrunner import api
from flowrunner.catalog import load
from flowrunner.catalog.compile import compiled
from flowrunner.catalog.model import Model
from flowrunner.catalog.schema import branches

MODELS = [model for model in load.load().models if model.provider != "image"]
LINK = "https://pictures.example/a.png"
Where = tuple[str, ...]


class Broken(NamedTuple):
    """A parameter whose value breaks a rule: which part of it, and that part's own value."""

    name: str
    value: Any
    at: Where
    fault: Any


def sound(model: Model) -> dict[str, Any]:
    """The least that a model takes."""
    found: dict[str, Any] = {}
    for name in model.required:
        schema = model.parameters[name]
        is_list = any(part.get("type") == "array" for part in branches(model.request, schema))
        found[name] = (["photo.png"] if is_list else "photo.png") if name in model.images else "A vase"
    return found


def breaking(root: Mapping[str, Any], schema: Any, stricter: Mapping[str, Any]) -> Iterator[tuple[Any, Where, Any]]:
    """Values that break one rule each, with the part at fault."""
    for part in branches(root, schema):
        for key, over in (("minimum", -1), ("maximum", 1)):
            if key in part:
                yield part[key] + over, (), part[key] + over
        if "maxLength" in part:
            text = "x" * (part["maxLength"] + 1)
            yield text, (), text
        if "enum" in part:
            yield "nonsense", (), "nonsense"
        if "maxItems" in part:
            several = [dict.fromkeys(part["items"].get("required", ()), LINK)] * (part["maxItems"] + 1)
            yield several, (), several
        if part.get("type") in ("boolean", "integer", "number"):
            yield "nonsense", (), "nonsense"
        if part.get("type") in ("string", "boolean", "integer", "number"):
            yield {"odd": 1}, (), {"odd": 1}
        yield from _inside(root, part, stricter)
    if "multipleOf" in stricter:
        wrong = stricter["multipleOf"] * 20 + 1
        yield wrong, (), wrong


def _inside(
    root: Mapping[str, Any], part: Mapping[str, Any], stricter: Mapping[str, Any]
) -> Iterator[tuple[Any, Where, Any]]:
    """The same for one field of a mapping whose others are sound."""
    fields = part.get("properties", {})
    others = {name: 1024 for name in fields if name in ("width", "height")}
    for name, schema in fields.items() if others else ():
        for value, at, fault in breaking(root, schema, stricter.get("properties", {}).get(name, {})):
            yield {**others, name: value}, (name, *at), fault


def cases(model: Model) -> Iterator[Broken]:
    for name, schema in model.parameters.items():
        own = model.stricter.get("properties", {}).get(name, {})
        if name in model.images:
            yield from _too_many(model, name)
            continue
        seen = []
        for value, at, fault in breaking(model.request, schema, own):
            if value not in seen and _breaks(model, schema, value):
                seen.append(value)
                yield Broken(name, value, at, fault)


def _too_many(model: Model, name: str) -> Iterator[Broken]:
    for part in branches(model.request, model.parameters[name]):
        if "maxItems" in part:
            several = ["photo.png"] * (part["maxItems"] + 1)
            yield Broken(name, several, (), several)


def _breaks(model: Model, schema: Any, value: Any) -> bool:
    """Not every value that breaks one alternative breaks the others too."""
    published, stricter = compiled(model)
    name = next(name for name, part in model.parameters.items() if part is schema)
    request = {**sound(model), name: value}
    stood = json.loads(json.dumps(request).replace("photo.png", LINK))
    return bool([*published.iter_errors(stood), *stricter.iter_errors(stood)])


def test_models_have_rules_to_break() -> None:
    assert all(len(list(cases(model))) > 5 for model in MODELS)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.short)
def test_each_broken_rule_is_told_where_its_value_is_written(model: Model, tmp_path: Path) -> None:
    picture(tmp_path / "photo.png", (1024, 1024))
    for case in cases(model):
        params = {**sound(model), case.name: case.value}
        lines = [f"      {name}: {json.dumps(value)}" for name, value in params.items()]
        head = f"flowrunner: 1\nsteps:\n  it:\n    provider: {model.provider}\n    model: {model.id}\n    with:\n"
        project(tmp_path, {"it.yaml": head + "\n".join(lines) + "\n"})
        found = [problem for problem in api.validate(tmp_path / "it.yaml", environment={}) if problem.is_error]
        line = next(line for line in lines if line.startswith(f"      {case.name}: "))
        written = json.dumps(case.fault)
        key = f'"{case.at[-1]}": ' if case.at else f"{case.name}: "
        column = line.index(key) + len(key) + 1
        assert [(str(one.span), one.span.text if one.span else "") for one in found] == [
            (f"it.yaml:{7 + lines.index(line)}:{column}", written)
        ], case
