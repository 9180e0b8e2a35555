"""Clearing: what was found of a picture goes with it, and nothing else does."""

from pathlib import Path

import pytest
from check_pictures import Album, check, scene

from flowrunner.artifact import Artifact
from flowrunner.checks.clearing import Cleared, clear
from flowrunner.checks.judge import Judge

CHECKS = Path(".flowrunner", "checks")


@pytest.fixture
def album() -> Album:
    return Album()


def judged(folder: Path, album: Album, spot: int) -> Artifact:
    """A picture of which a verdict with a heat map and one without are remembered."""
    judge = Judge(state=folder / ".flowrunner", root=folder, read=album.read, keep=True)
    picture = album.put(scene(spot=(1, 1, spot, spot)))
    judge.verdict(check("not_flat", not_flat=True), picture)
    assert judge.verdict(check("changed_inside", of=album.put(scene()), box=[0, 0, 9, 9]), picture).heatmap
    return picture


def files(folder: Path) -> set[Path]:
    return {path for path in (folder / CHECKS).rglob("*") if path.is_file()}


def cleared(folder: Path, *needed: Artifact, dry_run: bool = False) -> Cleared:
    digests = {one.sha256 for one in needed}
    return clear(folder / ".flowrunner", digests.__contains__, dry_run=dry_run)


def test_what_was_found_of_a_picture_goes_with_it(tmp_path: Path, album: Album) -> None:
    stays = judged(tmp_path, album, 9)
    kept = files(tmp_path)
    judged(tmp_path, album, 5)
    going = files(tmp_path) - kept
    size = sum(path.stat().st_size for path in going)
    assert cleared(tmp_path, stays, dry_run=True) == Cleared(3, size)
    assert files(tmp_path) == kept | going
    assert cleared(tmp_path, stays) == Cleared(3, size)
    assert (files(tmp_path), cleared(tmp_path, stays)) == (kept, Cleared())


def test_what_is_gone_is_found_again(tmp_path: Path, album: Album) -> None:
    judged(tmp_path, album, 9)
    before = files(tmp_path)
    assert cleared(tmp_path).files == 3
    judged(tmp_path, album, 9)
    assert files(tmp_path) == before


@pytest.mark.parametrize("record", [b"", b"[]", b'{"holds": true}', b"\xff", b'{"picture": [1]}'])
def test_what_tells_of_no_picture_goes(tmp_path: Path, album: Album, record: bytes) -> None:
    picture = judged(tmp_path, album, 9)
    place = next((tmp_path / CHECKS).rglob("*.json"))
    place.write_bytes(record)
    assert cleared(tmp_path, picture).files >= 1
    assert not place.exists()


def test_a_heat_map_that_a_crash_left_alone_goes(tmp_path: Path, album: Album) -> None:
    picture = judged(tmp_path, album, 9)
    (heat,) = (tmp_path / CHECKS).rglob("*.webp")
    heat.with_suffix(".json").unlink()
    assert (cleared(tmp_path, picture).files, heat.exists()) == (1, False)


def test_what_is_none_of_ours_stays(tmp_path: Path, album: Album) -> None:
    judged(tmp_path, album, 9)
    others = [tmp_path / CHECKS / name for name in ("ab/notes.json", "abc/x.json", "README", "ab/00.webp")]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (tmp_path / CHECKS / "ab" / f"{'0' * 22}.json").symlink_to(others[0])
    assert cleared(tmp_path).files == 3
    assert files(tmp_path) == {*others, tmp_path / CHECKS / "ab" / f"{'0' * 22}.json"}


@pytest.mark.parametrize("link", [".flowrunner", ".flowrunner/checks", ".flowrunner/checks/ab"])
def test_no_link_is_followed(tmp_path: Path, link: str) -> None:
    """A repository may bring one, which leads to somebody's files."""
    elsewhere = tmp_path / "elsewhere"
    victim = elsewhere / "checks" / "ab" / f"{'0' * 22}.json"
    victim.parent.mkdir(parents=True)
    victim.write_text("{}")
    place = tmp_path / "project" / link
    place.parent.mkdir(parents=True)
    place.symlink_to([elsewhere, elsewhere / "checks", elsewhere / "checks" / "ab"][link.count("/")])
    assert (cleared(tmp_path / "project"), victim.exists()) == (Cleared(), True)


def test_where_nothing_was_judged_nothing_is_made(tmp_path: Path) -> None:
    assert cleared(tmp_path) == Cleared()
    assert not list(tmp_path.iterdir())
