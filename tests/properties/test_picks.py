"""A person's choice belongs to the request behind it: it moves along, or it is stale, and it is never lost."""

from pathlib import Path

import pytest
from shop import Shop, one_file
from wire import Wire, error, painted

from flowrunner import picking
from flowrunner.errors import UsageError
from flowrunner.planning import Choice, Decision, PickState
from flowrunner.store.records import RunStatus

pytestmark = pytest.mark.slow

STEPS = """
steps:
  scene: {model: blackforestlabs/flux-2-pro, variants: 3, pick: human, with: {prompt: a lamp, seed: 7}}
  frame: {model: blackforestlabs/flux-2-edit, with: {prompt: wider, image_urls: [$scene], image_size: square}}
  sheet: {model: image/contact-sheet, with: {images: $scene.images}}
"""


@pytest.fixture
def open_pick(tmp_path: Path, wire: Wire) -> Shop:
    """Three candidates, and nobody has chosen."""
    made = one_file(tmp_path, wire, STEPS)
    made.run()
    return made


@pytest.fixture
def picked(open_pick: Shop) -> Shop:
    """The second of three is chosen, and all is made."""
    open_pick.pick("scene", 2)
    open_pick.run()
    return open_pick


def state(made: Shop, cell: str = "scene") -> PickState:
    found = made.plan().cells[cell].pick
    assert found is not None
    return found


def test_a_run_waits_for_the_choice_and_makes_what_does_not_need_it(open_pick: Shop) -> None:
    assert open_pick.wire.prompts == ["a lamp"] * 3
    plan = open_pick.plan()
    assert [plan.cells[name].decision for name in ("scene", "frame", "sheet")] == [
        Decision.REUSE,
        Decision.AWAIT,
        Decision.REUSE,
    ]
    assert plan.cells["frame"].reason == "after a pick of scene"
    assert [cell.cell.id for cell in plan.after_picks] == ["frame"]


def test_the_chosen_picture_goes_on(picked: Shop) -> None:
    assert picked.wire.prompts == ["a lamp"] * 3 + ["wider"]
    locked = picked.load().opened.lock.cells
    second = locked["scene"].samples[1].images[0].sha256
    assert locked["frame"].with_["image_urls"] == [f"sha256:{second}"]


def test_another_choice_runs_what_follows_from_it(picked: Shop) -> None:
    picked.pick("scene", 3)
    assert picked.run() == ["wider"]
    picked.pick("scene", 2)
    assert picked.run() == []


def test_a_renamed_step_keeps_its_choice(picked: Shop) -> None:
    picked.edit("shop.yaml", "  scene:", "  photo:")
    picked.edit("shop.yaml", "$scene", "$photo")
    assert picked.run() == []
    assert state(picked, "photo").number == 2
    assert list(picked.load().opened.lock.picks) == ["photo"]


@pytest.mark.parametrize(
    ("old", "new"), [("a lamp", "two lamps"), ("seed: 7", "seed: 70"), ("variants: 3", "variants: 4")]
)
def test_a_changed_request_makes_the_choice_stale_and_keeps_it(picked: Shop, old: str, new: str) -> None:
    before = picked.load().opened.lock.picks
    picked.edit("shop.yaml", old, new)
    assert state(picked).choice is Choice.STALE
    assert picked.result().status is RunStatus.WAITING
    assert picked.reason("scene") == "its pick is stale: the request behind the pick has changed"
    assert picked.load().opened.lock.picks == before
    waiting = picking.waiting(picked.load())
    assert [(one.cell, one.state) for one in waiting] == [("scene", Choice.STALE)]


def test_a_request_that_is_taken_back_finds_its_choice_again(picked: Shop) -> None:
    picked.edit("shop.yaml", "a lamp", "two lamps")
    picked.run()
    picked.edit("shop.yaml", "two lamps", "a lamp")
    assert state(picked) == PickState(choice=Choice.MADE, number=2)
    assert picked.run() == []


def test_none_of_them_keeps_the_cell_waiting_and_says_why(open_pick: Shop) -> None:
    picking.record(open_pick.load(), [picking.Wish(cell="scene", why="all too dark")])
    assert open_pick.result().status is RunStatus.WAITING
    assert open_pick.reason("scene") == "no candidate will do: all too dark"
    assert open_pick.run() == []


def test_a_choice_by_hand_needs_a_number_only(open_pick: Shop) -> None:
    lock = open_pick.load().opened.lock_file.path
    lock.write_text(lock.read_text().replace("lock: 1\n", "lock: 1\npicks: {scene: {image: 1}}\n"))
    assert open_pick.run() == ["wider"]
    pick = open_pick.load().opened.lock.picks["scene"]
    assert (pick.image, bool(pick.digest), bool(pick.for_)) == (1, True, True)


def test_a_forced_cell_gives_other_pictures_and_its_choice_is_stale(picked: Shop) -> None:
    picked.wire.answer = lambda body: painted({**body, "again": True})
    assert picked.result(force=("scene",)).status is RunStatus.WAITING
    assert state(picked) == PickState(choice=Choice.STALE, why="candidate 2 is not the picture that was picked")


def test_one_can_choose_among_the_samples_that_came(tmp_path: Path, wire: Wire) -> None:
    made = one_file(tmp_path, wire, STEPS)
    wire.answer = lambda body: error(400) if body.get("seed") == 8 else painted(body)
    assert made.result().status is RunStatus.FAILED
    assert [candidate.number for candidate in picking.waiting(made.load())[0].candidates] == [1, 3]
    with pytest.raises(UsageError, match="has no candidate 2"):
        made.pick("scene", 2)
    made.pick("scene", 3)
    plan = made.plan()
    assert (plan.cells["scene"].reason, plan.cells["frame"].decision) == ("1 of 3 samples is missing", Decision.RUN)
    wire.answer = painted
    assert made.run() == ["a lamp", "wider"]
    assert state(made).number == 3
    assert made.run() == []


def test_a_sample_more_does_not_touch_what_takes_the_first(tmp_path: Path, wire: Wire) -> None:
    made = one_file(tmp_path, wire, STEPS.replace(", pick: human", ""))
    made.run()
    made.edit("shop.yaml", "variants: 3", "variants: 4")
    plan = made.plan()
    assert plan.cells["scene"].reason == "variants: 3 → 4 (shop.yaml:5)"
    assert plan.cells["frame"].decision is Decision.REUSE
    assert made.run() == ["a lamp"]
