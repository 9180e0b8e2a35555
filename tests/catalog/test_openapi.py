"""Published API documents, in the forms that providers use, as model files."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from catalogue import EDITOR, faults, least, model

from flowrunner.catalog import Model
from flowrunner.catalog.load import load
from flowrunner.catalog.openapi import import_document, write
from flowrunner.errors import InvalidPipeline
from flowrunner.problems import Problem

# The form of AIML API: one model in an enum of one.
SIDE = {"type": "integer", "minimum": 512, "maximum": 2048}
EDIT: dict[str, Any] = {
    "type": "object",
    "title": "blackforestlabs/flux-2-edit",
    "properties": {
        "model": {"type": "string", "enum": ["blackforestlabs/flux-2-edit"]},
        "prompt": {"type": "string", "maxLength": 4000, "description": "Say it."},
        "image_urls": {
            "type": "array",
            "items": {"type": "string", "format": "uri"},
            "minItems": 1,
            "maxItems": 3,
            "example": ["https://example.com/a.png"],
        },
        "image_size": {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"width": SIDE | {"default": 1024}, "height": SIDE | {"default": 768}},
                },
                {
                    "type": "string",
                    "enum": ["square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"],
                },
            ],
            "default": "landscape_4_3",
        },
        "output_format": {"type": "string", "enum": ["jpeg", "png", "webp"], "default": "png"},
        "enable_prompt_expansion": {"type": "boolean", "default": True},
        "guidance_scale": {"type": "number", "minimum": 0, "maximum": 20},
        "num_inference_steps": {"type": "integer", "minimum": 4, "maximum": 50},
        "acceleration": {"type": "string", "enum": ["none", "regular", "high"], "default": "regular"},
        "seed": {"type": "integer", "minimum": 1},
        "num_images": {"type": "number", "minimum": 1, "maximum": 4, "default": 1},
        "enable_safety_checker": {"type": "boolean", "default": True},
    },
    "required": ["model", "prompt", "image_urls"],
}


def document(
    *paths: tuple[str, dict[str, Any]], server: str = "https://api.aimlapi.com", **parts: Any
) -> dict[str, Any]:
    posts = {
        path: {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}} for path, schema in paths
    }
    return {
        "openapi": "3.0.0",
        "info": {"title": "An API", "version": "1"},
        "servers": [{"url": server}],
        "paths": posts,
    } | parts


AIML = document(("/v1/images/generations", EDIT))


def imported(tree: Any, name: str = "api.json", **options: Any) -> list[dict[str, Any]]:
    data = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return import_document(data, name, **options)


def one(tree: Any, **options: Any) -> dict[str, Any]:
    (record,) = imported(tree, **options)
    return record


def body(properties: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """The request that comes of a body with these properties."""
    schema = {"type": "object", "properties": {"model": {"enum": ["m"]}, **properties}} | rest
    request: dict[str, Any] = one(document(("/v1/x", schema)))["request"]
    return request


def without_words(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: without_words(part)
            for key, part in schema.items()
            if not (key in ("description", "title") and isinstance(part, str))
        }
    return [without_words(part) for part in schema] if isinstance(schema, list) else schema


def test_the_published_form_of_flux_2_edit_gives_what_was_written_by_hand() -> None:
    record, ours = one(AIML), model("flux-2-edit")
    assert without_words(record["request"]) == without_words(ours.request)
    for key in ("id", "provider", "path", "send", "under", "count", "seed", "size"):
        assert record[key] == getattr(ours, key), key
    assert (tuple(record["images"]), tuple(record["files"])) == (ours.images, ours.files)


def test_published_words_stay_in_the_users_own_file() -> None:
    assert one(AIML)["request"]["properties"]["prompt"]["description"] == "Say it."


def test_yaml_and_a_page_of_markdown_give_the_same_as_json() -> None:
    in_yaml = yaml.safe_dump(AIML, sort_keys=False, allow_unicode=True)
    page = f"# A model\n\n```json\n{json.dumps(AIML)}\n```\n\n```python\nprint('openapi')\n```\n"
    wanted = imported(AIML)
    for text in (in_yaml, page, f"~~~yaml\n{in_yaml}~~~\n", page.replace("\n", "\r\n")):
        assert imported(text.encode()) == wanted


def test_a_page_with_two_documents_gives_both() -> None:
    other = document(("/v1/x", {"type": "object", "properties": {"model": {"enum": ["m"]}}}))
    page = f"```json\n{json.dumps(AIML)}\n```\ntext\n```json\n{json.dumps(other)}\n```\n"
    assert [record["id"] for record in imported(page.encode())] == ["blackforestlabs/flux-2-edit", "m"]


def test_yaml_scalars_are_read_as_they_are_written() -> None:
    text = b"""\
