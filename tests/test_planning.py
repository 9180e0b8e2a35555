"""What would run, what is reused, what waits, what is skipped or missing; why, and for how much."""

from collections.abc import Collection
from dataclasses import replace

import pytest
from running_cases import Show, fails, gives

from flowrunner.artifact import Artifact
from flowrunner.call import File, Outcome
from flowrunner.jobs import Job
from flowrunner.planning import Choice, Decision, Plan, PlannedCell, plan
from flowrunner.store.locked import Lock, Pick

PRO, EDIT = "blackforestlabs/flux-2-pro", "blackforestlabs/flux-2-edit"
LOCAL = "{model: image/resize, with: {image: $a, width: 32}}"


def pro(more: str = "", prompt: str = "x") -> str:
    return f"{{model: {PRO}, with: {{prompt: {prompt}}}{more}}}"


def edit(refs: str, more: str = "", prompt: str = "y") -> str:
    return f"{{model: {EDIT}, with: {{prompt: {prompt}, image_urls: [{refs}], image_size: square}}{more}}}"


def reasons(of: Plan) -> dict[str, str]:
    return {name: planned.reason for name, planned in of.cells.items()}


def locked(text: str) -> Show:
    show = Show(text)
    show.run()
    return show


# Run, await, reuse, skip


def test_the_first_cells_run_and_what_needs_them_waits() -> None:
    found = Show(f"steps: {{a: {pro()}, b: {edit('$a')}, c: {pro(', when: false')}, d: {edit('$c')}}}").plan()
    assert {name: planned.decision for name, planned in found.cells.items()} == {
        "a": Decision.RUN,
        "b": Decision.AWAIT,
        "c": Decision.SKIP,
        "d": Decision.SKIP,
    }
    assert reasons(found) == {"a": "new", "b": "after a", "c": "when: false is false", "d": "c is skipped"}
    assert found.cells["b"].because == ("a",)


def test_a_run_makes_everything_reusable() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {edit('$a')}}}")
    found = show.plan()
    assert {planned.decision for planned in found.cells.values()} == {Decision.REUSE}
    assert set(reasons(found).values()) == {"locked"}
    show.lock = Lock()
    assert set(reasons(show.plan()).values()) == {"done before"}


def test_a_changed_step_runs_and_what_is_behind_it_waits_and_the_rest_is_reused() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {edit('$a')}, c: {edit('$b')}}}")
    show.write(f"steps: {{a: {pro()}, b: {edit('$a', prompt='changed')}, c: {edit('$b')}}}")
    assert show.decisions() == {"a": "reuse", "b": "run", "c": "await"}
    assert "y → changed" in show.plan().cells["b"].reason


def test_results_are_found_by_their_request_and_not_by_their_name() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {edit('$a')}}}")
    show.write(f"steps: {{zebra: {pro()}, ape: {edit('$zebra')}}}")
    assert show.decisions() == {"zebra": "reuse", "ape": "reuse"}


def test_the_locks_word_goes_before_the_ledgers() -> None:
    show = locked(f"steps: {{a: {pro()}}}")
    (sample,) = show.lock.cells["a"].samples
    show.memories.outcomes[sample.key] = Outcome(key=sample.key, artifacts=(), paid=1)
    outcome = show.planner().outcome(sample.key)
    assert outcome is not None
    assert outcome.artifacts == sample.images


def test_only_the_missing_samples_run() -> None:
    show = Show(f"steps: {{a: {pro(', variants: 3')}}}")
    show.answer = lambda job: fails(job) if job.sample == 2 else gives(job)
    show.run()
    planned = show.plan().cells["a"]
    assert [call.decision.value for call in planned.calls] == ["reuse", "run", "reuse"]
    assert planned.reason == "1 of 3 samples is missing"
    assert planned.to_send == 1


