"""Cells run the moment their own inputs are there, and the end is the same whatever came first."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running_cases import Answer, Show, fails, gives

from flowrunner.artifact import Artifact
from flowrunner.call import Billed, Failure, Outcome
from flowrunner.events import Done
from flowrunner.jobs import Job
from flowrunner.loading.cells import Cell
from flowrunner.planning import PlannedCell, Planner
from flowrunner.store.locked import Pick
from flowrunner.store.locktext import dump

PRO, EDIT = "blackforestlabs/flux-2-pro", "blackforestlabs/flux-2-edit"
SHOW = f"""
axes: {{p: [lamp, vase, chair], s: [small, large]}}
steps:
  scene: {{across: p, variants: 2, model: {PRO}, with: {{prompt: "{{{{ axis.p }}}}", seed: 1}}}}
  frame:
    across: [p, s]
    model: {EDIT}
    with: {{prompt: "{{{{ axis.s }}}}", image_urls: [$scene, $scene.2], image_size: square}}
  night: {{across: p, after: frame, model: {EDIT}, with: {{prompt: night, image_urls: [$scene], image_size: square}}}}
  best: {{model: {EDIT}, with: {{prompt: best, image_urls: [$night.*], image_size: square}}}}
"""


def pro(more: str = "") -> str:
    return f"{{model: {PRO}, with: {{prompt: x}}{more}}}"


def edit(refs: str, more: str = "") -> str:
    return f"{{model: {EDIT}, with: {{prompt: y, image_urls: [{refs}], image_size: square}}{more}}}"


def failing(*names: str, billed: Billed = Billed.NO, **more: Any) -> Answer:
    def answer(job: Job) -> Outcome | Failure:
        return fails(job, billed, **more) if f"{job.cell}#{job.sample}" in names else gives(job)

    return answer


# Order


def test_everything_runs_once_and_then_nothing() -> None:
    show = Show(SHOW)
    assert set(show.statuses().values()) == {"done"}
    assert len(show.sent) == len(set(show.sent)) == 6 + 6 + 3 + 1
    before = dump(show.lock)
    assert set(show.statuses().values()) == {"reused"}
    assert show.sent == []
    assert dump(show.lock) == before


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_any_order_of_ending_gives_the_same_lock(chance: random.Random, stores: bool) -> None:
    usual = Show(SHOW)
    usual.run()
    show = Show(SHOW)
    show.stores = stores
    show.run(order=lambda names: chance.randrange(len(names)))
    assert dump(show.lock) == dump(usual.lock)
    assert sorted(show.sent) == sorted(usual.sent)


def test_a_cell_starts_when_its_own_needs_are_done_and_not_level_by_level() -> None:
    ended: list[str] = []

    def last(names: Sequence[str]) -> int:
        others = [name for name in names if name != "slow#1"]
        ended.append((others or list(names))[0])
        return list(names).index(ended[-1])

    Show(f"steps: {{slow: {pro()}, a: {edit('photo.png')}, b: {edit('$a')}, c: {edit('$b')}}}").run(order=last)
    assert ended == ["a#1", "b#1", "c#1", "slow#1"]


LONG = f"""
steps:
  one: {pro()}
  two: {pro()}
  first: {pro()}
  second: {edit("$first")}
  small: {{model: image/resize, with: {{image: $second, width: 32}}}}
  three: {pro()}
  third: {edit("$second")}
  fourth: {edit("$third")}
