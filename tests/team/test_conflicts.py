"""A lock in which two branches changed one entry: every command names it, with both versions and what to do."""

import sys
from pathlib import Path

import pytest
from support import Result, cli, picture, project

sys.path.insert(0, str(Path(__file__).parent))
from clones import git

pytestmark = pytest.mark.slow

SHOW = """\
flowrunner: 1
name: show
axes: {product: {jug: {width: 10}, lamp: {width: 11}, vase: {width: 12}}}
steps:
  small:
    across: product
    model: image/resize
    pick: human
    with: {image: photo.png, width: "{{ axis.product.width }}"}
outputs: {heroes: $small.*}
"""
LINES = ["small/jug 1 first", "small/lamp 1 second", "small/vase none third"]
EVERY = [
    "validate show.yaml",
    "plan show.yaml",
    "plan show.yaml --frozen",
    "run show.yaml",
    "pick show.yaml",
    "pick show.yaml small/jug 1",
    "accept show.yaml small --why x",
    "accept show.yaml small --undo",
    "check show.yaml",
    "report show.yaml",
    "diff show.yaml",
    "store push",
    "store pull",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with a run that waits for three choices."""
    made = project(tmp_path / "made", {"show.yaml": SHOW, ".gitignore": "/.flowrunner/\n/outputs/\n"})
    (made / ".gitattributes").write_text("*.lock.yaml merge=union\n")
    picture(made / "photo.png", (80, 60))
    assert flow(made, "run show.yaml").exit_code == 4
    for line in ("init -qb main", "config user.name Anna", "config user.email anna@example.com", "add -A"):
        git(made, *line.split())
    git(made, "commit", "-qm", "begin")
    return made


def flow(folder: Path, line: str, stdin: str = "") -> Result:
    shared = folder.parent / "shared"
    shared.mkdir(exist_ok=True)
    return cli(*line.split(), cwd=folder, env={"FLOWRUNNER_REMOTE": str(shared)}, stdin=stdin)


def branch(folder: Path, name: str, pick: str) -> None:
    """A branch off main with one choice in it."""
    git(folder, "checkout", "-q", "-b", name, "main")
    assert flow(folder, "pick show.yaml --from -", pick).exit_code == 0
    git(folder, "commit", "-qam", name)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_three_people_pick_in_different_cells(folder: Path, order: tuple[int, ...]) -> None:
    for number, line in enumerate(LINES):
        branch(folder, f"b{number}", line)
    git(folder, "checkout", "-q", "main")
    for number in order:
        git(folder, "merge", "-q", "--no-edit", f"b{number}")
    assert [cell["cell"] for cell in flow(folder, "pick show.yaml --format json").json["waiting"]] == ["small/vase"]
    lock = (folder / "show.lock.yaml").read_text()
    assert flow(folder, "run show.yaml").exit_code == 4
    assert sorted((folder / "show.lock.yaml").read_text().splitlines()) == sorted(lock.splitlines())


def test_picks_are_rebased_onto_picks(folder: Path) -> None:
    branch(folder, "one", LINES[0])
    branch(folder, "two", LINES[1])
    git(folder, "rebase", "-q", "one")
    assert len(flow(folder, "pick show.yaml --format json").json["waiting"]) == 1


@pytest.fixture
def conflicted(folder: Path) -> Path:
    """Two people picked in one cell, and git put both lines into the lock."""
    branch(folder, "one", "small/jug 1 sharper")
    branch(folder, "two", "small/jug none tilts")
    git(folder, "merge", "-q", "--no-edit", "one")
    return folder


def test_a_choice_made_twice_is_named_by_every_command(conflicted: Path) -> None:
    for line in EVERY:
        result = flow(conflicted, line)
        told = result.out + result.err
        assert (line, result.exit_code) == (line, 2)
        assert (
            "small/jug was changed on both sides of a merge: "
            "line 4 (image none, by Anna) and line 5 (image 1, by Anna)" in told
        ), told
        assert "keep the line of one side" in told


def test_one_version_is_kept_by_deleting_the_lines_of_the_other(conflicted: Path) -> None:
    path = conflicted / "show.lock.yaml"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3] + lines[4:]))
    waiting = flow(conflicted, "pick show.yaml --format json").json["waiting"]
    assert [cell["cell"] for cell in waiting] == ["small/lamp", "small/vase"]


def test_marks_of_a_merge_without_the_attribute_are_told_with_what_prevents_them(folder: Path) -> None:
    git(folder, "rm", "-q", ".gitattributes")
    git(folder, "commit", "-qm", "without")
    branch(folder, "one", "small/jug 1 sharper")
    branch(folder, "two", "small/jug none tilts")
    with pytest.raises(Exception, match="merge"):
        git(folder, "merge", "-q", "--no-edit", "one")
    for line in EVERY:
        told = flow(folder, line)
        assert (line, told.exit_code) == (line, 2)
        assert "a merge left its marks here" in told.out + told.err
        assert "*.lock.yaml merge=union in .gitattributes" in told.out + told.err