def test_more_variants_pay_for_the_new_ones_only() -> None:
    show = locked(f"steps: {{a: {pro(', variants: 2')}}}")
    show.write(f"steps: {{a: {pro(', variants: 4')}}}")
    assert [call.decision.value for call in show.plan().cells["a"].calls] == ["reuse", "reuse", "run", "run"]


def test_equal_requests_are_sent_once() -> None:
    found = Show(f"steps: {{a: {pro()}, b: {pro()}}}").plan()
    assert {name: planned.to_send for name, planned in found.cells.items()} == {"a": 1, "b": 0}
    assert found.cells["b"].reason == "the same request as a"


def test_what_is_forced_runs_whatever_is_known() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {edit('$a')}}}")
    assert show.decisions(force={"a"}) == {"a": "run", "b": "await"}
    assert show.plan(force={"a"}).cells["a"].reason == "forced"
    assert show.decisions(force={"b"}) == {"a": "reuse", "b": "run"}


def test_frozen_knows_the_lock_only() -> None:
    show = locked(f"steps: {{a: {pro()}}}")
    assert show.decisions(frozen=True) == {"a": "reuse"}
    show.lock = Lock()
    assert show.decisions(frozen=True) == {"a": "run"}
    assert show.decisions() == {"a": "reuse"}


# Money


def price(text: str, cell: str, *, known: bool = False) -> int | None:
    show = locked(text) if known else Show(text)
    return show.plan().cells[cell].estimate


@pytest.mark.parametrize(
    ("more", "nano"),
    [("", 31_500_000), (", variants: 3", 94_500_000), (", variants: 3, pick: human", 94_500_000)],
)
def test_an_estimate_counts_the_samples_that_are_sent(more: str, nano: int) -> None:
    text = f"steps: {{a: {{model: {PRO}, with: {{prompt: x, image_size: {{width: 1024, height: 1024}}}}{more}}}}}"
    assert price(text, "a") == nano
    assert price(text, "a", known=True) == 0


def test_a_cell_that_waits_is_priced_by_what_its_upstream_asks_for() -> None:
    def waiting(width: int) -> int | None:
        a = f"{{model: {PRO}, with: {{prompt: x, image_size: {{width: {width}, height: 1024}}}}}}"
        b = f"{{model: {EDIT}, with: {{prompt: y, image_urls: [$a], image_size: {{size_of: $a}}}}}}"
        return price(f"steps: {{a: {a}, b: {b}}}", "b")

    small, large = waiting(1024), waiting(2048)
    assert small is not None
    assert large is not None
    assert small < large


def test_an_unknown_size_counts_as_the_largest() -> None:
    a = f"{{model: {PRO}, with: {{prompt: x}}}}"
    b = f"{{model: {EDIT}, with: {{prompt: y, image_urls: [$a], image_size: {{size_of: $a}}}}}}"
    largest = f"{{model: {EDIT}, with: {{prompt: y, image_urls: [$a], image_size: {{width: 2048, height: 2048}}}}}}"
    assert price(f"steps: {{a: {a}, b: {b}}}", "b") == price(f"steps: {{a: {a}, b: {largest}}}", "b")


def test_a_price_that_nobody_knows_is_no_price() -> None:
    found = Show("steps: {a: {model: black-forest-labs/flux-2-pro/generate, variants: 2, with: {prompt: x}}}").plan()
    assert (found.cells["a"].estimate, found.cells["a"].unpriced) == (None, 2)


def test_a_local_operation_is_free_and_is_not_sent() -> None:
    planned = Show(f"steps: {{a: {pro()}, b: {LOCAL}}}").plan().cells["b"]
    assert (planned.to_send, planned.estimate, planned.unpriced) == (0, 0, 0)


