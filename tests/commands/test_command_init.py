from pathlib import Path

import pytest
from support import cli, project

from flowrunner.loading.document import parse
from flowrunner.nodes import MapNode
from flowrunner.source import Source

FILES = [
    ".gitattributes",
    ".github/actions/flowrunner/action.yml",
    ".github/workflows/flowrunner.yml",
    ".github/workflows/pictures.yml",
    ".gitignore",
    "flowrunner.toml",
    "pipelines/first.yaml",
    "schemas/pipeline.schema.json",
]


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_new_project_runs_at_once_simulated(tmp_path: Path) -> None:
    made = cli("init", "new", cwd=tmp_path)
    assert (made.exit_code, made.err) == (0, "")
    assert below(tmp_path / "new") == FILES
    assert made.out.endswith("next      flowrunner run new/pipelines/first.yaml --simulate\n")
    assert cli("run", "new/pipelines/first.yaml", "--simulate", cwd=tmp_path).exit_code == 0


def test_a_folder_that_is_named_like_an_option_is_named_as_a_command_takes_it(tmp_path: Path) -> None:
    made = cli("init", "--", "--new", cwd=tmp_path)
    assert made.out.endswith("next      flowrunner run ./--new/pipelines/first.yaml --simulate\n")


def test_a_new_project_passes_its_own_checks(tmp_path: Path) -> None:
    cli("init", cwd=tmp_path)
    assert cli("validate", "pipelines", "--strict", cwd=tmp_path).exit_code == 0
    assert cli("schema", "--check", cwd=tmp_path).exit_code == 0
    assert cli("plan", "pipelines", "--frozen", cwd=tmp_path).exit_code == 3


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    project(tmp_path, {name: "mine\n" for name in FILES if not name.startswith(".git")})
    result = cli("init", cwd=tmp_path)
    assert [line.split()[0] for line in result.out.splitlines()[:3]] == ["kept"] * 3
    assert (tmp_path / "pipelines/first.yaml").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "outputs/\n.flowrunner/\n"),
        ("*.pyc\noutputs/", "*.pyc\noutputs/\n.flowrunner/\n"),
        ("outputs/\n.flowrunner/\n", "outputs/\n.flowrunner/\n"),
    ],
)
def test_gitignore_gets_the_lines_that_it_lacks(tmp_path: Path, before: str, after: str) -> None:
    (tmp_path / ".gitignore").write_text(before)
    cli("init", cwd=tmp_path)
    assert (tmp_path / ".gitignore").read_text() == after
    assert (tmp_path / ".gitattributes").read_text() == "*.lock.yaml merge=union\n"


def test_what_looks_at_pull_requests_may_only_read_and_keeps_no_credentials(tmp_path: Path) -> None:
    cli("init", cwd=tmp_path)
    text = (tmp_path / ".github/workflows/flowrunner.yml").read_text()
    root = parse(Source("flowrunner.yml", text))
    assert isinstance(root, MapNode)
    assert set(root.entries) == {"name", "on", "permissions", "concurrency", "jobs"}
    assert "on:\n  pull_request:\n" in text
    assert "permissions:\n  contents: read\n\n" in text
    assert "persist-credentials: false" in text
    assert "secrets." not in text


def test_what_pays_is_asked_for_by_hand(tmp_path: Path) -> None:
    cli("init", cwd=tmp_path)
    text = (tmp_path / ".github/workflows/pictures.yml").read_text()
    assert "\non:\n  workflow_dispatch:\n" in text
    assert "pull_request:" not in text
    assert "\npermissions: {}\n" in text


def test_the_editor_finds_the_schema_that_the_pipeline_names(tmp_path: Path) -> None:
    cli("init", cwd=tmp_path)
    first = (tmp_path / "pipelines/first.yaml").read_text().splitlines()[0]
    place = first.partition("$schema=")[2]
    assert (tmp_path / "pipelines" / place).resolve() == tmp_path / "schemas/pipeline.schema.json"


def test_the_settings_that_are_shown_are_settings(tmp_path: Path) -> None:
    cli("init", cwd=tmp_path)
    path = tmp_path / "flowrunner.toml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line[2:] if line[:2] == "# " and line[2:3] in '[tcr"' else line for line in lines))
    assert "timeout = 300" in path.read_text().splitlines()[3]
    assert cli("validate", "pipelines", cwd=tmp_path).exit_code == 0


def test_a_file_is_no_place_for_a_project(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    result = cli("init", "taken", cwd=tmp_path)
    assert (result.exit_code, result.err.splitlines()[0]) == (2, "error: taken is not a folder")
