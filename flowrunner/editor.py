"""The JSON Schema of pipeline files for editors: completion, hover text and errors, one bundled document.

It is looser than `validate` where an editor cannot know: a template stands for any value, a `$` reference or a path
for an image, and where `model` is a template the keys of `with` are left open. Required parameters are not asked for,
since `defaults` may bring them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowrunner.catalog import Catalog
from flowrunner.catalog.assertions import ASSERTIONS, is_value
from flowrunner.catalog.model import Model
from flowrunner.loading import decode
from flowrunner.loading.checks import MAX_CHECKS

JSON = dict[str, Any]
TEMPLATE: JSON = {"type": "string", "pattern": r"\{\{|\{%"}
_SECONDS: JSON = {"type": "number", "minimum": 1, "maximum": 3600}
_REFERENCE: JSON = {
    "type": "string",
    "pattern": r"^\$([a-z][a-z0-9_-]*(\.([1-9][0-9]*|images|\*))?|inputs\.[a-z][a-z0-9_]*|axis\.[a-z][a-z0-9_]*\..+)$",
}
_SCALAR: JSON = {"type": ["string", "number", "integer", "boolean"]}

_TOP: Mapping[str, str] = {
    "flowrunner": "Version of the language: 1.",
    "name": "What people read; the file's name where absent. budget.total_usd counts by it.",
    "description": "For reviewers.",
    "provider": "Provider of steps that name none.",
    "include": "Files that bring vars, axes and defaults.",
    "vars": "Values for templates: {{ vars.NAME }}. They are data, never templates.",
    "budget": "What may be spent.",
    "inputs": "Values that a run may be given: {{ inputs.NAME }}, $inputs.NAME.",
    "axes": "What steps fan out over: lists, mappings, files, folders, CSV.",
    "defaults": "Timeout and parameters for every step whose model has them.",
    "steps": "The steps by id; their order here changes nothing.",
    "outputs": "What is published under readable names.",
    "previews": "Keeps a small picture of each output beside the lock: pixels of its longest side.",
}
_STEP: Mapping[str, str] = {
    "model": "A model of the catalogue (`flowrunner models`), or a template that gives one.",
    "provider": "Where the pipeline's provider does not fit.",
    "with": "The parameters, exactly as the model's published schema names them.",
    "across": "An axis or a list of axes: one cell per combination.",
    "variants": "Samples of one request, 1 to 16, each a call with a seed or key of its own.",
    "pick": "Who chooses among the candidates: first, a number, human (the run waits), check (the first that passes).",
    "when": "An expression without braces; a false cell is skipped.",
    "else": "One $ reference that a skipped cell hands on instead.",
    "overrides": "Other parameters for single cells.",
    "after": "Steps to wait for where no image flows.",
    "check": "What is asserted of the picture. No check is part of a request: to change one pays for nothing.",
    "timeout": "Seconds for a whole call.",
    "description": "For reviewers.",
}
_INPUT: Mapping[str, str] = {
    "type": "What the input takes: string where absent.",
    "enum": "The allowed values.",
    "default": "The value where none is given; null makes it optional.",
    "description": "For whoever gives it.",
    "minimum": "Smallest number.",
    "maximum": "Largest number.",
    "minLength": "Fewest characters.",
    "maxLength": "Most characters.",
}


def text(catalog: Catalog) -> str:
    """The schema file's whole text, stable for equal catalogues."""
    return json.dumps(schema(catalog), indent=1, ensure_ascii=False) + "\n"


def schema(catalog: Catalog) -> JSON:
    """The schema of pipelines over the models of a catalogue; every `$ref` begins with `#/$defs/`."""
    by_id: dict[str, list[Model]] = {}
    for model in catalog.models:
        by_id.setdefault(model.id, []).append(model)
    definitions = {
        "step": _step(by_id),
        "check": _check(),
        "axis": _axis(),
        "input": _input(),
        "output": _output(),
        "reference": {**_REFERENCE, "description": "A $ reference to an image: $step, $step.2, $step.images, $step.*."},
        "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"},
        **{f"with {name}": _with(models) for name, models in sorted(by_id.items())},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "flowrunner pipeline",
        "description": "A DAG of image steps, or a file of shared vars, axes and defaults.",
        "type": "object",
        "required": ["flowrunner"],
        "additionalProperties": False,
        "properties": _described(_TOP, _top(catalog.providers)),
        "$defs": definitions,
    }


def _described(words: Mapping[str, str], parts: Mapping[str, JSON]) -> JSON:
    return {key: {"description": words[key], **parts[key]} for key in words}


