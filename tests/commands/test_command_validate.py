from pathlib import Path

import pytest
from command_projects import ANNOYING, CHAIN, FAULTY, LOCAL
from shapes import VALIDATE, fits
from support import cli, golden, picture, project

GOLDEN = Path(__file__).parent / "golden"
WARNED = CHAIN.replace("seed: 7", "seed: 7, guidance_scale: 3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project(tmp_path, {"chain.yaml": CHAIN, "local.yaml": LOCAL, "shared/brand.yaml": "flowrunner: 1\nvars: {}\n"})
    picture(tmp_path / "photo.png")
    return tmp_path


def test_sound_pipelines_are_counted_and_nothing_else_is_said(folder: Path) -> None:
    result = cli("validate", ".", cwd=folder)
    assert (result.exit_code, result.out, result.err) == (0, "no problems in 2 files\n", "2 pipelines in .\n")


def test_a_problem_is_shown_with_its_line_a_caret_and_what_to_do(folder: Path) -> None:
    project(folder, {"faulty.yaml": FAULTY})
    result = cli("validate", "faulty.yaml", cwd=folder)
    assert (result.exit_code, result.err) == (2, "")
    golden(GOLDEN / "validate-faulty.txt", result.out)


def test_warnings_are_shown_and_are_errors_on_request(folder: Path) -> None:
    project(folder, {"chain.yaml": WARNED})
    loose, strict = (cli("validate", "chain.yaml", *more, cwd=folder) for more in ([], ["--strict"]))
    assert (loose.exit_code, strict.exit_code) == (0, 2)
    assert "1 warning in 1 file\n" in loose.out
    assert "1 error in 1 file. Nothing was sent, nothing was paid.\n" in strict.out


@pytest.mark.parametrize(("name", "code"), [("chain.yaml", 0), ("faulty.yaml", 2), ("absent.yaml", 2)])
def test_machines_get_one_list_of_problems(folder: Path, name: str, code: int) -> None:
    project(folder, {"faulty.yaml": FAULTY})
    result = cli("validate", name, "local.yaml", "--format", "json", cwd=folder)
    fits(result.json, VALIDATE)
    assert (result.exit_code, bool(result.json["problems"]), result.err) == (code, code == 2, "")


def test_a_workflow_gets_annotations(folder: Path) -> None:
    project(folder, {"faulty.yaml": FAULTY})
    result = cli("validate", "faulty.yaml", "--format", "github", cwd=folder)
    assert result.out.startswith("::error file=faulty.yaml,line=5,col=")
    assert result.err == "1 error in 1 file. Nothing was sent, nothing was paid.\n" or "errors" in result.err


def test_a_fault_of_a_shared_file_is_told_once_for_all_pipelines(folder: Path) -> None:
    project(folder, {"shared/brand.yaml": "flowrunner: 2\n"})
    for name in ("one", "two"):
        text = CHAIN.replace("flowrunner: 1\n", "flowrunner: 1\ninclude: [shared/brand.yaml]\n")
        project(folder, {f"{name}.yaml": text})
    result = cli("validate", "one.yaml", "two.yaml", cwd=folder)
    assert result.out.count("shared/brand.yaml:1:") == 1


@pytest.mark.parametrize("name", ["absent.yaml", "empty"])
def test_what_is_no_pipeline_is_an_error(folder: Path, name: str) -> None:
    (folder / "empty").mkdir()
    result = cli("validate", name, cwd=folder)
    assert result.exit_code == 2
    assert name in result.out + result.err


def test_text_from_outside_reaches_no_terminal_as_it_is(folder: Path) -> None:
    project(folder, {"bad.yaml": ANNOYING.replace("prompt:", "promt:")})
    for form in ("text", "json", "github"):
        result = cli("validate", "bad.yaml", "--format", form, cwd=folder)
        assert result.exit_code == 2
        assert not set("\x1b\x07\u202e") & set(result.out + result.err)
        assert "\n::set-output" not in result.out


def test_a_pipeline_of_a_folder_that_cannot_be_read_is_no_sound_one(tmp_path: Path) -> None:
    project(tmp_path, {"d/a.yaml": CHAIN})
    (tmp_path / "d/b.yaml").symlink_to("nowhere.yaml")
    result = cli("validate", "d", cwd=tmp_path)
    assert (result.exit_code, result.err) == (2, "2 pipelines in d\n")
    assert "d/b.yaml is a link to nowhere.yaml, which does not exist" in result.out


def test_a_folder_without_pipelines_stands_in_the_list_of_problems(folder: Path) -> None:
    (folder / "empty").mkdir()
    result = cli("validate", "empty", "chain.yaml", "--format", "json", cwd=folder)
    fits(result.json, VALIDATE)
    (problem,) = result.json["problems"]
    assert (problem["code"], problem["file"], problem["message"]) == ("file", "empty", "no pipelines in empty")
    assert (result.exit_code, set(result.json)) == (2, {"problems"})
