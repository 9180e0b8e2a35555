"""Where things lie."""

import stat
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from store_locks import cell, lock
from store_processes import in_processes, prepare

from flowrunner.errors import StoreError
from flowrunner.store.workspace import Edition, Workspace, find_root, trial_id

PIPELINE = "pipelines/spring.yaml"
TRIAL = trial_id({"season": "winter"})


def workspace(root: Path, store: str = "") -> Workspace:
    return Workspace.of(root, {"FLOWRUNNER_STORE": store} if store else {})


@pytest.mark.parametrize(
    ("edition", "lock_name", "outputs"),
    [
        (Edition(), "pipelines/spring.lock.yaml", "outputs/pipelines/spring"),
        (Edition(inputs="lamp"), "pipelines/spring@lamp.lock.yaml", "outputs/pipelines/spring@lamp"),
        (
            Edition(simulated=True),
            ".flowrunner/simulated/pipelines/spring.lock.yaml",
            "outputs/simulated/pipelines/spring",
        ),
        (
            Edition(simulated=True, inputs="lamp"),
            ".flowrunner/simulated/pipelines/spring@lamp.lock.yaml",
            "outputs/simulated/pipelines/spring@lamp",
        ),
        (
            Edition(trial=TRIAL),
            f".flowrunner/trials/pipelines/spring/{TRIAL}.lock.yaml",
            "outputs/pipelines/spring@trial",
        ),
        (
            Edition(trial=TRIAL, inputs="lamp", simulated=True),
            f".flowrunner/simulated/pipelines/spring@lamp/{TRIAL}.lock.yaml",
            "outputs/simulated/pipelines/spring@trial",
        ),
    ],
)
def test_each_edition_has_its_lock_and_results(tmp_path: Path, edition: Edition, lock_name: str, outputs: str) -> None:
    place = workspace(tmp_path)
    assert place.lock_name(PIPELINE, edition) == lock_name
    assert place.outputs_dir(PIPELINE, edition) == tmp_path / outputs


def test_a_pipeline_at_the_root_has_its_lock_beside_it(tmp_path: Path) -> None:
    assert workspace(tmp_path).lock_name("a.yaml", Edition()) == "a.lock.yaml"
    assert workspace(tmp_path).outputs_dir("a.yaml", Edition()) == tmp_path / "outputs" / "a"


def test_trials_are_told_apart_by_their_values() -> None:
    assert trial_id({"a": 1, "b": "x"}) == trial_id({"b": "x", "a": 1})
    assert len({trial_id({}), trial_id({"a": 1}), trial_id({"a": "1"}), trial_id({"b": 1})}) == 4


@pytest.mark.parametrize(
    ("marks", "root"),
    [
        ([], "x/y"),
        ([".git/HEAD"], ""),
        (["flowrunner.toml"], ""),
        ([".git/HEAD", "x/flowrunner.toml"], "x"),
        (["flowrunner.toml", "x/y/.git"], "x/y"),
    ],
)
def test_the_root_is_the_nearest_folder_with_a_mark(tmp_path: Path, marks: list[str], root: str) -> None:
    for mark in [*marks, "x/y/a.yaml"]:
        (tmp_path / mark).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / mark).touch()
    assert find_root(tmp_path / "x/y/a.yaml") == tmp_path / root
    assert find_root(tmp_path / "x/y") == tmp_path / root


def test_the_store_lies_in_the_state_unless_told_otherwise(tmp_path: Path) -> None:
    assert workspace(tmp_path).store == tmp_path / ".flowrunner"
    assert Workspace.of(tmp_path, {}, Path("cache")).store == tmp_path / "cache"
    assert Workspace.of(tmp_path, {"FLOWRUNNER_STORE": "/elsewhere"}, Path("cache")).store == Path("/elsewhere")
    assert workspace(tmp_path, "/elsewhere").state == tmp_path / ".flowrunner"


def test_state_and_store_are_made_for_this_user_and_ignored_by_git(tmp_path: Path) -> None:
    place = workspace(tmp_path, str(tmp_path / "shared" / "store"))
    for _ in range(2):
        place.prepare()
    assert (place.state / ".gitignore").read_text() == "*\n"
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (place.state, place.store)] == [0o700, 0o700]


@pytest.mark.slow
def test_processes_may_make_them_at_once(tmp_path: Path) -> None:
    assert in_processes(*[partial(prepare, workspace(tmp_path))] * 2) == [0, 0]


def test_a_state_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".flowrunner").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is a link"):
        workspace(tmp_path).prepare()
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("part", ["locks", "objects", "simulated", "ledger.db"])
def test_a_part_of_the_state_that_is_a_link_is_refused(tmp_path: Path, part: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".flowrunner").mkdir()
    (tmp_path / ".flowrunner" / part).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=f"{part} is a link"):
        workspace(tmp_path).prepare()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_store_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Not a directory"):
        workspace(tmp_path, str(tmp_path / "file" / "store")).prepare()


def test_its_parts_lie_in_it(tmp_path: Path) -> None:
    place = workspace(tmp_path)
    place.prepare()
    digest = place.objects().put(b"picture")
    assert place.objects().path(digest).is_relative_to(place.store)
    with place.ledger(create=True) as ledger:
        run = ledger.begin(pipeline=PIPELINE, name="spring", simulated=False)
    with place.ledger(create=False) as ledger:
        assert [record.id for record in ledger.runs()] == [run]
    file = place.lock_file(PIPELINE, Edition())
    file.update(lambda before: replace(before, cells=lock(cell("a")).cells))
    assert (file.name, file.path) == ("pipelines/spring.lock.yaml", tmp_path / "pipelines" / "spring.lock.yaml")
    assert file.path.exists()
