"""Runs whose pictures are held against checks: what fails, what goes on, what is paid, and what a plan says of it."""

import io
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from support import pipeline
from wire import Wire, error, reply

from flowrunner import api, picking
from flowrunner.api import PipelineFile
from flowrunner.checks.measures import measure
from flowrunner.checks.verdict import Result
from flowrunner.errors import UsageError
from flowrunner.planning import Decision
from flowrunner.store.records import RunStatus

ENV = {"HOME": "/nonexistent", "PATH": ""}
MODEL = "model: blackforestlabs/flux-2-pro"
EDIT = "model: blackforestlabs/flux-2-pro-edit"
SIZE = "image_size: {width: 512, height: 512}"
CHAIN = f"""
steps:
  a: {{{MODEL}, with: {{prompt: plain, {SIZE}}}, check: [{{not_flat: true}}]}}
  b: {{{EDIT}, with: {{prompt: seen, image_urls: [$a], {SIZE}}}}}
outputs: {{best: $a}}
"""
LOOSER = CHAIN.replace("not_flat: true", "not_flat: 0")
CHOSEN = f"""
steps:
  a: {{{MODEL}, variants: 3, pick: check, with: {{prompt: later, seed: 1, {SIZE}}}, check: [{{not_flat: true}}]}}
  b: {{{EDIT}, with: {{prompt: seen, image_urls: [$a], {SIZE}}}}}
"""
COMPARED = f"""
steps:
  a: {{{MODEL}, with: {{prompt: seen, {SIZE}}}}}
  b:
    {EDIT}
    with: {{prompt: other, image_urls: [photo.png], {SIZE}}}
    check: [{{similar_to: {{of: $a, ssim: 0.5}}}}]
"""


def painted(body: dict[str, Any]) -> Any:
    """`plain` gives one colour, `later` from its second seed on something to see, all others something of their own."""
    image = Image.new("RGB", (64, 48), "#335577")
    if body["prompt"] != "plain" and not (body["prompt"] == "later" and body["seed"] == 1):
        edge = 10 + sum(body["prompt"].encode()) % 40 + body.get("seed", 0)
        ImageDraw.Draw(image).rectangle((0, 0, edge, 30), fill="#ffddaa")
    out = io.BytesIO()
    image.save(out, "PNG")
    return reply([out.getvalue()], "0.01")


@pytest.fixture(autouse=True)
def painter(wire: Wire) -> Wire:
    wire.answer = painted
    return wire


def run(path: Path, **options: Any) -> api.RunResult:
    return api.run(path, environment=ENV, simulate=True, **options)


def load(path: Path) -> PipelineFile:
    return api.load(path, environment=ENV, simulate=True)


def plan(path: Path, **options: Any) -> dict[str, tuple[str, str]]:
    found = api.plan(path, environment=ENV, simulate=True, **options)
    return {name: (cell.decision.value, cell.reason) for name, cell in found.cells.items()}


def statuses(result: api.RunResult) -> dict[str, str]:
    return {name: found.status.value for name, found in result.results.items()}


def forget(path: Path) -> None:
    """Another clone: the lock, and no picture, no ledger, no verdict."""
    for one in (path.parent / ".flowrunner").iterdir():
        if one.name != "simulated":
            one.rename(path.parent / f"gone-{one.name}")


def rewritten(path: Path, before: str, after: str) -> None:
    path.write_text(path.read_text().replace(before, after))


