"""Judging: what is remembered, what is written, and what is said where pictures are not here."""

from dataclasses import replace
from pathlib import Path

import pytest
from check_pictures import Album, check, scene

from flowrunner.checks.judge import Judge
from flowrunner.checks.verdict import Result, first_passing
from flowrunner.errors import StoreError
from flowrunner.pipeline import Level


def judge(folder: Path, album: Album, *, keep: bool = True) -> Judge:
    return Judge(state=folder / ".flowrunner", root=folder, read=album.read, keep=keep)


@pytest.fixture
def album() -> Album:
    return Album()


def test_a_verdict_is_found_once_and_outlives_the_process(tmp_path: Path, album: Album) -> None:
    picture, asked = album.put(scene()), check("not_flat", not_flat=True)
    found = judge(tmp_path, album).verdict(asked, picture)
    assert (found.result, found.measured.startswith("spread ")) == (Result.PASS, True)
    read = album.asked
    assert judge(tmp_path, album).verdict(asked, picture) == found
    assert judge(tmp_path, album).known(asked, picture) == found
    assert album.asked == read


def test_a_looser_check_and_another_picture_are_judged_anew(tmp_path: Path, album: Album) -> None:
    one = judge(tmp_path, album)
    plain, seen = album.put(scene().resize((1, 1)).resize((9, 9))), album.put(scene())
    strict, loose = check("not_flat", not_flat=True), check("not_flat", not_flat=0)
    assert [one.verdict(asked, plain).result for asked in (strict, loose)] == [Result.FAIL, Result.PASS]
    assert one.verdict(strict, seen).result is Result.PASS


def test_the_level_says_what_it_means_and_is_no_part_of_what_is_remembered(tmp_path: Path, album: Album) -> None:
    picture, asked = album.put(scene()), check("format", format="webp")
    one = judge(tmp_path, album)
    assert one.verdict(asked, picture).result is Result.FAIL
    assert one.known(replace(asked, level=Level.WARN), picture).result is Result.WARN


def test_the_picture_that_it_is_compared_with_is_part_of_it(album: Album) -> None:
    keys = {check("similar_to", of=album.put(scene(spot=(0, 0, at, at)))).key for at in (1, 9)}
    assert len(keys) == 2


def test_pictures_that_are_not_here_are_named_and_nothing_is_remembered(tmp_path: Path, album: Album) -> None:
    picture, asked = album.put(scene()), check("not_flat", not_flat=True)

    def gone(_: object) -> bytes:
        raise StoreError("picture abc is not in the store")

    lost = Judge(state=tmp_path / ".flowrunner", root=tmp_path, read=gone, keep=True)
    found = lost.verdict(asked, picture)
    assert (found.result, found.measured) == (Result.MISSING, "picture abc is not in the store")
    assert lost.known(asked, picture) == found
    assert judge(tmp_path, album).known(asked, picture).measured == "not judged yet"
    assert judge(tmp_path, album).verdict(asked, picture).result is Result.PASS


def test_what_cannot_be_compared_fails_and_says_why(tmp_path: Path, album: Album) -> None:
    asked = check("similar_to", of=album.put(scene((20, 20))))
    found = judge(tmp_path, album).verdict(asked, album.put(scene((30, 20))))
    assert found.result is Result.FAIL
    assert found.measured.startswith("it is 30x20, the other picture 20x20")


def test_a_heat_map_lies_below_the_state_and_is_made_again_where_it_is_lost(tmp_path: Path, album: Album) -> None:
    picture = album.put(scene(spot=(1, 1, 9, 9)))
    asked = check("changed_inside", of=album.put(scene()), box=[0, 0, 9, 9])
    path = tmp_path / judge(tmp_path, album).verdict(asked, picture).heatmap
    assert path.is_relative_to(tmp_path / ".flowrunner" / "checks")
    drawn = path.read_bytes()
    assert drawn[8:12] == b"WEBP"
    path.unlink()
    assert judge(tmp_path, album).known(asked, picture).heatmap == ""
    judge(tmp_path, album).verdict(asked, picture)
    assert path.read_bytes() == drawn


def test_whoever_only_looks_writes_nothing(tmp_path: Path, album: Album) -> None:
    asked = check("similar_to", of=album.put(scene()))
    found = judge(tmp_path, album, keep=False).verdict(asked, album.put(scene()))
    assert (found.result, found.heatmap) == (Result.PASS, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'{"holds": true}', b"\xff"])
def test_a_record_that_cannot_be_read_is_made_again(tmp_path: Path, album: Album, record: bytes) -> None:
    picture, asked = album.put(scene()), check("not_flat", not_flat=True)
    found = judge(tmp_path, album).verdict(asked, picture)
    (place,) = (tmp_path / ".flowrunner" / "checks").rglob("*.json")
    place.write_bytes(record)
    assert judge(tmp_path, album).verdict(asked, picture) == found
    assert b"spread" in place.read_bytes()


def test_a_disk_that_takes_nothing_ends_no_judging(tmp_path: Path, album: Album) -> None:
    (tmp_path / ".flowrunner").write_text("in the way")
    found = judge(tmp_path, album).verdict(check("not_flat", not_flat=True), album.put(scene()))
    assert found.result is Result.PASS


def test_the_first_candidate_that_passes_is_taken_unless_one_before_it_is_not_known(tmp_path: Path) -> None:
    album = Album()
    one = judge(tmp_path, album)
    flat, seen = album.put(scene().resize((1, 1)).resize((9, 9))), album.put(scene())
    failing, passing = ((one.verdict(check("not_flat", not_flat=True), picture),) for picture in (flat, seen))
    unknown = (replace(failing[0], result=Result.MISSING),)
    assert first_passing([failing, (), passing, passing]) == 3
    assert first_passing([failing, unknown, passing]) == 0
    assert first_passing([failing, failing]) == 0
    assert first_passing([(replace(failing[0], result=Result.WARN),)]) == 1
