"""Locks through git's own union merge: different cells merge, and no cell of two versions passes unnoticed."""

import random
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from store_locks import cell, hexed, lock, read

from flowrunner.problems import Problem
from flowrunner.store.locked import Acceptance, Lock, Pick
from flowrunner.store.locktext import dump

pytestmark = pytest.mark.slow

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


def union(folder: Path, base: str, ours: str, theirs: str) -> str:
    """What git makes of a file with merge=union."""
    for name, text in (("base", base), ("ours", ours), ("theirs", theirs)):
        (folder / name).write_text(text, encoding="utf-8")
    words = ["git", "merge-file", "-p", "--union", "ours", "base", "theirs"]
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout


NAMES = [f"{step}/{product}" for step in ("frame", "scene") for product in ("jug", "lamp", "vase")] + ["sheet"]


def changed(before: Lock, names: list[str], chance: random.Random) -> Lock:
    """A lock in which these cells were added, made anew, picked for or accepted."""
    cells, picks, accepts = dict(before.cells), dict(before.picks), dict(before.accepts)
    for name in names:
        if name not in cells or chance.random() < 0.4:
            made = cell(name, f"prompt {chance.random()}", variants=chance.choice([1, 2, 4]))
            cells[name] = replace(made, model=chance.choice(["m/a", "m/b", "m/c"]))
        elif chance.random() < 0.6:
            picks[name] = Pick(image=chance.randint(1, 4), why=f"{chance.random()}", for_=cells[name].key)
        else:
            accepts[name] = Acceptance(stands=cells[name].key, for_=hexed(chance.random()), why="a typo")
    models = {made.model: hexed(made.model) for made in cells.values()}
    return Lock(cells=cells, picks=picks, accepts=accepts, models=models)


def merged_by_hand(base: Lock, *others: Lock) -> Lock:
    """All changes of branches that touch different cells."""
    found = base
    for other in others:
        for section in ("cells", "picks", "accepts"):
            before, after = getattr(base, section), getattr(other, section)
            new = {name: value for name, value in after.items() if before.get(name) != value}
            found = replace(found, **{section: {**getattr(found, section), **new}})
    return found


def merged_at_random(folder: Path, seed: int) -> bool:
    """Three branches that changed different cells, merged in some order: whether they merged by themselves. Where git
    has aligned one cell with another, that is named; what is read without a problem is never wrong."""
    chance = random.Random(seed)
    names = chance.sample(NAMES, len(NAMES))
    base = changed(changed(Lock(), names[: chance.randint(0, 6)], chance), names[: chance.randint(0, 3)], chance)
    one, two = sorted(chance.sample(range(1, len(names)), 2))
    branches = [changed(base, part, chance) for part in (names[:one], names[one:two], names[two:])]
    chance.shuffle(branches)
    text = dump(branches[0])
    for count in (2, 3):
        text = union(folder, dump(base), text, dump(branches[count - 1]))
        found, problems = read(text)
        if problems:
            assert all(conflicts(problems)), seed
            return False
        expected = merged_by_hand(base, *branches[:count])
        assert without_models(found) == without_models(expected), seed
        # The next one is merged into what git left, or into what a run wrote of it.
        text = chance.choice([text, dump(expected)])
    return True


def without_models(found: Lock) -> Lock:
    """A run writes down anew which models its cells have."""
    return replace(found, models={})


def test_branches_that_work_on_different_cells_merge(tmp_path: Path) -> None:
    assert sum(merged_at_random(tmp_path, seed) for seed in range(12)) >= 9


@pytest.mark.slow
def test_three_branches_merge_in_any_order(tmp_path: Path) -> None:
    assert sum(merged_at_random(tmp_path, seed) for seed in range(12, 1012)) >= 960