def test_a_check_that_fails_fails_its_cell_and_skips_what_needs_it(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    result = run(path)
    assert statuses(result) == {"a": "failed", "b": "skipped"}
    assert (result.status, result.exit_code, result.calls, wire.prompts) == (RunStatus.FAILED, 1, 1, ["plain"])
    assert result.results["a"].reason == "not_flat: spread 0.0 levels, at least 2"
    assert result.results["b"].reason == "a failed"


def test_the_picture_that_failed_is_kept_locked_and_named_and_is_no_output(tmp_path: Path) -> None:
    path = pipeline(tmp_path, CHAIN)
    result = run(path)
    assert list(api.load(path, environment=ENV, simulate=True).opened.lock.cells) == ["a"]
    (copy,) = result.published.candidates["a"]
    assert (tmp_path / copy).is_file()
    assert result.outputs == {"best": []}


def test_a_looser_check_goes_on_without_paying_again(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    run(path)
    again = run(path)
    assert (statuses(again), again.exit_code, wire.prompts) == ({"a": "failed", "b": "skipped"}, 1, ["plain"])
    rewritten(path, "not_flat: true", "not_flat: 0")
    assert statuses(run(path)) == {"a": "reused", "b": "done"}
    assert wire.prompts == ["plain", "seen"]


def test_no_check_is_part_of_a_request_or_of_the_lock(tmp_path: Path) -> None:
    path = pipeline(tmp_path, LOOSER)
    before = run(path).opened.lock_file.path.read_bytes()
    rewritten(path, ", check: [{not_flat: 0}]", "")
    again = run(path)
    assert (again.calls, again.lock_written, again.opened.lock_file.path.read_bytes()) == (0, False, before)


def test_a_check_added_later_fails_what_was_made_before(tmp_path: Path) -> None:
    path = pipeline(tmp_path, LOOSER)
    assert run(path).status is RunStatus.DONE
    rewritten(path, "not_flat: 0", "not_flat: true")
    result = run(path)
    assert (statuses(result), result.calls) == ({"a": "failed", "b": "skipped"}, 0)
    assert "b" in load(path).opened.lock.cells


def test_a_warning_goes_on_and_is_told(tmp_path: Path) -> None:
    result = run(pipeline(tmp_path, CHAIN.replace("true}", "true, level: warn}")))
    assert (result.status, result.exit_code) == (RunStatus.DONE, 0)
    ((verdict,),) = result.results["a"].verdicts
    assert (verdict.result, verdict.sentence) == (Result.WARN, "not_flat: spread 0.0 levels, at least 2")


def test_a_plan_says_what_a_run_would_skip_and_prices_nothing_for_it(tmp_path: Path) -> None:
    path = pipeline(tmp_path, CHAIN)
    assert plan(path)["b"] == ("await", "after a")
    run(path)
    found = api.plan(path, environment=ENV, simulate=True)
    assert plan(path) == {
        "a": ("reuse", "fails its checks: not_flat: spread 0.0 levels, at least 2"),
        "b": ("skip", "a fails its checks"),
    }
    assert found.cells["b"].to_send == 0


@pytest.mark.slow
def test_a_plan_writes_no_verdict(tmp_path: Path) -> None:
    path = pipeline(tmp_path, LOOSER)
    run(path)
    rewritten(path, "not_flat: 0", "similar_to: {of: photo.png, hash: 64, ssim: 0}")
    kept = sorted((tmp_path / ".flowrunner" / "checks").rglob("*"))
    plan(path)
    assert sorted((tmp_path / ".flowrunner" / "checks").rglob("*")) == kept


def test_pick_check_takes_the_first_that_passes(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHOSEN)
    result = run(path)
    assert (result.status, result.results["a"].picked) == (RunStatus.DONE, 2)
    assert [verdicts[0].result.value for verdicts in result.results["a"].verdicts] == ["fail", "pass", "pass"]
    pick = load(path).opened.lock.picks["a"]
    assert (pick.image, pick.by, pick.for_) == (2, "check", load(path).opened.lock.cells["a"].key)
    assert run(path).lock_written is False


@pytest.mark.slow
def test_where_no_candidate_passes_the_cell_fails_with_all_values(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHOSEN.replace("not_flat: true", "not_flat: 128"))
    result = run(path)
    assert statuses(result) == {"a": "failed", "b": "skipped"}
    assert result.results["a"].reason.startswith(
        "no candidate passes its checks: 1: not_flat: spread 0.0 levels, at least 128 · 2: not_flat: spread "
    )
    assert "a" not in load(path).opened.lock.picks
    rewritten(path, "not_flat: 128", "not_flat: true")
    assert (statuses(run(path)), wire.prompts[3:]) == ({"a": "reused", "b": "done"}, ["seen"])
    rewritten(path, "not_flat: true", "not_flat: 128")
    run(path)
    assert "a" not in load(path).opened.lock.picks


def test_a_clone_without_pictures_knows_which_candidate_passed(tmp_path: Path) -> None:
    path = pipeline(tmp_path, CHOSEN)
    run(path)
    forget(path)
    assert plan(path, frozen=True) == {"a": ("reuse", "locked"), "b": ("reuse", "locked")}


def test_a_check_whose_picture_is_not_here_says_so(tmp_path: Path) -> None:
    path = pipeline(tmp_path, CHOSEN)
    run(path)
    forget(path)
    assert plan(path)["a"] == ("missing", "its locked picture is not here")
    result = run(path)
    assert (statuses(result), result.exit_code) == ({"a": "missing", "b": "reused"}, 3)
    assert result.results["a"].reason == "its locked picture is not here"
    found = api.check(path, environment=ENV, simulate=True)
    assert found.exit_code == 3
    assert all("is not in the store" in verdict.measured for one in found.missing for verdict in one.verdicts)


def test_a_verdict_that_is_known_needs_no_bytes(tmp_path: Path) -> None:
    path = pipeline(tmp_path, CHOSEN)
    run(path)
    (tmp_path / ".flowrunner" / "objects").rename(tmp_path / "away")
    assert plan(path) == {"a": ("reuse", "locked"), "b": ("reuse", "locked")}
    assert run(path).exit_code == 0


def test_what_a_check_compares_with_comes_first(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, COMPARED)
    assert plan(path) == {"a": ("run", "new"), "b": ("await", "after a")}
    result = run(path)
    assert (wire.prompts, statuses(result)) == (["seen", "other"], {"a": "done", "b": "done"})
    assert result.results["b"].verdicts[0][0].heatmap.endswith(".webp")


def test_nothing_is_paid_for_what_cannot_be_held_against_its_check(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, COMPARED.replace("512}}", "512}}, check: [{size: {width: 9}}]", 1))
    assert statuses(run(path)) == {"a": "failed", "b": "skipped"}
    assert wire.prompts == ["seen"]


@pytest.mark.slow
def test_another_picture_to_compare_with_judges_anew_and_pays_nothing(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, COMPARED.replace("ssim: 0.5", "ssim: 0.999, hash: 64"))
    assert statuses(run(path)) == {"a": "done", "b": "failed"}
    rewritten(path, "prompt: seen", "prompt: other")
    result = run(path)
    assert (statuses(result), wire.prompts) == ({"a": "done", "b": "reused"}, ["seen", "other", "other"])


def test_a_file_that_is_gone_from_the_store_is_named(tmp_path: Path) -> None:
    path = pipeline(tmp_path, COMPARED)
    digest = run(path).results["a"].candidates[0]
    assert digest is not None
    (tmp_path / ".flowrunner" / "objects" / digest.sha256[:2] / digest.sha256[2:]).unlink()
    rewritten(path, "ssim: 0.5", "ssim: 0.4")
    gone = f"its checks cannot be made: picture {digest.sha256[:12]} is not in the store"
    assert plan(path) == {"a": ("missing", "its locked picture is not here"), "b": ("missing", gone)}
    assert run(path).results["b"].reason == gone


def test_what_a_plan_cannot_know_of_a_choice_by_checks_it_leaves_open(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHOSEN)
    wire.answer = lambda body: error(400) if body.get("seed") == 1 else painted(body)
    assert run(path).results["a"].picked == 2
    assert plan(path)["b"] == ("await", "after a")


def test_pictures_of_two_sizes_fail_and_say_so(tmp_path: Path) -> None:
    path = pipeline(tmp_path, COMPARED.replace("$a, ssim", "photo.png, ssim"))
    reason = run(path).results["b"].reason
    assert reason.startswith("similar_to: it is 64x48, the other picture 800x600")


def test_a_person_sees_what_the_checks_say_and_a_choice_that_fails_them_fails(tmp_path: Path) -> None:
    path = pipeline(tmp_path, CHOSEN.replace("pick: check", "pick: human"))
    result = run(path)
    assert result.status is RunStatus.WAITING
    (waits,) = picking.waiting(load(path))
    assert [one.verdicts[0].result.value for one in waits.candidates] == ["fail", "pass", "pass"]
    picking.record(load(path), [picking.Wish(cell="a", number=1)])
    assert statuses(run(path)) == {"a": "failed", "b": "skipped"}
    picking.record(load(path), [picking.Wish(cell="a", number=3)])
    assert statuses(run(path)) == {"a": "reused", "b": "done"}


@pytest.mark.slow
def test_nobody_picks_where_the_checks_do(tmp_path: Path) -> None:
    path = pipeline(tmp_path, CHOSEN)
    run(path)
    with pytest.raises(UsageError, match="a takes the first candidate that passes its checks by itself"):
        picking.record(load(path), [picking.Wish(cell="a", number=1)])


def test_a_failed_sample_is_no_candidate_where_the_checks_choose(tmp_path: Path, wire: Wire) -> None:
    wire.answer = lambda body: error(400) if body.get("seed") == 2 else painted(body)
    result = run(pipeline(tmp_path, CHOSEN))
    assert (result.results["a"].picked, result.results["b"].status.value) == (3, "done")


def test_only_the_candidate_that_goes_on_is_judged_where_a_number_picks(tmp_path: Path) -> None:
    result = run(pipeline(tmp_path, CHOSEN.replace("pick: check", "pick: 2")))
    assert [len(verdicts) for verdicts in result.results["a"].verdicts] == [0, 1, 0]
    assert result.status is RunStatus.DONE


def test_new_pictures_are_looked_at_beside_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside: list[bool] = []

    def measured(*given: Any) -> Any:
        beside.append(threading.current_thread() is not threading.main_thread())
        return measure(*given)

    monkeypatch.setattr("flowrunner.checks.judge.measure", measured)
    run(pipeline(tmp_path, CHOSEN))
    assert beside == [True] * 3


def test_an_inspection_tells_what_is_not_locked_and_what_waits(tmp_path: Path) -> None:
    path = pipeline(tmp_path, CHOSEN.replace("pick: check", "pick: human"))
    assert api.check(path, environment=ENV, simulate=True).unmade == ("a",)
    run(path)
    found = api.check(path, environment=ENV, simulate=True)
    assert (found.unmade, found.waiting, found.exit_code) == ((), ("a",), 0)
    assert [one.picked for one in found.pictures] == [False] * 3
    assert found.count(Result.FAIL) == 1


def test_an_inspection_pays_nothing_and_changes_no_lock(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    lock = run(path).opened.lock_file.path.read_bytes()
    found = api.check(path, environment=ENV, simulate=True)
    assert (found.failed, found.exit_code) == ({"a": "not_flat: spread 0.0 levels, at least 2"}, 1)
    assert load(path).opened.lock_file.path.read_bytes() == lock
    assert wire.prompts == ["plain"]


def test_a_step_that_is_left_out_is_not_checked(tmp_path: Path) -> None:
    path = pipeline(tmp_path, CHAIN.replace("a: {model", "a: {when: false, model"))
    found = api.check(path, environment=ENV, simulate=True)
    assert (found.pictures, found.unmade, found.exit_code) == ((), (), 0)
    assert api.plan(path, environment=ENV, simulate=True).of(Decision.SKIP)
