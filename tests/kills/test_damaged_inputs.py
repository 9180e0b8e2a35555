"""Pictures that were damaged in the store: no call is paid with their bytes, and none of them is published."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import kill_project
import pytest
from kill_servers import Counted, provider
from support import Result, cli

SCENES = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Counted]]:
    """A project whose cells are all made, and whose provider has forgotten them: their bytes would have to be sent."""
    folder = kill_project.make(tmp_path_factory.mktemp("made") / "project", cells=2 * SCENES)
    with provider() as counted:
        assert ran(folder, counted).exit_code == 0
        with closing(sqlite3.connect(folder / ".flowrunner" / "ledger.db")) as rows, rows:
            rows.execute("DELETE FROM remotes")
        yield folder, counted


@pytest.fixture
def place(made: tuple[Path, Counted], tmp_path: Path) -> tuple[Path, Counted]:
    """A copy of it in which the frames have to be made again."""
    folder = shutil.copytree(made[0], tmp_path / "project")
    text = (folder / "show.yaml").read_text()
    (folder / "show.yaml").write_text(text.replace("Frame", "Another frame"))
    made[1].posts.clear()
    return folder, made[1]


def ran(folder: Path, counted: Counted) -> Result:
    return cli("run", "show.yaml", cwd=folder, env=kill_project.environment(folder, counted.origin, simulated=False))


def scenes(folder: Path) -> list[Path]:
    """The objects of the scenes."""
    text = (folder / "show.lock.yaml").read_text()
    places = []
    for number in range(SCENES):
        digest = text.partition(f"  scene/n{number}:")[2].partition("sha256: ")[2][:64]
        places.append(folder / ".flowrunner" / "objects" / digest[:2] / digest[2:])
    return places


def written(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def flip(paths: list[Path]) -> None:
    for number, path in enumerate(paths):
        data = bytearray(path.read_bytes())
        data[(number + 1) * len(data) // (SCENES + 1)] ^= 1
        written(path, bytes(data))


def cut(paths: list[Path]) -> None:
    for number, path in enumerate(paths):
        written(path, path.read_bytes()[: -1 - number])


def turn(paths: list[Path]) -> None:
    """Each lies where the one before it should: all of them are sound pictures."""
    data = [path.read_bytes() for path in paths]
    for path, other in zip(paths, [*data[1:], data[0]], strict=True):
        written(path, other)


def test_sound_pictures_are_sent(place: tuple[Path, Counted]) -> None:
    folder, counted = place
    assert ran(folder, counted).exit_code == 0
    assert counted.posts.total() == SCENES


@pytest.mark.parametrize("damage", [flip, cut, turn])
def test_no_damaged_byte_is_paid_for_or_published(
    place: tuple[Path, Counted], damage: Callable[[list[Path]], None]
) -> None:
    folder, counted = place
    damage(scenes(folder))
    shutil.rmtree(folder / "outputs")
    result = ran(folder, counted)
    assert (result.exit_code, counted.posts) == (3, {}), result.out
    assert "does not hold what its name says" in result.out
    assert not list((folder / "outputs").rglob("scene/*.png"))
    assert len(list((folder / ".flowrunner" / "quarantine").iterdir())) == SCENES
