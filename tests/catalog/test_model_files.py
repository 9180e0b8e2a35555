"""What every model file keeps to, whoever wrote it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from catalogue import AIML, CATALOG, DEV, EDITOR, EDITS, GENERATOR, OPERATIONS, PRO, model

from flowrunner.catalog import Basis, Model, guard
from flowrunner.catalog.compile import compiled
from flowrunner.resources import folder

every_model = pytest.mark.parametrize("found", CATALOG.models, ids=lambda found: f"{found.provider}:{found.id}")


@every_model
def test_a_model_lies_where_its_provider_and_id_say(found: Model) -> None:
    assert found.file == f"schemas/{found.provider}/{found.id}.json"


@every_model
def test_both_schemas_pass_the_judgement_that_strangers_schemas_meet(found: Model) -> None:
    assert guard.fault(found.request) is None
    assert guard.fault(found.stricter) is None


@every_model
def test_every_field_is_described_in_one_line(found: Model) -> None:
    for name, part in fields(found.request):
        assert 10 < len(part.get("description", "")) < 250, name


@every_model
def test_every_default_is_one_that_its_field_takes(found: Model) -> None:
    published, stricter = compiled(found)
    for name, part in fields(found.request):
        if "default" in part:
            assert published.evolve(schema=part).is_valid(part["default"]), name
    whole = {name: part["default"] for name, part in found.parameters.items() if "default" in part}
    assert stricter.is_valid(whole)


@every_model
def test_every_source_has_an_address_a_date_and_a_note(found: Model) -> None:
    assert found.sources
    for source in found.sources:
        assert source.keys() == {"url", "date", "note"}
        assert source["url"].startswith("https://")
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", source["date"])
        assert len(source["note"]) > 20


@every_model
def test_a_price_says_where_it_comes_from(found: Model) -> None:
    if found.price is not None:
        assert found.price.source
        assert found.price.date
        assert (found.price.basis is Basis.FREE) == (found.provider == "image")


@every_model
def test_image_fields_take_texts_or_lists_of_texts(found: Model) -> None:
    for name in (*found.images, *found.files):
        part = found.parameters[name]
        assert part["type"] == "string" or part["items"]["type"] == "string"


@every_model
def test_stricter_rules_are_about_parameters_and_say_why(found: Model) -> None:
    rules = found.stricter.get("properties", {})
    assert rules.keys() <= found.parameters.keys()
    assert all(rule["$comment"] for rule in rules.values())


@every_model
def test_models_over_the_network_have_a_path_and_local_operations_none(found: Model) -> None:
    assert (found.path == "") == (found.provider == "image")
    assert (not found.send) == (found.provider == "image")


@pytest.mark.parametrize("name", AIML)
def test_the_files_of_one_provider_differ_only_where_the_published_table_does(name: str) -> None:
    wanted = {"prompt", "image_size", "output_format", "seed", "enable_safety_checker"}
    wanted |= {"image_urls"} if name in EDITS else set()
    wanted |= {"safety_tolerance"} if name in PRO else set()
    wanted |= {"loras"} if "lora" in name else set()
    dev = {"enable_prompt_expansion", "guidance_scale", "num_inference_steps", "acceleration", "num_images"}
    found = model(name)
    assert found.parameters.keys() == wanted | (dev if name in DEV else set())
    assert set(found.required) == ({"prompt", "image_urls"} if name in EDITS else {"prompt"})
    assert found.send == {"model": f"blackforestlabs/{name}"}


def test_the_two_models_of_one_published_id_differ_in_what_is_sent() -> None:
    edit, generate = model(EDITOR), model(GENERATOR)
    assert edit.send == {"type": "IMAGE_EDITOR", "model": "black-forest-labs/flux-2-pro"}
    assert generate.send == {"type": "IMAGE_GENERATOR", "model": "black-forest-labs/flux-2-pro"}
    assert edit.under == generate.under == "promptObject"
    assert set(edit.parameters) - set(generate.parameters) == {"imageUrl"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_local_operation_takes_nothing_but_its_parameters(name: str) -> None:
    assert model(name).request["additionalProperties"] is False


def test_the_local_operations_are_those_of_the_language() -> None:
    wanted = ["resize", "crop", "pad", "convert", "composite", "mask", "annotate", "key-color", "contact-sheet"]
    assert set(OPERATIONS) == {f"image/{name}" for name in wanted}


def test_every_file_of_the_folder_is_one_model() -> None:
    files = [path for path in folder("schemas").rglob("*.json") if path.name != "pipeline.schema.json"]
    assert len(files) == len(CATALOG.models)
    assert all(json.loads(path.read_text(encoding="utf-8"))["id"] for path in files)


def test_no_file_names_a_place_on_a_machine() -> None:
    for path in folder("schemas").rglob("*.json"):
        assert not re.search(r"/(home|work|tmp|root|Users)/", Path(path).read_text(encoding="utf-8"))


def fields(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property at any depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for part in (*schema.get("properties", {}).values(), *schema.get("anyOf", ()), schema.get("items")):
            yield from fields(part)