def _top(providers: Sequence[str]) -> dict[str, JSON]:
    return {
        "flowrunner": {"const": decode.VERSION},
        "name": {"type": "string"},
        "description": {"type": "string"},
        "provider": {"enum": list(providers)},
        "include": _one_or_more({"type": "string"}),
        "vars": {"type": "object", "propertyNames": _ref("name")},
        "budget": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "max_usd": _dollars("Most dollars of one run."),
                "total_usd": _dollars("Most dollars of all runs of this pipeline's name."),
            },
        },
        "inputs": _named("input"),
        "axes": _named("axis"),
        "defaults": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "timeout": {**_SECONDS, "description": "Seconds for a whole call."},
                "with": {"type": "object"},
            },
        },
        "steps": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {
                "pattern": "^[a-z][a-z0-9_-]{0,63}$",
                "not": {"enum": list(decode.RESERVED_STEP_IDS)},
            },
            "additionalProperties": _ref("step"),
        },
        "outputs": {"type": "object", "additionalProperties": _ref("output")},
        "previews": {"type": "integer", "minimum": decode.PREVIEWS[0], "maximum": decode.PREVIEWS[1]},
    }


def _dollars(words: str) -> JSON:
    return {"type": "number", "minimum": 0, "description": words}


def _named(definition: str) -> JSON:
    return {"type": "object", "propertyNames": _ref("name"), "additionalProperties": _ref(definition)}


def _ref(name: str) -> JSON:
    return {"$ref": f"#/$defs/{name.replace('~', '~0').replace('/', '~1')}"}


def _one_or_more(item: JSON) -> JSON:
    return {"anyOf": [item, {"type": "array", "items": item}]}


