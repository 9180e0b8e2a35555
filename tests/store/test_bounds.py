"""A folder that neither a name nor a link leads out of."""

from pathlib import Path

import pytest

from flowrunner.store.bounds import Bounds


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with links that lead out of it, about in it, and nowhere."""
    root = tmp_path / "project"
    (root / "results" / "lamps").mkdir(parents=True)
    (root / "sources").mkdir()
    (root / "results" / "out").symlink_to(tmp_path)
    (root / "results" / "about").symlink_to(root / "sources")
    (root / "results" / "back").symlink_to("lamps")
    (root / "results" / "ring").symlink_to("ring")
    (root / "moved").symlink_to("results")
    (root / "gone").symlink_to(tmp_path)
    return root


@pytest.mark.parametrize(
    "place", ["", "lamps", "lamps/brass", "back/brass", "out/project/results/lamps", "new/../lamps"]
)
def test_what_lies_below_is_within(root: Path, place: str) -> None:
    for folder in (root / "results", root / "moved"):
        assert Bounds(folder, root).left_by(folder / place) is None


@pytest.mark.parametrize("place", ["..", "../sources", "/etc", "out", "about", "ring", "a\0b"])
def test_a_name_or_a_link_leads_out(root: Path, place: str) -> None:
    assert Bounds(root / "results", root).left_by(root / "results" / place) == root / "results"


def test_a_folder_of_the_project_lies_in_the_project(root: Path) -> None:
    assert Bounds(root / "gone", root).left_by(root / "gone" / "lamps") == root


def test_a_folder_elsewhere_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to(root)
    assert Bounds(tmp_path / "mine", root).left_by(tmp_path / "mine" / "lamps") is None
