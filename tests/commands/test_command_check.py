"""`check`: what it says of the pictures that a lock names."""

import re
import shutil
from pathlib import Path

import pytest
from command_projects import CHECKED, FAULTY, LOCAL
from shapes import CHECK, RUN, fits, several
from support import cli, golden, picture, project

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose run has failed one of two cells by its checks."""
    folder = project(tmp_path_factory.mktemp("made"), {"checked.yaml": CHECKED, "faulty.yaml": FAULTY})
    picture(folder / "photo.png", (320, 240), "#caa472")
    assert cli("run", "checked.yaml", cwd=folder).exit_code == 1
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "copy")


def shown(text: str) -> str:
    """A text without the names of heat maps and pictures, which follow from Pillow's own version."""
    return re.sub(
        r"[0-9a-f]{2}/[0-9a-f]{22}\.webp",
        "12/345678.webp",
        re.sub(r"  [0-9a-f]{6}$", "  abcdef", text, flags=re.MULTILINE),
    )


def test_each_check_is_told_with_what_was_measured(folder: Path) -> None:
    result = cli("check", "checked.yaml", cwd=folder)
    assert (result.exit_code, result.err) == (1, "")
    golden(GOLDEN / "check.txt", shown(result.out))


def test_a_run_names_the_picture_that_failed_and_where_it_failed(folder: Path) -> None:
    result = cli("run", "checked.yaml", cwd=folder)
    assert result.exit_code == 1
    golden(GOLDEN / "run-checked.txt", re.sub(r"r-[0-9a-f]{4}", "r-1234", shown(result.out)))


def test_where_no_step_has_a_check_that_is_said(folder: Path) -> None:
    project(folder, {"local.yaml": LOCAL})
    assert cli("run", "local.yaml", cwd=folder).exit_code == 0
    result = cli("check", "local.yaml", cwd=folder)
    assert (result.exit_code, result.out) == (0, "local  local.yaml  no step has a check\n")


def test_machines_get_the_promised_shape(folder: Path) -> None:
    result = cli("check", "checked.yaml", "--format", "json", cwd=folder)
    fits(result.json, CHECK)
    assert result.json["totals"] == {"pass": 3, "warn": 2, "fail": 1, "missing": 0}
    assert result.json["failed"] == [
        {"cell": "framed/775533", "reason": "colors: #335577 0 % within 10, at least 20 %"}
    ]
    maps = [Path(folder, one["heatmap"]) for one in result.json["checks"] if one["heatmap"]]
    assert len(maps) == 2
    assert all(path.is_file() for path in maps)
    fits(cli("run", "checked.yaml", "--format", "json", cwd=folder).json, RUN)
    (folder / "faulty.yaml").unlink()
    fits(cli("check", ".", "--format", "json", cwd=folder).json, several(CHECK))


def test_pictures_that_are_not_here_are_named(folder: Path) -> None:
    shutil.rmtree(folder / ".flowrunner")
    result = cli("check", "checked.yaml", cwd=folder)
    assert result.exit_code == 3
    golden(GOLDEN / "check-missing.txt", re.sub(r"picture [0-9a-f]{12}", "picture 0123456789ab", result.out))


def test_nothing_is_made_before_the_first_run(tmp_path: Path) -> None:
    project(tmp_path, {"checked.yaml": CHECKED})
    picture(tmp_path / "photo.png", (320, 240), "#caa472")
    result = cli("check", "checked.yaml", "--simulate", cwd=tmp_path)
    assert result.exit_code == 0
    golden(GOLDEN / "check-unmade.txt", result.out)


def test_a_faulty_pipeline_is_told_and_the_others_are_checked(folder: Path) -> None:
    result = cli("check", "faulty.yaml", "checked.yaml", "--format", "json", cwd=folder)
    assert result.exit_code == 2
    assert [one["pipeline"] for one in result.json["pipelines"]] == ["faulty.yaml", "checked.yaml"]


def test_where_all_that_is_left_comes_after_a_choice_the_choice_is_next(tmp_path: Path) -> None:
    first = "model: image/resize, pick: human, with: {image: photo.png, width: 40}"
    then = "model: image/resize, with: {image: $small, width: 20}, check: [{not_flat: true}]"
    project(tmp_path, {"p.yaml": f"flowrunner: 1\nsteps:\n  small: {{{first}}}\n  tiny: {{{then}}}\n"})
    picture(tmp_path / "photo.png")
    assert cli("run", "p.yaml", cwd=tmp_path).exit_code == 4
    assert cli("check", "p.yaml", cwd=tmp_path).out.endswith("next  flowrunner pick p.yaml\n")
