"""Locks through git's own union merge: different cells merge, and no cell of two versions passes unnoticed."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from store_locks import cell, lock, read

from flowrunner.problems import Problem
from flowrunner.store.lockfile import Lock, Pick, dump

Merge = Callable[[Lock, Lock, Lock], tuple[Lock, list[Problem]]]

IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")


@pytest.fixture
def merge(tmp_path: Path) -> Merge:
    """What is read after two branches turned `base` into `ours` and `theirs` and were merged."""
    path = tmp_path / "a.lock.yaml"

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *IDENTITY, *words], check=True, capture_output=True)

    def commit(one: Lock, branch: str) -> None:
        path.write_text(dump(one), encoding="utf-8")
        git("add", ".")
        git("commit", "-q", "--allow-empty", "-m", branch)

    def merged(base: Lock, ours: Lock, theirs: Lock) -> tuple[Lock, list[Problem]]:
        git("init", "-q", "-b", "ours")
        (tmp_path / ".gitattributes").write_text("*.lock.yaml merge=union\n")
        commit(base, "base")
        git("checkout", "-q", "-b", "theirs")
        commit(theirs, "theirs")
        git("checkout", "-q", "ours")
        commit(ours, "ours")
        git("merge", "-q", "--no-edit", "theirs")
        return read(path.read_text(encoding="utf-8"))

    return merged


def conflicts(problems: list[Problem]) -> set[tuple[str, ...]]:
    assert {problem.code for problem in problems} <= {"lock-conflict"}
    return {problem.cells for problem in problems}


A, Z = cell("a"), cell("z")


@pytest.mark.parametrize("variants", [1, 2, 4])
def test_branches_that_add_different_cells_merge(merge: Merge, variants: int) -> None:
    ours, theirs = cell("m", "same prompt", variants=variants), cell("n", "same prompt", variants=variants)
    assert merge(lock(A, Z), lock(A, ours, Z), lock(A, theirs, Z)) == (lock(A, ours, theirs, Z), [])


def test_branches_that_change_neighbouring_cells_merge(merge: Merge) -> None:
    ours, theirs = cell("a", "ours"), cell("z", "theirs")
    assert merge(lock(A, Z), lock(ours, Z), lock(A, theirs)) == (lock(ours, theirs), [])


def test_branches_that_pick_for_different_cells_merge(merge: Merge) -> None:
    ours, theirs = {"a": Pick(image=1)}, {"z": Pick(image=2)}
    expected = lock(A, Z, picks=ours | theirs)
    assert merge(lock(A, Z), lock(A, Z, picks=ours), lock(A, Z, picks=theirs)) == (expected, [])


def test_a_branch_that_removes_a_cell_merges_with_one_that_changes_another(merge: Merge) -> None:
    assert merge(lock(A, Z), lock(Z), lock(A, cell("z", "new"))) == (lock(cell("z", "new")), [])


def test_a_repeated_key_a_cell_whose_request_changed_on_both_sides(merge: Merge) -> None:
    found, problems = merge(lock(A, Z), lock(cell("a", "ours"), Z), lock(cell("a", "theirs"), Z))
    assert (found, conflicts(problems)) == (lock(Z), {("a",)})


def test_a_repeated_sample_a_cell_that_was_paid_anew_on_both_sides(merge: Merge) -> None:
    found, problems = merge(lock(A, Z), lock(cell("a", picture="ours"), Z), lock(cell("a", picture="theirs"), Z))
    assert (found, conflicts(problems)) == (lock(Z), {("a",)})


def test_a_cell_that_both_sides_added(merge: Merge) -> None:
    found, problems = merge(lock(A, Z), lock(A, cell("m", "ours"), Z), lock(A, cell("m", "theirs"), Z))
    assert (found, conflicts(problems)) == (lock(A, Z), {("m",)})


def test_a_cell_that_both_sides_picked_for(merge: Merge) -> None:
    ours, theirs = {"a": Pick(image=1, why="ours")}, {"a": Pick(image=1, why="theirs")}
    found, problems = merge(lock(A, Z), lock(A, Z, picks=ours), lock(A, Z, picks=theirs))
    assert (found, conflicts(problems)) == (lock(A, Z), {("a",)})


def test_two_new_cells_of_one_request_are_woven_together_and_the_loser_is_named(merge: Merge) -> None:
    ours, theirs = cell("m", "one", salt="shared"), cell("n", "one", salt="shared")
    found, problems = merge(lock(A, Z), lock(A, ours, Z), lock(A, theirs, Z))
    assert (found, conflicts(problems)) == (lock(A, theirs, Z), {("m",)})


def test_lines_that_are_no_yaml_name_their_cell(merge: Merge) -> None:
    base = dump(lock(A, Z))
    broken = base.replace("    samples:", "    samples", 1)
    found, problems = read(broken)
    assert (found, conflicts(problems)) == (lock(Z), {("a",)})