def test_what_lies_behind_an_open_pick_is_counted_apart() -> None:
    behind = ", ".join(f"{name}: {edit(ref)}" for name, ref in {"b": "$a", "c": "$b", "d": "$a.2", "e": "$d"}.items())
    found = Show(f"steps: {{a: {pro(', variants: 2, pick: human')}, {behind}}}").plan()
    assert [planned.cell.id for planned in found.before_picks] == ["a", "d", "e"]
    assert [planned.cell.id for planned in found.after_picks] == ["b", "c"]
    assert reasons(found) == {"a": "new", "b": "after a pick of a", "c": "after b", "d": "after a", "e": "after d"}


# Picks


def picked(show: Show, **pick: object) -> None:
    chosen = {"image": 2, "for_": show.lock.cells["a"].key, **pick}
    show.lock = replace(show.lock, picks={"a": Pick(**chosen)})  # type: ignore[arg-type]


def choice(show: Show, cell: str = "a") -> tuple[Choice, int]:
    state = show.plan().cells[cell].pick
    assert state is not None
    return state.choice, state.number


HUMAN = f"steps: {{a: {pro(', variants: 3, pick: human')}, b: {edit('$a')}}}"


def test_a_pick_is_open_until_it_is_made() -> None:
    show = Show(HUMAN)
    assert choice(show) == (Choice.NEW, 0)
    show.run()
    assert choice(show) == (Choice.NEW, 0)
    picked(show)
    assert choice(show) == (Choice.MADE, 2)
    assert show.decisions() == {"a": "reuse", "b": "run"}


def test_first_and_a_number_are_picks_that_are_made() -> None:
    show = locked(f"steps: {{a: {pro(', variants: 3')}, b: {pro(', variants: 3, pick: 3', 'z')}}}")
    assert choice(show) == (Choice.MADE, 1)
    assert choice(show, "b") == (Choice.MADE, 3)


@pytest.mark.parametrize(
    "changed",
    [pro(", variants: 3, pick: human", "other"), pro(", variants: 4, pick: human"), pro(", variants: 2, pick: human")],
)
def test_a_pick_of_another_request_is_stale_and_is_not_dropped(changed: str) -> None:
    show = Show(HUMAN)
    show.run()
    picked(show)
    show.write(f"steps: {{a: {changed}, b: {edit('$a')}}}")
    assert choice(show)[0] is Choice.STALE
    show.run()
    assert choice(show)[0] is Choice.STALE
    assert list(show.lock.picks) == ["a"]
    assert show.decisions()["b"] == "await"


def test_a_request_that_is_changed_back_has_its_pick_again() -> None:
    show = Show(HUMAN)
    show.run()
    picked(show)
    show.write(HUMAN.replace("prompt: x", "prompt: other"))
    show.run()
    show.write(HUMAN)
    assert choice(show) == (Choice.MADE, 2)


def test_a_renamed_step_keeps_its_pick() -> None:
    show = Show(HUMAN)
    show.run()
    picked(show)
    show.write(HUMAN.replace("{a:", "{z:").replace("$a", "$z"))
    assert choice(show, "z") == (Choice.MADE, 2)
    show.run()
    assert list(show.lock.picks) == ["z"]


def test_a_pick_whose_picture_is_another_one_is_stale() -> None:
    show = Show(HUMAN)
    show.run()
    picked(show, digest="ab" * 32)
    assert choice(show)[0] is Choice.STALE
    picked(show, digest=show.lock.cells["a"].samples[1].images[0].sha256)
    assert choice(show) == (Choice.MADE, 2)


def test_another_choice_is_told_by_the_cell_that_it_was_made_in() -> None:
    show = Show(HUMAN)
    show.run()
    picked(show)
    show.run()
    digest = show.lock.cells["a"].samples[2].images[0].sha256
    picked(show, image=3, digest=digest)
    assert f" → a ({digest[:6]})" in show.plan().cells["b"].reason


def test_none_is_no_choice_and_says_why() -> None:
    show = Show(HUMAN)
    show.run()
    picked(show, image=None, why="too dark")
    assert choice(show)[0] is Choice.NONE
    assert "too dark" in show.plan().cells["a"].reason