def _step(by_id: Mapping[str, list[Model]]) -> JSON:
    parts: dict[str, JSON] = {
        "model": {"anyOf": [{"type": "string", "enum": sorted(by_id)}, TEMPLATE]},
        "provider": {"enum": sorted({model.provider for models in by_id.values() for model in models})},
        "with": {"type": "object"},
        "across": _one_or_more({"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}),
        "variants": {"type": "integer", "minimum": 1, "maximum": decode.MAX_VARIANTS},
        "pick": {"anyOf": [{"enum": ["first", "human", "check"]}, {"type": "integer", "minimum": 1}]},
        "when": {"type": ["string", "boolean"]},
        "else": _ref("reference"),
        "overrides": {"type": "array", "items": _override()},
        "after": _one_or_more({"type": "string", "pattern": "^[a-z][a-z0-9_-]*$"}),
        "check": {"type": "array", "maxItems": MAX_CHECKS, "items": _ref("check")},
        "timeout": dict(_SECONDS),
        "description": {"type": "string"},
    }
    return {
        "type": "object",
        "required": ["model"],
        "additionalProperties": False,
        "properties": _described(_STEP, parts),
        "dependencies": {"else": ["when"]},
        "allOf": [_if_model(name) for name in sorted(by_id)],
    }


def _check() -> JSON:
    level = {"enum": ["fail", "warn"], "description": "fail (default) fails the cell; warn is shown, and goes on."}
    parts = {name: _asserted(name, model) for name, model in ASSERTIONS.items()}
    return {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {**parts, "level": level},
        "oneOf": [{"required": [name]} for name in parts],
    }


def _asserted(name: str, model: Model) -> JSON:
    if is_value(name):
        return {**_parameter(model, name, model.parameters[name]), "description": f"{model.title}."}
    return {**_with([model]), "required": list(model.required), "description": f"{model.title}."}


def _override() -> JSON:
    at = {"type": "object", "minProperties": 1, "additionalProperties": _SCALAR}
    return {
        "type": "object",
        "required": ["at", "with"],
        "additionalProperties": False,
        "properties": {
            "at": {**at, "description": "The cells: axis to id."},
            "with": {"type": "object", "description": "The parameters that are other there; null removes one."},
        },
    }


def _if_model(name: str) -> JSON:
    chosen = {"properties": {"model": {"const": name}}, "required": ["model"]}
    params = _ref(f"with {name}")
    override = {"items": {"properties": {"with": params}}}
    return {"if": chosen, "then": {"properties": {"with": params, "overrides": override}}}


def _with(models: Sequence[Model]) -> JSON:
    if len(models) > 1:
        return {"anyOf": [_with([model]) for model in models]}
    model = models[0]
    found: JSON = {
        "type": "object",
        "description": f"Parameters of {model.id}: {model.title}.",
        "properties": {name: _parameter(model, name, part) for name, part in model.parameters.items()},
    }
    if model.request.get("additionalProperties") is False:
        found["additionalProperties"] = False
    return found


def _parameter(model: Model, name: str, part: Mapping[str, Any]) -> JSON:
    words = {key: part[key] for key in ("description", "default") if key in part}
    if name in model.images:
        return {**words, "anyOf": [*_image(part), {"type": "null"}]}
    bare = {key: value for key, value in part.items() if key not in words}
    stricter = model.stricter.get("properties", {}).get(name, {})
    forms = [*_forms(bare, stricter), TEMPLATE, {"type": "null"}]
    if _takes(bare, "string") and "enum" not in bare:
        forms.append(_text_file())
    return {**words, "anyOf": _distinct(forms)}


def _image(part: Mapping[str, Any]) -> list[JSON]:
    one: JSON = {"type": "string", "minLength": 1}
    if not _takes(part, "array"):
        return [{**one, "description": "A path, a URL, or a $ reference to one image."}]
    items: JSON = {"type": "array", "items": {"anyOf": [one, {"type": "null"}]}}
    lists = {"type": "string", "pattern": r"^\$[a-z][a-z0-9_-]*\.(images|\*)$|\{\{"}
    return [{**items, "description": "Paths, URLs and $ references."}, lists]


def _forms(part: Mapping[str, Any], stricter: Mapping[str, Any]) -> list[JSON]:
    """A parameter's own forms, with templates allowed at any depth."""
    branches = part.get("anyOf") or part.get("oneOf")
    if branches:
        return [form for branch in branches for form in _forms(branch, stricter)]
    form = {key: value for key, value in {**part, **_own(stricter)}.items() if not key.startswith("$")}
    if part.get("type") == "object" and "properties" in part:
        inner = stricter.get("properties", {})
        form["properties"] = {
            name: {
                **{key: item[key] for key in ("description", "default") if key in item},
                "anyOf": [
                    *_forms({k: v for k, v in item.items() if k != "description"}, inner.get(name, {})),
                    TEMPLATE,
                ],
            }
            for name, item in part["properties"].items()
        }
        sized = {"width", "height"} <= part["properties"].keys()
        return [form, _size_of()] if sized else [form]
    if part.get("type") == "array" and isinstance(part.get("items"), dict):
        items = stricter.get("items", {})
        form["items"] = {"anyOf": [*_forms(part["items"], items), TEMPLATE]}
    return [form]


def _own(stricter: Mapping[str, Any]) -> JSON:
    return {key: value for key, value in stricter.items() if key not in ("properties", "items", "$comment")}


def _size_of() -> JSON:
    return {
        "type": "object",
        "required": ["size_of"],
        "additionalProperties": False,
        "properties": {"size_of": {**_ref("reference"), "description": "The size of another image, made legal."}},
    }


def _text_file() -> JSON:
    return {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {"file": {"type": "string", "description": "A text file beside this one, a template."}},
    }


def _takes(part: Mapping[str, Any], kind: str) -> bool:
    branches = [part, *part.get("anyOf", ()), *part.get("oneOf", ())]
    return any(branch.get("type") == kind for branch in branches)


def _distinct(forms: Iterable[JSON]) -> list[JSON]:
    found: list[JSON] = []
    for form in forms:
        if form not in found:
            found.append(form)
    return found


def _axis() -> JSON:
    files = {
        "type": "object",
        "required": ["from"],
        "additionalProperties": False,
        "properties": {
            "from": {"type": "string", "description": "products/*.yaml, copy.csv, photos/*.jpg, briefs/*.md …"},
            "key": {"type": "string", "description": "The column of a CSV file that holds the ids."},
        },
    }
    values = {"type": "object", "not": {"required": ["from"]}, "additionalProperties": {"type": ["object", "null"]}}
    return {"anyOf": [{"type": "array", "items": _SCALAR, "minItems": 1}, files, values]}


def _input() -> JSON:
    number = {"type": "number"}
    length = {"type": "integer", "minimum": 0}
    parts: dict[str, JSON] = {
        "type": {"enum": ["string", "integer", "number", "boolean", "image"]},
        "enum": {"type": "array", "items": _SCALAR, "minItems": 1},
        "default": {"type": ["string", "number", "integer", "boolean", "null"]},
        "description": {"type": "string"},
        "minimum": number,
        "maximum": number,
        "minLength": length,
        "maxLength": length,
    }
    return {"type": ["object", "null"], "additionalProperties": False, "properties": _described(_INPUT, parts)}


def _output() -> JSON:
    images = _ref("reference")
    named = {
        "type": "object",
        "required": ["from"],
        "additionalProperties": False,
        "properties": {
            "from": {**images, "description": "Images of a step."},
            "as": {"type": "string", "description": "Path below outputs/NAME, a template over the cell's axes."},
        },
    }
    return {"anyOf": [images, named]}
