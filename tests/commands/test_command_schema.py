import json
from pathlib import Path

from support import cli, project

MODEL = {
    "id": "acme/sketch",
    "provider": "aimlapi",
    "title": "Sketch",
    "path": "/v1/x",
    "request": {"type": "object", "properties": {"prompt": {"type": "string"}}},
}


def test_the_schema_is_written_into_the_project_and_then_up_to_date(tmp_path: Path) -> None:
    project(tmp_path, {"below/x": ""})
    for said in ("written", "is up to date"):
        result = cli("schema", cwd=tmp_path / "below")
        assert (result.exit_code, result.out) == (0, f"schemas/pipeline.schema.json {said}\n")
    assert json.loads((tmp_path / "schemas/pipeline.schema.json").read_text())["$defs"]


def test_check_writes_nothing_and_fails_until_it_is_written(tmp_path: Path) -> None:
    project(tmp_path, {})
    result = cli("schema", "--check", cwd=tmp_path)
    assert (result.exit_code, result.out) == (1, "")
    assert result.err.endswith("next  flowrunner schema\n")
    assert not (tmp_path / "schemas").exists()


def test_a_model_of_the_project_makes_the_schema_out_of_date(tmp_path: Path) -> None:
    project(tmp_path, {})
    cli("schema", cwd=tmp_path)
    project(tmp_path, {"schemas/aimlapi/acme/sketch.json": json.dumps(MODEL)})
    assert cli("schema", "--check", cwd=tmp_path).exit_code == 1
    cli("schema", cwd=tmp_path)
    assert "acme/sketch" in (tmp_path / "schemas/pipeline.schema.json").read_text()
    assert cli("schema", "--check", cwd=tmp_path).exit_code == 0