# Missing bytes


def missing(show: Show, gone: Collection[str], **options: object) -> dict[str, PlannedCell]:
    """The plan where the pictures of these cells are not here."""
    away = {image.sha256 for name in gone for sample in show.lock.cells[name].samples for image in sample.images}

    def present(artifact: Artifact | File) -> bool:
        return artifact.sha256 not in away

    return dict(plan(show.planner(**options), present=present).cells)


def decided(cells: dict[str, PlannedCell]) -> dict[str, str]:
    return {name: planned.decision.value for name, planned in cells.items()}


def test_a_picture_that_nothing_needs_is_not_missed() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {edit('$a')}}}")
    assert decided(missing(show, ["a", "b"])) == {"a": "reuse", "b": "reuse"}


def test_a_picture_that_an_output_needs_is_missed() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {edit('$a')}}}\noutputs: {{best: $b}}")
    found = missing(show, ["a", "b"])
    assert decided(found) == {"a": "reuse", "b": "missing"}


def test_a_picture_that_a_call_needs_is_missed_and_so_is_the_call() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {edit('$a')}, c: {edit('$b')}, d: {edit('photo.png')}}}")
    show.write(
        f"steps: {{a: {pro()}, b: {edit('$a', prompt='new')}, c: {edit('$b')}, d: {edit('photo.png', prompt='new')}}}"
    )
    found = missing(show, ["a"])
    assert decided(found) == {"a": "missing", "b": "missing", "c": "missing", "d": "run"}
    assert found["b"].reason == "the picture of a is not here"


def test_keys_still_follow_from_the_digest_of_what_is_missing() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {edit('$a')}, c: {edit('$b')}}}\noutputs: {{o: $a}}")
    assert decided(missing(show, ["a"])) == {"a": "missing", "b": "reuse", "c": "reuse"}


def test_a_local_result_that_is_needed_is_made_again() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {LOCAL}}}\noutputs: {{o: $b}}")
    found = missing(show, ["b"])
    assert decided(found) == {"a": "reuse", "b": "run"}
    assert found["b"].remake
    assert found["b"].to_send == 0


def test_a_local_result_cannot_be_made_again_of_what_is_missing() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {LOCAL}}}\noutputs: {{o: $b}}")
    assert decided(missing(show, ["a", "b"])) == {"a": "missing", "b": "missing"}


def test_a_picture_behind_an_open_pick_is_not_missed_yet() -> None:
    show = Show(f"steps: {{a: {pro(', variants: 2, pick: human')}, b: {edit('$a')}}}")
    show.run()
    assert decided(missing(show, ["a"])) == {"a": "reuse", "b": "await"}


def test_a_forced_cell_needs_the_bytes_of_its_inputs() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {edit('$a')}}}")
    assert decided(missing(show, ["a"], force={"b"})) == {"a": "missing", "b": "missing"}
    assert decided(missing(show, ["a"], force={"a", "b"}))["a"] == "run"


def test_no_bytes_are_looked_for_where_nobody_asks() -> None:
    show = locked(f"steps: {{a: {pro()}}}\noutputs: {{o: $a}}")
    assert show.decisions() == {"a": "reuse"}


def test_a_plan_of_some_cells_holds_those_only() -> None:
    show = Show(f"steps: {{a: {pro()}, b: {edit('$a')}, c: {pro(prompt='z')}}}")
    assert list(plan(show.planner(), wanted={"a", "b"}).cells) == ["a", "b"]


def test_a_plan_does_not_change_what_a_run_does() -> None:
    jobs: list[str] = []
    show = Show(f"steps: {{a: {pro()}, b: {pro()}}}")

    def answer(job: Job) -> Outcome:
        jobs.append(job.cell)
        return gives(job)

    show.answer = answer
    show.plan()
    assert set(show.statuses().values()) == {"done"}
