"""`whence`, as people and machines read it."""

import re
from pathlib import Path

import pytest
from command_projects import CHAIN
from support import cli, golden, picture, project

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = project(tmp_path_factory.mktemp("whence"), {"chain.yaml": CHAIN})
    cli("run", "chain.yaml", "--simulate", cwd=made)
    picture(made / "stranger.png")
    (made / "words.png").write_text("no picture")
    return made


FILES = (
    "outputs/simulated/chain/dressed.png",
    "outputs/simulated/chain/hero.png",
    "stranger.png",
    "words.png",
    "no.png",
)


def test_each_file_is_told_and_what_is_not_known_is_an_answer_of_its_own(folder: Path) -> None:
    result = cli("whence", *FILES, cwd=folder)
    assert (result.exit_code, result.err) == (1, "")
    golden(GOLDEN / "whence.txt", re.sub(r"\b[0-9a-f]{64}\b", "0" * 64, result.out))


def test_machines_get_one_document(folder: Path) -> None:
    found = cli("whence", *FILES, "--format", "json", cwd=folder).json["files"]
    assert [one["known_by"] for one in found] == ["bytes", "pixels", None, None, None]
    (made,) = found[0]["made"]
    assert (made["pipeline"], made["cell"], made["simulated"]) == ("chain.yaml", "dressed", True)
    assert made["parents"][0]["cell"] == "portrait"
    assert "not an image" in found[3]["error"]["message"]


def test_all_that_are_known_is_success(folder: Path) -> None:
    assert cli("whence", FILES[0], cwd=folder).exit_code == 0
