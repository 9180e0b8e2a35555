"""Model files as they are read: the built-in ones, a project's own, and broken ones."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from catalogue import CATALOG

from flowrunner import resources
from flowrunner.catalog import Model
from flowrunner.catalog.load import extended, load
from flowrunner.errors import InvalidPipeline
from flowrunner.problems import Problem

FILE: dict[str, Any] = {
    "id": "maker/painter",
    "provider": "aimlapi",
    "title": "A painter",
    "path": "/v1/paint",
    "send": {"model": "maker/painter"},
    "request": {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
    "price": {"per": "image", "first": "0.05"},
}


def test_a_project_without_a_folder_has_the_built_in_models(tmp_path: Path) -> None:
    assert [model.id for model in load(tmp_path / "schemas").models] == [model.id for model in CATALOG.models]


def test_a_projects_own_model_joins_the_catalogue(tmp_path: Path) -> None:
    write(tmp_path / "schemas/aimlapi/maker/painter.json", FILE)
    found = load(tmp_path / "schemas").find("maker/painter")
    assert isinstance(found, Model)
    assert (found.file, found.trusted) == ("schemas/aimlapi/maker/painter.json", False)
    assert found.price is not None
    assert (found.price.first, found.price.next) == (50_000_000, 50_000_000)


def test_a_projects_own_file_stands_in_for_a_built_in_model(tmp_path: Path) -> None:
    write(tmp_path / "schemas/any name.json", FILE | {"id": "blackforestlabs/flux-2", "title": "Our own"})
    found = load(tmp_path / "schemas").find("blackforestlabs/flux-2")
    assert isinstance(found, Model)
    assert found.title == "Our own"


def test_the_schema_of_pipelines_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "schemas/pipeline.schema.json", {"no": "model"})
    assert len(load(tmp_path / "schemas").models) == len(CATALOG.models)


def test_a_file_outside_the_project_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere.json", FILE)
    (tmp_path / "project/schemas").mkdir(parents=True)
    (tmp_path / "project/schemas/link.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(InvalidPipeline) as caught:
        load(tmp_path / "project/schemas")
    assert "outside" in caught.value.problems[0].message


def test_a_folder_that_is_a_link_out_of_the_project_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/painter.json", FILE)
    (tmp_path / "project").mkdir()
    (tmp_path / "project/schemas").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidPipeline) as caught:
        load(tmp_path / "project/schemas")
    assert "outside" in caught.value.problems[0].message


def test_flowrunners_own_folder_is_not_read_a_second_time() -> None:
    assert all(model.trusted for model in load(resources.folder("schemas")).models)


def test_a_revision_of_flowrunner_itself_keeps_the_installed_operations() -> None:
    files = {path: path.read_bytes() for path in resources.folder("schemas").rglob("*.json")}
    found = extended((path.name, data) for path, data in files.items())
    assert {model.id for model in found.models} == {model.id for model in CATALOG.models}
    assert {model.provider for model in found.models if model.trusted} == {"image"}


def test_a_pipe_is_no_model_file(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    os.mkfifo(tmp_path / "schemas/pipe.json")
    with pytest.raises(InvalidPipeline):
        load(tmp_path / "schemas")


def test_two_broken_files_are_told_together() -> None:
    with pytest.raises(InvalidPipeline) as caught:
        extended([("a.json", b"{"), ("b.json", b"[]")])
    assert [problem.span.file if problem.span else problem.file for problem in caught.value.problems] == [
        "a.json",
        "b.json",
    ]


def test_a_text_that_is_no_json_is_shown_where_it_breaks() -> None:
    found = problem(b'{\n  "id": "a",\n  "provider" "b"\n}')
    assert found.span is not None
    assert (found.span.line, found.span.column) == (3, 14)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "id is missing"),
        ({"id": "../x"}, "id: '../x' does not have the form"),
        ({"id": "a//b"}, "id: 'a//b' does not have the form"),
        ({"provider": "AIML"}, "provider: 'AIML' does not have the form"),
        ({"provider": "image", "id": "image/blur"}, "image is the provider of flowrunner's own operations"),
        ({"path": "//elsewhere.example/v1"}, "path: '//elsewhere.example/v1' does not have the form"),
        ({"path": "/../v1"}, "path: '/../v1' does not have the form"),
        ({"path": "/v1?key=x"}, "path: '/v1?key=x' does not have the form"),
        ({"request": {}}, "request: a schema of type object with properties is needed here"),
        ({"request": {"type": "object", "properties": {"a": 1}}}, "request: each property needs a schema"),
        ({"request": {"type": "object", "required": "a"}}, "request: required is a list of names"),
        ({"images": ["image_urls"]}, "request: image_urls is named beside the schema"),
        ({"images": "prompt"}, "images: a list of texts is needed here"),
        ({"count": "n"}, "request: n is named beside the schema"),
        ({"send": {"prompt": "x"}}, "request: prompt is set by the model file itself"),
        ({"under": "prompt"}, "request: prompt is set by the model file itself"),
        ({"requests": {}}, "requests is no key of a model file; request is"),
        ({"price": {"per": "image", "first": 0.05}}, "price: first: text is needed here"),
        ({"price": {"per": "image", "first": "-1"}}, "price: first: -1 is not an amount"),
        ({"price": {"per": "pixel", "first": "1"}}, "price: per: 'pixel' is none of call, image, megapixel"),
        (
            {"price": {"per": "image", "first": "1", "counts": ["all"]}},
            "price: counts: 'all' is none of outputs, inputs",
        ),
        ({"price": {"per": "image", "first": "1", "named": {"a": 0}}}, "price: named: a whole number from 1 to 999"),
        ({"price": {"per": "image", "first": "1", "last": "1"}}, "price: price.last is no key"),
        ({"sources": [{"url": 1}]}, "sources: text is needed here"),
    ],
)
def test_a_model_file_that_says_something_else_is_told_so(change: dict[str, Any], message: str) -> None:
    changed = {key: value for key, value in (FILE | change).items() if value is not None}
    assert problem(json.dumps(changed).encode()).message.startswith(message)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"",
        b"null",
        b'{"id": "a", "id": "b"}',
        b'{"id": NaN}',
        b"[" * 100_000,
        b'{"request": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}",
        b'{"price": ' + b"9" * 5000 + b"}",
        json.dumps(FILE).replace('"string"', '"string", "maxLength": 1e999').encode(),
    ],
)
def test_hostile_bytes_are_a_problem_and_no_crash(data: bytes) -> None:
    assert problem(data).code == "model-file"


def test_the_digest_follows_the_schemas_and_nothing_else() -> None:
    first, other = read(FILE), read(FILE | {"title": "Another", "price": None})
    assert first.digest == other.digest
    assert first.digest != read(FILE | {"stricter": {"required": ["prompt"]}}).digest


def test_a_checkouts_own_folder_comes_before_the_installed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flowrunner").mkdir()
    (tmp_path / "schemas").mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "flowrunner")
    assert resources.folder("schemas") == tmp_path / "flowrunner/_data/schemas"
    (tmp_path / "pyproject.toml").touch()
    assert resources.folder("schemas") == tmp_path / "schemas"


def test_listing_the_models_imports_nothing_heavy() -> None:
    code = "import sys; from flowrunner.catalog.load import load; load().models; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"jsonschema", "referencing", "yaml", "PIL", "networkx", "httpx", "jinja2", "asyncio", "rich"}
    assert not heavy & set(done.stdout.split())


def read(record: dict[str, Any]) -> Model:
    found = extended([("m.json", json.dumps(record).encode())]).find(record["id"])
    assert isinstance(found, Model)
    return found


def problem(data: bytes) -> Problem:
    with pytest.raises(InvalidPipeline) as caught:
        extended([("m.json", data)])
    (found,) = caught.value.problems
    return found


def write(path: Path, record: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