"""


@pytest.mark.parametrize(
    ("slots", "sent"),
    [
        (1, ["first", "second", "third", "one", "two", "three", "fourth"]),
        (2, ["first", "one", "second", "two", "third", "three", "fourth"]),
    ],
)
def test_a_free_slot_goes_to_the_cell_with_the_longest_way_still_to_go(slots: int, sent: list[str]) -> None:
    show = Show(LONG)
    show.slots = {"aimlapi": slots}
    show.run(order=lambda _: 0)
    assert [name for name in show.sent if name != "small#1"] == [f"{name}#1" for name in sent]
    assert show.most <= slots + 1


def test_the_first_calls_leave_while_of_others_it_is_still_to_be_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    step = f"{{across: p, model: {PRO}, with: {{prompt: 'x {{{{ axis.p }}}}'}}}}"
    show = Show(f"axes: {{p: {list(range(200))}}}\nsteps: {{x: {step}}}")
    decided: list[int] = []
    real = Planner.decide

    def decide(planner: Planner, cell: Cell) -> PlannedCell:
        decided.append(len(show.sent))
        return real(planner, cell)

    def gone(job: Job) -> Outcome | Failure:
        show.sent.append(job.cell)
        return gives(job)

    monkeypatch.setattr(Planner, "decide", decide)
    show.answer = gone
    show.run()
    assert len(decided) == len(show.memories.outcomes) == 200
    assert 0 < decided[-1] < 200


CHAIN = f"steps: {{a: {pro()}, b: {edit('$a')}, c: {{model: image/resize, with: {{image: $b, width: 32}}}}}}"


def test_what_needs_a_picture_is_sent_once_that_is_stored_and_counted_once() -> None:
    ends: list[str] = []

    def unknown_last(names: Sequence[str]) -> int:
        ends.append(min(names, key=lambda name: ("stored" in name, name)))
        return names.index(ends[-1])

    show = Show(CHAIN)
    show.stores, show.slots = True, {"aimlapi": 1}
    found = show.run(order=unknown_last)
    assert ends == ["a#1", "b#1", "c#1", "a#1 stored"]
    assert [(one.status.value, one.calls, one.charges) for one in found.values()] == [
        ("done", 1, (1000,)),
        ("done", 1, (1000,)),
        ("done", 0, ()),
    ]
    assert sum(isinstance(event, Done) for event in show.events) == 3


def test_a_slot_is_free_once_whether_a_picture_is_stored_or_known() -> None:
    at_once: list[int] = []

    def stored_first(names: Sequence[str]) -> int:
        at_once.append(sum("stored" not in name for name in names))
        return names.index(min(names, key=lambda name: "stored" not in name))

    show = Show(f"steps: {{a: {pro()}, b: {edit('$a')}, c: {edit('$b')}, d: {pro()}, e: {pro()}}}")
    show.stores, show.slots = True, {"aimlapi": 1}
    show.run(order=stored_first)
    assert set(at_once) == {1}


def test_a_picture_is_stored_for_nobody_once_a_run_is_to_send_nothing_more() -> None:
    told: list[bool] = []
    show = Show(CHAIN)

    def interrupted(job: Job) -> Outcome:
        show.stop.request("interrupted")
        if job.call.model != "image/resize":
            told.append(job.stored(gives(job)))
        return gives(job)

    show.answer = interrupted
    show.run()
    assert told == [False, False]


def test_a_ledger_that_fails_a_stored_picture_ends_the_run_but_awaits_what_is_under_way() -> None:
    ended: list[str] = []
    show = Show(f"steps: {{a: {pro()}, b: {edit('$a')}, c: {edit('$b')}}}")

    def answer(job: Job) -> Outcome:
        ended.append(job.cell)
        if job.cell == "a":
            assert job.stored(gives(job))
            raise ZeroDivisionError
        return gives(job)

    show.answer = answer
    with pytest.raises(ZeroDivisionError):
        show.run()
    assert ended in (["a"], ["a", "b"])


def test_no_more_samples_are_under_way_than_there_are_slots() -> None:
    show = Show(f"steps: {{a: {pro(', variants: 5')}, b: {pro(', variants: 5')}}}")
    show.slots = {"aimlapi": 3}
    show.run(order=lambda _: 0)
    assert (show.most, len(show.sent)) == (3, 10)


def test_all_that_can_run_at_once_does() -> None:
    show = Show(f"axes: {{p: [a, b, c, d, e]}}\nsteps: {{x: {pro(', across: p, variants: 2')}}}")
    show.run(order=lambda _: 0)
    assert show.most == 10


def test_after_waits_and_passes_no_picture() -> None:
    show = Show(f"steps: {{a: {pro()}, b: {edit('photo.png', ', after: a')}}}")
    show.run(order=lambda _: 0)
    assert show.sent == ["a#1", "b#1"]


def test_only_the_wanted_cells_get_a_result() -> None:
    show = Show(SHOW)
    assert list(show.run(only=["scene/lamp", "frame/lamp/small"])) == ["scene/lamp", "frame/lamp/small"]


# Failures


def test_a_failed_sample_fails_its_cell_and_what_needs_it_is_skipped() -> None:
    show = Show(f"steps: {{a: {pro(', variants: 2')}, b: {edit('$a')}, c: {edit('$b')}, d: {edit('photo.png')}}}")
    show.answer = failing("a#2")
    found = show.run()
    assert {name: result.status.value for name, result in found.items()} == {
        "a": "failed",
        "b": "skipped",
        "c": "skipped",
        "d": "done",
    }
    assert (found["b"].reason, found["c"].reason) == ("a failed", "a failed")


def test_what_a_failed_cell_has_is_kept_and_only_the_rest_is_tried_again() -> None:
    show = Show(f"steps: {{a: {pro(', variants: 3')}, b: {edit('$a')}}}")
    show.answer = failing("a#2")
    show.run()
    assert len(show.lock.cells["a"].samples) == 2
    show.answer = gives
    assert show.statuses() == {"a": "done", "b": "done"}
    assert show.sent == ["a#2", "b#1"]


def test_what_comes_after_a_failed_cell_does_not_start() -> None:
    show = Show(f"steps: {{a: {pro()}, b: {edit('photo.png', ', after: a')}}}")
    show.answer = failing("a#1")
    assert show.statuses() == {"a": "failed", "b": "skipped"}
    assert show.sent == ["a#1"]


def test_what_comes_after_a_failed_cell_is_reused_where_nothing_of_it_has_to_start() -> None:
    show = Show(f"steps: {{a: {pro()}, b: {edit('photo.png', ', after: a')}}}")
    show.run()
    show.write(f"steps: {{a: {{model: {PRO}, with: {{prompt: new}}}}, b: {edit('photo.png', ', after: a')}}}")
    show.answer = failing("a#1")
    assert show.statuses() == {"a": "failed", "b": "reused"}


def test_what_comes_after_a_cell_that_a_failure_skipped_does_not_start() -> None:
    show = Show(f"steps: {{a: {pro()}, b: {edit('$a')}, c: {edit('photo.png', ', after: b')}}}")
    show.answer = failing("a#1")
    found = show.run()
    assert {name: result.status.value for name, result in found.items()} == {
        "a": "failed",
        "b": "skipped",
        "c": "skipped",
    }
    assert found["c"].reason == "a failed"


def test_what_comes_after_a_cell_whose_condition_is_false_starts() -> None:
    off = ", across: p, when: \"axis.p == 'no'\""
    show = Show(f"axes: {{p: [yes]}}\nsteps: {{a: {pro(off)}, b: {edit('photo.png', ', after: a')}}}")
    assert show.statuses() == {"a/yes": "skipped", "b": "done"}


@pytest.mark.parametrize(
    ("billed", "more", "status"),
    [
        (Billed.NO, {}, "failed"),
        (Billed.YES, {}, "failed"),
        (Billed.MAYBE, {}, "unknown"),
        (Billed.NO, {"refused": True}, "pending"),
    ],
)
def test_a_failure_says_how_the_cell_ended(billed: Billed, more: dict[str, bool], status: str) -> None:
    show = Show(f"steps: {{a: {pro()}, b: {edit('$a')}}}")
    show.answer = failing("a#1", billed=billed, paid=7, **more)
    found = show.run()
    assert found["a"].status.value == status
    assert found["b"].status.value == ("pending" if status == "pending" else "skipped")
    assert found["a"].calls == (0 if billed is Billed.NO else 1)
    assert found["a"].paid == (7 if billed is Billed.YES else 0)


def test_what_was_known_is_not_counted_as_paid_by_this_run() -> None:
    from dataclasses import replace

    show = Show(f"steps: {{a: {pro()}}}")
    show.answer = lambda job: replace(gives(job), known=True)
    found = show.run()["a"]
    assert (found.status.value, found.paid, found.calls) == ("reused", 0, 0)


def test_fewer_pictures_than_a_candidate_needs_fail_the_cell_that_picks_it() -> None:
    show = Show("steps: {a: {model: blackforestlabs/flux-2, pick: 2, with: {prompt: x, num_images: 2}}}")
    show.answer = lambda job: Outcome(key=job.call.key, artifacts=gives(job).artifacts[:1], paid=1)
    found = show.run()["a"]
    assert (found.status.value, found.reason) == ("failed", "there is no candidate 2")


def two_of_three(steps: str) -> Show:
    show = Show(f"steps: {{a: {{model: blackforestlabs/flux-2, with: {{prompt: x, num_images: 3}}}}, {steps}}}")
    show.answer = lambda job: Outcome(key=job.call.key, artifacts=gives(job).artifacts[:2], paid=1)
    return show


def test_a_candidate_that_the_reply_did_not_hold_is_not_said_to_have_failed() -> None:
    show = two_of_three(f"b: {edit('$a.3')}, c: {edit('$a.2')}, d: {edit('$b')}")
    for _ in range(2):
        found = show.run()
        assert [found[name].status.value for name in "bcd"] == ["failed", "done" if show.sent else "reused", "skipped"]
        assert found["b"].reason == "it needs candidate 3 of a, of which 2 came; --force a pays for others"


def test_a_plan_tells_what_will_not_come_for_a_candidate_that_is_not_there() -> None:
    show = two_of_three(f"b: {edit('$a.3')}, d: {edit('$b')}")
    assert show.decisions() == {"a": "run", "b": "await", "d": "await"}
    show.run()
    found = show.plan().cells
    assert {name: planned.decision.value for name, planned in found.items()} == {"a": "reuse", "b": "skip", "d": "skip"}
    assert found["b"].reason == found["d"].reason == show.run()["b"].reason
    assert show.decisions(force=["a"]) == {"a": "run", "b": "await", "d": "await"}


def test_a_picture_of_another_size_than_was_asked_for_may_fail_what_is_made_of_it() -> None:
    a = f"{{model: {PRO}, with: {{prompt: x, image_size: {{width: 1024, height: 512}}}}}}"
    crop = "{model: image/crop, with: {image: $a, box: [0, 0, 1000, 500]}}"
    show = Show(f"steps: {{a: {a}, b: {crop}, c: {edit('$b')}}}")
    show.answer = lambda job: Outcome(key=job.call.key, artifacts=(_other(job),), paid=1)
    found = show.run()
    assert {name: result.status.value for name, result in found.items()} == {"a": "done", "b": "failed", "c": "skipped"}
    assert "reaches outside the picture of 64x48" in found["b"].reason


def test_a_bug_in_a_performer_ends_the_run_but_awaits_what_is_under_way() -> None:
    show = Show(f"steps: {{a: {pro()}, b: {pro(', variants: 2')}}}")
    ended = []

    def answer(job: Job) -> Outcome:
        if job.cell == "a":
            raise ZeroDivisionError
        ended.append(job.cell)
        return gives(job)

    show.answer = answer
    with pytest.raises(ZeroDivisionError):
        show.run(order=lambda _: 0)
    assert ended == ["b", "b"]


def test_a_bug_in_one_sample_does_not_leave_the_others_alone() -> None:
    show = Show(f"steps: {{a: {pro(', variants: 3')}}}")
    ended = []

    def answer(job: Job) -> Outcome:
        ended.append(job.sample)
        if job.sample == 1:
            raise ZeroDivisionError
        return gives(job)

    show.answer = answer
    with pytest.raises(ZeroDivisionError):
        show.run(order=lambda _: 0)
    assert ended == [1, 2, 3]


# Picks


def test_a_cell_with_a_human_pick_waits_and_so_does_what_needs_the_pick() -> None:
    show = Show(f"steps: {{a: {pro(', variants: 2, pick: human')}, b: {edit('$a')}, c: {edit('$b')}}}")
    found = show.run()
    assert {name: result.status.value for name, result in found.items()} == {
        "a": "waiting",
        "b": "waiting",
        "c": "waiting",
    }
    assert (found["a"].reason, found["b"].reason) == ("choose one of 2", "after a pick of a")
    assert show.sent == ["a#1", "a#2"]


def test_a_number_all_images_and_after_do_not_wait_for_the_pick() -> None:
    e = f"{{model: {PRO}, with: {{prompt: z, image_size: {{size_of: $a.1}}}}}}"
    others = f"b: {edit('$a.2')}, c: {edit('$a.images')}, d: {edit('photo.png', ', after: a')}, e: {e}"
    show = Show(f"steps: {{a: {pro(', variants: 2, pick: human')}, {others}}}")
    assert show.statuses() == {"a": "waiting", "b": "done", "c": "done", "d": "done", "e": "done"}


def test_after_waits_for_a_cell_that_is_behind_a_pick() -> None:
    steps = f"a: {pro(', pick: human')}, b: {edit('$a')}, c: {edit('photo.png', ', after: b')}"
    show = Show(f"steps: {{{steps}}}")
    assert show.decisions() == {"a": "run", "b": "await", "c": "await"}
    assert [cell.cell.id for cell in show.plan().after_picks] == ["b", "c"]
    found = show.run()
    assert {name: result.status.value for name, result in found.items()} == dict.fromkeys("abc", "waiting")
    assert found["c"].reason == show.plan().cells["c"].reason == "after a pick of a"
    _pick(show, 1)
    assert show.statuses() == {"a": "reused", "b": "done", "c": "done"}


def test_a_pick_lets_the_rest_run_with_that_picture() -> None:
    show = Show(f"steps: {{a: {pro(', variants: 3, pick: human')}, b: {edit('$a')}}}")
    show.run()
    chosen = show.lock.cells["a"].samples[1].images[0]
    _pick(show, 2)
    found = show.run()
    assert {name: result.status.value for name, result in found.items()} == {"a": "reused", "b": "done"}
    assert found["a"].picked == 2
    assert show.lock.cells["b"].with_["image_urls"] == [f"sha256:{chosen.sha256}"]


def test_none_keeps_the_cell_waiting_and_says_why() -> None:
    from dataclasses import replace

    show = Show(f"steps: {{a: {pro(', pick: human')}, b: {edit('$a')}}}")
    show.run()
    show.lock = replace(show.lock, picks={"a": Pick(image=None, why="too dark", for_=show.lock.cells["a"].key)})
    found = show.run()["a"]
    assert (found.status.value, found.reason) == ("waiting", "too dark")


def test_a_human_goes_on_with_the_candidates_that_there_are() -> None:
    needs = {"b": "$a.1", "c": "$a.2", "d": "$a.images", "e": "$a"}
    steps = ", ".join(f"{name}: {edit(ref)}" for name, ref in needs.items())
    show = Show(f"steps: {{a: {pro(', variants: 3, pick: human')}, {steps}}}")
    show.answer = failing("a#2")
    found = show.run()
    assert {name: result.status.value for name, result in found.items()} == {
        "a": "waiting",
        "b": "done",
        "c": "failed",
        "d": "failed",
        "e": "waiting",
    }
    assert found["c"].reason == found["d"].reason == "it needs candidate 2 of a, which failed"


def test_a_failed_sample_of_a_picked_cell_is_tried_again_and_the_pick_stands() -> None:
    show = Show(f"steps: {{a: {pro(', variants: 3, pick: human')}, b: {edit('$a')}}}")
    show.answer = failing("a#2")
    show.run()
    _pick(show, 3)
    assert show.decisions() == {"a": "run", "b": "run"}
    assert show.statuses() == {"a": "reused", "b": "done"}
    assert show.sent == ["a#2", "b#1"]
    show.answer = gives
    assert show.statuses() == {"a": "done", "b": "reused"}
    assert show.sent == ["a#2"]


def _pick(show: Show, number: int) -> None:
    from dataclasses import replace

    cell = show.lock.cells["a"]
    show.lock = replace(show.lock, picks={"a": Pick(image=number, for_=cell.key)})


# Force


def test_force_pays_anew_for_the_named_cells_only_and_the_newer_result_stands() -> None:
    show = Show(f"steps: {{a: {pro()}, b: {edit('$a')}, c: {edit('photo.png')}}}")
    show.run()
    old = show.lock.cells["a"].samples[0]
    show.answer = lambda job: Outcome(key=job.call.key, artifacts=(_other(job),), paid=1)
    assert show.statuses(force={"a"}) == {"a": "done", "b": "done", "c": "reused"}
    assert show.sent == ["a#1", "b#1"]
    new = show.lock.cells["a"].samples[0]
    assert (new.key == old.key, new.images == old.images) == (True, False)
    assert show.statuses() == {"a": "reused", "b": "reused", "c": "reused"}


def test_force_on_two_cells_of_one_request_is_planned_and_paid_once() -> None:
    show = Show(f"steps: {{a: {pro()}, b: {pro()}}}")
    assert show.plan(force={"a", "b"}).cells["b"].to_send == 0


def _other(job: Job) -> Artifact:
    from wire import png

    from flowrunner.imagehead import artifact

    return artifact(png(64, 48, f"again {job.call.key}"))


def test_a_cancelled_run_cancels_what_is_under_way() -> None:
    show = Show(f"steps: {{a: {pro(', variants: 2')}}}")

    async def cancelled() -> None:
        task = asyncio.ensure_future(show._run(lambda _: 10**9, [], {}))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
