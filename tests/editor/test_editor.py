"""The schema that editors use: equal to the code, bundled, and no stricter than validate."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowrunner import editor
from flowrunner.catalog.load import load
from flowrunner.loading import decode
from flowrunner.loading.document import decode as decoded
from flowrunner.loading.document import parse
from flowrunner.nodes import plain
from flowrunner.resources import folder

FILE = folder("schemas") / "pipeline.schema.json"


def faults(text: str) -> list[list[Any]]:
    checker = jsonschema.Draft7Validator(json.loads(FILE.read_text()))
    return [list(error.absolute_path) for error in checker.iter_errors(plain(parse(decoded(text.encode(), "a.yaml"))))]


def step(body: str) -> str:
    return f"flowrunner: 1\nsteps:\n  a: {{{body}}}\n"


def walk(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for item in tree:
            yield from walk(item)


def test_the_file_is_what_the_code_makes_of_the_catalogue() -> None:
    assert FILE.read_text() == editor.text(load())


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(editor.schema(load()))


def test_every_reference_stays_inside_the_document_and_leads_somewhere() -> None:
    document = editor.schema(load())
    for part in walk(document):
        reference = part.get("$ref")
        if isinstance(reference, str):
            name = reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
            assert name in document["$defs"]


def test_it_knows_exactly_the_keys_that_the_language_has() -> None:
    document = editor.schema(load())
    assert set(document["properties"]) == set(decode.TOP_KEYS)
    assert set(document["$defs"]["step"]["properties"]) == set(decode.STEP_KEYS)
    assert set(document["$defs"]["input"]["properties"]) == set(decode.INPUT_KEYS)


def test_every_key_and_every_parameter_has_hover_text() -> None:
    document = editor.schema(load())
    for name, part in document["$defs"].items():
        for key, value in part.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key}"


@pytest.mark.parametrize(
    "params",
    [
        'image_size: "{{ axis.size.px }}"',
        "image_size: {size_of: $portrait}",
        'image_size: {width: "{{ vars.w }}", height: 512}',
        "prompt: {file: prompts/hero.md.j2}",
        'seed: "{{ axis.seed }}"',
        "seed: null",
        "image_urls: [$portrait, photos/a.png, https://a.example/b.png, $axis.product.photo]",
        "image_urls: $scene.*",
        "image_urls: $scene.images",
        "guidance_scale: 19",
    ],
)
def test_what_validate_takes_in_with_is_taken(params: str) -> None:
    assert faults(step(f"model: blackforestlabs/flux-2-pro-edit, with: {{{params}}}")) == []


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ("output_format: gif", "output_format"),
        ("safety_tolerance: 2", "safety_tolerance"),
        ("seed: 0", "seed"),
        ("image_size: {width: 1000, height: 512}", "image_size"),
        ("image_urls: $portrait", "image_urls"),
        ("image_size: 7", "image_size"),
    ],
)
def test_what_the_model_refuses_is_marked_in_with(params: str, key: str) -> None:
    assert faults(step(f"model: blackforestlabs/flux-2-pro-edit, with: {{{params}}}")) == [["steps", "a", "with", key]]


def test_overrides_are_held_against_the_model_too() -> None:
    body = "model: blackforestlabs/flux-2, overrides: [{at: {size: hero}, with: {acceleration: fast}}]"
    assert faults(step(body)) == [["steps", "a", "overrides", 0, "with", "acceleration"]]


def test_where_the_model_is_a_template_with_is_left_open() -> None:
    assert faults(step('model: "{{ axis.model.id }}", with: {output_format: gif}')) == []


@pytest.mark.parametrize("body", ["model: no-such-model", "with: {}", "model: blackforestlabs/flux-2, needs: b"])
def test_runner_keys_are_checked(body: str) -> None:
    assert faults(step(body))


@pytest.mark.parametrize(
    "check",
    [
        "size: {width: 3}",
        "size: {size_of: $b}",
        'size: "{{ axis.size.px }}"',
        "format: png, level: warn",
        "not_flat: true",
        "not_flat: 3.5",
        "unchanged_outside: {of: $b, box: [0, 0, 1, 1], tolerance: 0}",
        "changed_inside: {of: photo.png, mask: mask.png}",
        "similar_to: {of: $b.2, ssim: 0.9, hash: 8}, level: fail",
        'colors: {hex: ["#aabbcc"]}',
        'colors: {hex: "{{ axis.product.hex }}"}',
    ],
)
def test_an_editor_takes_every_check(check: str) -> None:
    assert faults(step(f"model: blackforestlabs/flux-2, check: [{{{check}}}]")) == []


@pytest.mark.parametrize(
    "check",
    [
        "size: 3",
        "format: gif",
        "format: png, size: {width: 3}",
        "level: warn",
        "format: png, level: no",
        "similar_to: {ssim: 0.9}",
        "similar_to: {of: $b, ssim: 2}",
        "colours: {hex: '#aabbcc'}",
        "changed_inside: {of: $b, bocks: [0, 0, 1, 1]}",
    ],
)
def test_an_editor_marks_a_check_that_is_none(check: str) -> None:
    found = faults(step(f"model: blackforestlabs/flux-2, check: [{{{check}}}]"))
    assert found
    assert all(path[:4] == ["steps", "a", "check", 0] for path in found)


def test_a_file_of_shared_values_fits_as_well() -> None:
    assert faults("flowrunner: 1\nvars: {light: soft}\naxes: {size: {hero: {px: 3}}}\n") == []


def test_one_id_of_two_providers_is_offered_with_either_ones_parameters(tmp_path: Path) -> None:
    document = json.loads((folder("schemas") / "aimlapi/blackforestlabs/flux-2.json").read_text())
    document |= {"provider": "onemin", "send": {"model": "x"}}
    document["request"]["properties"]["steps"] = {"type": "integer", "description": "Steps."}
    (tmp_path / "two.json").write_text(json.dumps(document))
    made = editor.schema(load(tmp_path))["$defs"]["with blackforestlabs/flux-2"]
    assert len(made["anyOf"]) == 2