openapi: 3.0.1
servers: [{url: https://api.aimlapi.com}]
paths:
  /v1/x:
    post:
      requestBody:
        content:
          application/json:
            schema:
              type: object
              required: [model]
              properties:
                model: {enum: [m]}
                ratio: {enum: [16:9, 1:1, no, 2026-01-01, "2", 007]}
                scale: {type: number, minimum: 0.5, maximum: 1e1, default: 2}
                on: {type: boolean, default: true}
"""
    properties = one(text)["request"]["properties"]
    assert properties["ratio"]["enum"] == ["16:9", "1:1", "no", "2026-01-01", "2", "007"]
    assert properties["scale"] == {"type": "number", "minimum": 0.5, "maximum": 10.0, "default": 2}
    assert properties["on"]["default"] is True


def test_several_ids_in_the_enum_are_as_many_models() -> None:
    schema = {"type": "object", "properties": {"model": {"enum": ["a/one", "a/two"]}, "prompt": {"type": "string"}}}
    found = imported(document(("/v1/x", schema)))
    assert [(record["id"], record["send"]) for record in found] == [
        ("a/one", {"model": "a/one"}),
        ("a/two", {"model": "a/two"}),
    ]


def test_a_request_that_is_one_of_several_is_as_many_models() -> None:
    first = {"type": "object", "properties": {"model": {"enum": ["a"]}, "seed": {"type": "integer"}}}
    second = {"type": "object", "properties": {"model": {"const": "b"}, "mask": {"type": "string"}}}
    found = imported(document(("/v1/x", {"oneOf": [first, second]})))
    assert [(record["id"], record["seed"], record["images"]) for record in found] == [
        ("a", "seed", []),
        ("b", None, ["mask"]),
    ]


def test_one_request_at_two_paths_is_one_model_at_the_versioned_path() -> None:
    for paths in (("/images/generations", "/v1/images/generations"), ("/v1/images/generations", "/images/generations")):
        assert one(document(*((path, EDIT) for path in paths)))["path"] == "/v1/images/generations"


def test_one_id_with_two_requests_is_told_apart_by_the_path() -> None:
    other = copy.deepcopy(EDIT)
    del other["properties"]["image_urls"]
    other["required"].remove("image_urls")
    found = imported(document(("/v1/images/generations", other), ("/v1/images/edits", EDIT)))
    assert [record["id"] for record in found] == ["blackforestlabs/flux-2-edit", "blackforestlabs/flux-2-edit/edits"]
    assert found[1]["send"] == {"model": "blackforestlabs/flux-2-edit"}


def test_a_prompt_object_takes_the_parameters_and_the_rest_is_sent() -> None:
    inner = {"type": "object", "properties": {"imageUrl": {"type": "string"}, "prompt": {"type": "string"}}}
    schema = {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["IMAGE_EDITOR"]},
            "model": {"type": "string", "enum": ["black-forest-labs/flux-2-pro"]},
            "promptObject": inner | {"required": ["imageUrl", "prompt"]},
        },
        "required": ["type", "model", "promptObject"],
    }
    record = one(document(("/api/features", schema), server="https://api.1min.ai"))
    ours = model(EDITOR)
    for key in ("provider", "path", "send", "under", "size", "count"):
        assert record[key] == getattr(ours, key), key
    assert (record["id"], record["images"]) == ("black-forest-labs/flux-2-pro/editor", ["imageUrl"])
    assert record["request"]["required"] == list(ours.required)


def test_components_are_written_out_and_a_path_names_the_model() -> None:
    side = {"type": "integer", "exclusiveMinimum": True, "minimum": 0}
    size = {"type": "object", "properties": {"width": side, "height": {"type": "integer"}}}
    schema = {
        "title": "Input",
        "type": "object",
        "properties": {
            "prompt": {"type": "string"},
            "image_urls": {"type": "array", "items": {"type": "string"}},
            "image_size": {"anyOf": [{"$ref": "#/components/schemas/Size"}, {"enum": ["auto"]}], "default": "auto"},
            "scheduler": {"allOf": [{"$ref": "#/components/schemas/Scheduler"}], "default": "euler"},
        },
        "required": ["prompt"],
    }
    parts = {"schemas": {"Input": schema, "Size": size, "Scheduler": {"type": "string", "enum": ["euler", "ddim"]}}}
    tree = document(
        ("/fal-ai/flux-2/edit", {"$ref": "#/components/schemas/Input"}),
        server="https://queue.fal.run",
        components=parts,
    )
    tree["paths"]["/fal-ai/flux-2/requests/{id}/cancel"] = {"put": {}}
    record = one(tree, provider="fal")
    assert (record["id"], record["provider"], record["path"]) == ("fal-ai/flux-2/edit", "fal", "/fal-ai/flux-2/edit")
    assert (record["send"], record["size"], record["images"]) == ({}, "image_size", ["image_urls"])
    properties = record["request"]["properties"]
    assert properties["image_size"]["anyOf"][0]["properties"]["width"] == {"type": "integer", "exclusiveMinimum": 0}
    assert properties["scheduler"] == {"type": "string", "enum": ["euler", "ddim"], "default": "euler"}


def test_nullable_is_translated() -> None:
    properties = {
        "seed": {"type": "integer", "nullable": True},
        "style": {"type": "string", "enum": ["a"], "nullable": True},
        "size": {"anyOf": [{"type": "string"}], "nullable": True},
        "steps": {"type": "integer", "nullable": False},
    }
    assert body(properties)["properties"] == {
        "seed": {"type": ["integer", "null"]},
        "style": {"type": ["string", "null"], "enum": ["a", None]},
        "size": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "steps": {"type": "integer"},
    }


def test_all_of_makes_one_object() -> None:
    parts = [
        {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
        {"type": "object", "properties": {"seed": {"type": "integer"}}, "required": ["seed"]},
    ]
    found = body({}, allOf=parts)
    assert found["properties"].keys() == {"prompt", "seed"}
    assert set(found["required"]) == {"prompt", "seed"}


def test_a_pattern_that_could_stall_is_left_out() -> None:
    found = body({"a": {"type": "string", "pattern": "^(a+)+$"}, "b": {"type": "string", "pattern": "^[a-z]+$"}})
    assert found["properties"] == {"a": {"type": "string"}, "b": {"type": "string", "pattern": "^[a-z]+$"}}


def test_what_says_nothing_about_the_value_is_left_out() -> None:
    field = {"type": "string", "required": True, "example": "x", "x-order": 1, "deprecated": True, "title": "A"}
    assert body({"a": field})["properties"]["a"] == {"type": "string", "title": "A"}


@pytest.mark.parametrize(
    ("name", "part", "taken"),
    [
        ("image", {"type": "string"}, True),
        ("image_url", {"type": "string"}, True),
        ("imageUrl", {"type": "string"}, True),
        ("images", {"type": "array", "items": {"type": "string"}}, True),
        ("image_urls", {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}, True),
        ("input_image", {"type": "string", "nullable": True}, True),
        ("input_image_2", {"type": "string"}, True),
        ("input_images", {"type": "array", "items": {"type": "string", "format": "uri"}}, True),
        ("mask_url", {"type": "string"}, True),
        ("image_size", {"type": "string"}, False),
        ("image_strength", {"type": "number"}, False),
        ("num_images", {"type": "integer"}, False),
        ("image", {"type": "string", "enum": ["a"]}, False),
        ("images", {"type": "integer"}, False),
        ("prompt", {"type": "string"}, False),
    ],
)
def test_image_fields_are_known_by_name_and_kind(name: str, part: dict[str, Any], taken: bool) -> None:
    schema = {"type": "object", "properties": {"model": {"enum": ["m"]}, name: part}}
    assert one(document(("/v1/x", schema)))["images"] == ([name] if taken else [])


def test_a_servers_own_path_comes_first() -> None:
    record = one(document(("/images", EDIT), server="https://gateway.example/v1/"), provider="gateway")
    assert (record["path"], record["provider"]) == ("/v1/images", "gateway")


def test_the_source_is_named_with_its_date() -> None:
    (record,) = import_document(json.dumps(AIML).encode(), "flux.json", date="2026-11-20")
    assert record["sources"] == [{"url": "flux.json", "note": "Imported from An API 1.", "date": "2026-11-20"}]


def test_what_was_imported_is_written_loads_and_is_checked(tmp_path: Path) -> None:
    paths = write(imported(AIML), tmp_path / "schemas")
    assert paths == [tmp_path / "schemas/aimlapi/blackforestlabs/flux-2-edit.json"]
    found = load(tmp_path / "schemas").find("blackforestlabs/flux-2-edit")
    assert isinstance(found, Model)
    assert (found.trusted, found.price) == (False, None)
    assert faults("flux-2-edit", least("flux-2-edit")) == []


def problem(tree: Any, name: str = "api.json", **options: Any) -> Problem:
    with pytest.raises(InvalidPipeline) as caught:
        imported(tree, name, **options)
    (found,) = caught.value.problems
    return found


def changed(**parts: Any) -> dict[str, Any]:
    return document(("/v1/x", {"type": "object", "properties": {"model": {"enum": ["m"]}} | parts}))


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "it is no OpenAPI document: it has no paths"),
        ([], "it is no OpenAPI document: it has no paths"),
        (b"just words", "it is no OpenAPI document: it has no paths"),
        (b"", "it is no OpenAPI document: it has no paths"),
        (AIML | {"openapi": "2.0"}, "OpenAPI 3 is read, not 2.0"),
        ({"swagger": "2.0", "paths": {}}, "OpenAPI 3 is read, not 2.0"),
        (AIML | {"servers": []}, "its server is no provider that is known: name the provider"),
        (AIML | {"servers": [{"url": "https://a.example"}]}, "a.example is no provider that is known"),
        (AIML | {"paths": {}}, "it describes no POST of JSON that asks for a model"),
        (AIML | {"paths": {"/v1/x": {"get": {}}}}, "it describes no POST of JSON that asks for a model"),
        (AIML | {"paths": {"/v1/x": {"post": {"requestBody": {"$ref": "#/none"}}}}}, "$ref '#/none' leads nowhere"),
        (changed(model={"type": "string"}), "/v1/x does not say which models it has"),
        (changed(model={"enum": ["../../etc"]}), "id: '../../etc' does not have the form"),
        (changed(a={"$ref": "#/none"}), "$ref '#/none' leads nowhere"),
        (changed(a={"$ref": "https://a.example"}), "$ref 'https://a.example' leads out of the document"),
        (changed(a={"type": "strin"}), "request.properties.a.type: 'strin' is not valid"),
        (document(("//a.example/x", EDIT)), "path: '//a.example/x' does not have the form"),
    ],
)
def test_a_document_that_gives_no_model_says_why(tree: Any, message: str) -> None:
    found = problem(tree)
    assert found.message.startswith(message)
    assert found.code == "openapi"


def test_a_component_that_leads_back_to_itself_is_told() -> None:
    schemas = {"A": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}}}
    tree = document(("/v1/x", {"$ref": "#/components/schemas/A"}), components={"schemas": schemas})
    assert "leads back to itself" in problem(tree).message


def test_components_that_double_at_each_level_are_told() -> None:
    schemas: dict[str, Any] = {"a20": {"type": "string"}}
    for number in range(20):
        after = {"$ref": f"#/components/schemas/a{number + 1}"}
        schemas[f"a{number}"] = {"type": "object", "properties": {"a": after, "b": after}}
    tree = document(("/v1/x", {"$ref": "#/components/schemas/a0"}), components={"schemas": schemas})
    assert "grows too large" in problem(tree).message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (b'{\n "openapi": 3\n "paths": {}}', 3, "not JSON"),
        (b'# Page\n\n```json\n{\n "openapi": }\n```\n', 5, "not JSON"),
        (b"openapi: 3.0.0\npaths: [\n", 3, "not YAML"),
        (b"openapi: &a 3.0.0\npaths: *a\n", 2, "YAML aliases are not taken"),
        (b"openapi: 3.0.0\npaths:\n  ? [a]\n  : 1\n", 3, "a mapping has a key that is no text"),
    ],
)
def test_what_cannot_be_read_is_shown_where_it_breaks(text: bytes, line: int, message: str) -> None:
    found = problem(text, "page.md")
    assert found.message.startswith(message)
    assert found.span is not None
    assert (found.span.file, found.span.line) == ("page.md", line)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"- " * 100_000,
        b"{a: " * 30_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a":' * 300 + b"1" + b"}" * 300,
        b"a: \x07",
        json.dumps(AIML).replace('"title": "black', '"title": "\\ud800black').encode(),
        b"```json\n" * 20_000,
        json.dumps(AIML).replace("4000", "1e999").encode(),
        yaml.safe_dump(AIML).replace("4000", "1e999").encode(),
    ],
)
def test_hostile_documents_are_a_problem_and_no_crash(data: bytes) -> None:
    assert problem(data).code == "openapi"


def test_a_document_of_too_many_parts_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowrunner.catalog.document._EVENTS", 1000)
    assert problem(b"- a\n" * 2000).message == "it has too many parts"
