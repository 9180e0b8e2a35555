"""Two clones and a shared folder: one changes a word, pays, picks and shares; the other has the same, for nothing."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from clones import people
from provider_server import provider

CHANGED = ["scene/lamp", "scene/vase", "frame/lamp", "frame/vase"]


@pytest.mark.slow
def test_a_changed_word_goes_full_circle(tmp_path: Path) -> None:
    with provider() as seen:
        anna, ben = people(tmp_path, seen, "anna", "ben")
        anna.finish()
        assert "push  9 files" in anna.flow("store push").out
        anna.commit("run")
        anna.git("push -q origin main")

        ben.git("pull -q origin main")
        fresh = ben.flow("plan show.yaml")
        assert "lack   fetch what is missing with flowrunner store pull, or pay about $0.152 for" in fresh.out
        assert fresh.out.endswith("next   flowrunner store pull show.yaml\n")
        assert ben.flow("plan show.yaml --frozen").exit_code == 0
        assert ben.flow("run show.yaml --frozen").exit_code == 3
        assert "pull  9 files" in ben.flow("store pull show.yaml").out
        paid = len(seen.posts)
        assert ben.flow("run show.yaml --frozen").exit_code == 0
        assert (len(seen.posts), ben.outputs()) == (paid, anna.outputs())

        ben.git("checkout -qb walnut")
        ben.write("oak desk", "walnut desk")
        ben.write("seed: 1}", "seed: 1, prompt: A jug on an oak desk}")  # that one stays as it is
        plan = ben.flow("plan show.yaml --format json").json
        assert plan["totals"]["run"] == 2
        assert plan["totals"]["reuse"] == 2
        changes = {one["cell"]: one["change"] for one in ben.flow("diff show.yaml --format json").json["cells"]}
        assert [name for name, change in changes.items() if change == "render"] == CHANGED
        assert ben.flow("diff show.yaml").exit_code == 0
        ben.finish()
        assert "push  6 files" in ben.flow("store push show.yaml").out
        ben.commit("walnut")
        ben.git("push -q origin walnut")

        anna.git("fetch -q origin")
        anna.git("merge -q origin/walnut")
        assert anna.flow("store pull").exit_code == 0
        paid = len(seen.posts)
        for _ in range(2):
            assert anna.flow("run show.yaml --frozen").exit_code == 0
        assert (len(seen.posts), anna.outputs()) == (paid, ben.outputs())
        assert anna.git("status --porcelain") == ""


def test_simulated_pictures_are_not_pushed(tmp_path: Path) -> None:
    with provider() as seen:
        (anna,) = people(tmp_path, seen, "anna")
        assert anna.flow("run show.yaml --simulate --only scene/jug").exit_code == 4
        assert anna.flow("store push").out.startswith("push  0 files")
    assert not list((tmp_path / "shared").iterdir())
