import json
from pathlib import Path

import pytest
from shapes import MODELS, fits
from support import cli, project

OPENAPI = {
    "openapi": "3.0.3",
    "info": {"title": "Acme", "version": "1"},
    "servers": [{"url": "https://api.acme.example/v1"}],
    "paths": {
        "/images": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["model", "prompt"],
                                "properties": {
                                    "model": {"type": "string", "enum": ["acme/sketch"]},
                                    "prompt": {"type": "string"},
                                    "image_url": {"type": "string", "format": "uri"},
                                },
                            }
                        }
                    }
                }
            }
        }
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path, {"openapi.json": json.dumps(OPENAPI), "hostile.json": json.dumps(_hostile())})


def _hostile() -> dict[str, object]:
    return {
        "id": "acme/\u202eevil\x1b[31m",
        "provider": "aimlapi",
        "title": "\x9b31m",
        "path": "/v1/x",
        "request": {"type": "object", "properties": {}},
    }


def test_every_model_has_a_line_with_its_provider_what_it_takes_and_its_price(folder: Path) -> None:
    out = cli("models", cwd=folder).out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "model provider images in price"
    assert "image/composite image base, overlay, mask free" in lines
    assert any(
        line.startswith("blackforestlabs/flux-2-pro-edit aimlapi image_urls $0.0315 per megapixel") for line in lines
    )
    assert "black-forest-labs/flux-2-pro/edit onemin imageUrl unknown" in lines


def test_machines_get_the_promised_shape(folder: Path) -> None:
    fits(cli("models", "--format", "json", cwd=folder).json, MODELS)


def test_a_model_is_shown_as_its_file_says_it(folder: Path) -> None:
    shown = cli("models", "show", "blackforestlabs/flux-2-pro", cwd=folder).json
    root = Path(__file__).parents[2]
    assert shown == json.loads((root / "schemas/aimlapi/blackforestlabs/flux-2-pro.json").read_text())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("show flux-2-pro", "no model flux-2-pro"),
        ("show black-forest-labs/flux-2-pro", "stands for 2 models"),
        ("show image/pad --provider aimlapi", "aimlapi has no image/pad"),
        ("import absent.json", "absent.json does not exist"),
        ("import openapi.json", "name the provider"),
    ],
)
def test_what_is_no_model_is_refused_with_what_to_write(folder: Path, line: str, message: str) -> None:
    result = cli("models", *line.split(), cwd=folder)
    assert (result.exit_code, result.out) == (2, "")
    assert message in result.err


def test_an_openapi_document_becomes_model_files_of_the_project(folder: Path) -> None:
    result = cli("models", "import", "openapi.json", "--provider", "aimlapi", cwd=folder)
    assert (result.exit_code, result.err) == (0, "")
    assert result.out.endswith("schemas/aimlapi/acme/sketch.json\nnext  flowrunner schema\n")
    assert cli("models", "show", "acme/sketch", cwd=folder).json["images"] == ["image_url"]
    assert "acme/sketch" in cli("models", cwd=folder).out


def test_model_files_go_where_they_are_wanted(folder: Path) -> None:
    cli("models", "import", "openapi.json", "-o", "other", "--provider", "aimlapi", cwd=folder)
    assert (folder / "other/aimlapi/acme/sketch.json").is_file()


def test_machines_are_told_which_model_files_were_made(folder: Path) -> None:
    words = ["import", "openapi.json", "-o", "other", "--provider", "aimlapi", "--format", "json"]
    assert cli("models", *words, cwd=folder).json == {"files": ["other/aimlapi/acme/sketch.json"]}


def test_text_from_outside_reaches_no_terminal_as_it_is(folder: Path) -> None:
    (folder / "schemas").mkdir()
    (folder / "hostile.json").rename(folder / "schemas/hostile.json")
    for line in (["models"], ["models", "--format", "json"]):
        result = cli(*line, cwd=folder)
        assert not set("\x1b\x9b\u202e") & set(result.out + result.err)
