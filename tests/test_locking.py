"""From the results of a run to the lock."""

from dataclasses import replace

from running_cases import Show, fails, gives

from flowrunner.store.locked import Pick

PRO, EDIT = "blackforestlabs/flux-2-pro", "blackforestlabs/flux-2-edit"


def pro(more: str = "", prompt: str = "x") -> str:
    return f"{{model: {PRO}, with: {{prompt: {prompt}}}{more}}}"


def edit(refs: str, prompt: str = "y") -> str:
    return f"{{model: {EDIT}, with: {{prompt: {prompt}, image_urls: [{refs}], image_size: square}}}}"


def locked(text: str) -> Show:
    show = Show(text)
    show.run()
    return show


def test_a_cell_is_locked_with_its_request_its_keys_and_what_was_paid() -> None:
    cell = locked(f"steps: {{a: {pro(', variants: 2')}}}").lock.cells["a"]
    assert (cell.model, dict(cell.with_)) == (PRO, {"prompt": "x"})
    assert [sample.paid for sample in cell.samples] == [1000, 1000]
    assert len({cell.key, *(sample.key for sample in cell.samples)}) == 3


def test_pictures_stand_in_a_request_by_their_digest() -> None:
    lock = locked(f"steps: {{a: {pro()}, b: {edit('$a')}}}").lock
    digest = lock.cells["a"].samples[0].images[0].sha256
    assert lock.cells["b"].with_["image_urls"] == [f"sha256:{digest}"]


def test_the_models_that_were_used_are_locked_with_the_digest_of_their_rules() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {edit('$a')}}}")
    assert list(show.lock.models) == [PRO, EDIT]
    assert all(len(digest) == 64 for digest in show.lock.models.values())
    show.write(f"steps: {{a: {pro()}}}")
    show.run()
    assert list(show.lock.models) == [PRO]


def test_a_cell_that_failed_keeps_what_was_locked() -> None:
    show = locked(f"steps: {{a: {pro()}}}")
    before = show.lock
    show.write(f"steps: {{a: {pro(prompt='changed')}}}")
    show.answer = fails
    show.run()
    assert show.lock == before


def test_a_cell_of_which_some_samples_failed_is_locked_with_the_key_of_all_of_them() -> None:
    show = Show(f"steps: {{a: {pro(', variants: 3')}}}")
    whole = locked(f"steps: {{a: {pro(', variants: 3')}}}").lock.cells["a"]
    show.answer = lambda job: fails(job) if job.sample == 2 else gives(job)
    show.run()
    cell = show.lock.cells["a"]
    assert cell.key == whole.key
    assert [sample.key for sample in cell.samples] == [whole.samples[0].key, whole.samples[2].key]


def test_what_a_run_does_not_touch_stays() -> None:
    show = locked(f"steps: {{a: {pro()}, b: {pro(prompt='z')}}}")
    show.write(f"steps: {{a: {pro(prompt='changed')}, b: {pro(prompt='changed too')}}}")
    before = show.lock.cells["b"]
    show.run(only=["a"])
    assert show.lock.cells["b"] == before
    assert show.lock.cells["a"].with_["prompt"] == "changed"


def test_cells_that_the_pipeline_no_longer_has_go_and_picks_stay() -> None:
    show = locked(f"steps: {{a: {pro(', pick: human')}, b: {pro(prompt='z')}}}")
    show.lock = replace(show.lock, picks={"a": Pick(image=1, for_=show.lock.cells["a"].key)})
    show.write(f"steps: {{b: {pro(prompt='z')}}}")
    show.run()
    assert list(show.lock.cells) == ["b"]
    assert list(show.lock.picks) == ["a"]


def test_a_pick_moves_with_its_request() -> None:
    show = locked(f"steps: {{a: {pro(', pick: human')}}}")
    show.lock = replace(show.lock, picks={"a": Pick(image=1, why="good", for_=show.lock.cells["a"].key)})
    show.write(f"steps: {{z: {pro(', pick: human')}}}")
    show.run()
    assert {name: pick.why for name, pick in show.lock.picks.items()} == {"z": "good"}


def test_a_pick_stays_with_its_cell_where_another_one_asks_for_the_same() -> None:
    show = locked(f"steps: {{a: {pro(', pick: human')}, b: {pro(', pick: human')}}}")
    show.lock = replace(show.lock, picks={"a": Pick(image=1, for_=show.lock.cells["a"].key)})
    show.run()
    assert list(show.lock.picks) == ["a"]
    assert show.statuses() == {"a": "reused", "b": "reused"}


def test_a_stale_pick_is_neither_dropped_nor_moved() -> None:
    show = locked(f"steps: {{a: {pro(', pick: human')}}}")
    stale = Pick(image=1, why="good", for_=show.lock.cells["a"].key)
    show.lock = replace(show.lock, picks={"a": stale})
    show.write(f"steps: {{a: {pro(', pick: human', 'changed')}}}")
    show.run()
    assert show.lock.picks == {"a": stale}


def test_a_pick_written_by_hand_is_completed() -> None:
    show = locked(f"steps: {{a: {pro(', variants: 2, pick: human')}}}")
    show.lock = replace(show.lock, picks={"a": Pick(image=2)})
    show.run()
    cell = show.lock.cells["a"]
    assert show.lock.picks["a"] == Pick(image=2, digest=cell.samples[1].images[0].sha256, for_=cell.key)


def test_all_candidates_being_refused_is_forgotten_where_others_are_made_and_only_there() -> None:
    text = f"steps: {{a: {pro(', variants: 2, pick: human')}, b: {pro(', pick: human', 'other')}}}"
    show = locked(text)
    refused = {name: Pick(image=None, why="too dark", for_=cell.key) for name, cell in show.lock.cells.items()}
    show.lock = replace(show.lock, picks=refused)
    show.run(force=["a"])
    assert show.lock.picks == {"b": refused["b"]}
