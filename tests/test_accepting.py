"""A locked result that stands for a changed request, on somebody's word: written, planned, run, void, taken back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from diff_cases import Studio
from running_cases import Show, fails
from support import Result, cli, golden, project

from flowrunner import git
from flowrunner.errors import StoreError
from flowrunner.planning import Choice
from flowrunner.store.locked import Acceptance, Lock, Pick, cell_key
from flowrunner.store.lockfile import LockFile

PRO, EDIT = "blackforestlabs/flux-2-pro", "blackforestlabs/flux-2-edit"
SMALL = "image_size: {width: 512, height: 512}"
GOLDEN = Path(__file__).with_name("golden")


def pro(prompt: str = "oka", more: str = "") -> str:
    return f"{{model: {PRO}, with: {{prompt: {prompt}}}{more}}}"


def edit(refs: str, more: str = "") -> str:
    return f"{{model: {EDIT}, with: {{prompt: y, image_urls: [{refs}], image_size: square}}{more}}}"


def accept(show: Show, *names: str) -> None:
    """What `accept` writes."""
    planned = show.plan().cells
    accepts = dict(show.lock.accepts)
    for name in names:
        key = cell_key([call.key or "" for call in planned[name].calls])
        accepts[name] = Acceptance(stands=show.lock.cells[name].key, for_=key, why="a typo")
    show.lock = replace(show.lock, accepts=accepts)


def accepted(before: str, after: str) -> Show:
    """A pipeline that was run, changed, and whose cell `a` was accepted."""
    show = Show(before)
    show.run()
    show.write(after)
    accept(show, "a")
    return show


CHAIN = f"steps: {{a: {pro()}, b: {edit('$a')}}}"
MENDED = f"steps: {{a: {pro('oak')}, b: {edit('$a')}}}"


def test_what_is_accepted_is_reused_and_nothing_behind_it_runs() -> None:
    found = accepted(CHAIN, MENDED).plan(frozen=True).cells
    assert {name: (planned.decision.value, planned.reason) for name, planned in found.items()} == {
        "a": ("reuse", "accepted: a typo"),
        "b": ("reuse", "locked"),
    }
    assert [change.path for change in found["a"].changes] == ["prompt"]


def test_a_run_keeps_the_request_that_was_sent_and_its_acceptance() -> None:
    show = accepted(CHAIN, MENDED)
    before = show.lock
    assert show.statuses() == {"a": "reused", "b": "reused"}
    assert (show.sent, show.lock) == ([], before)


@pytest.mark.parametrize("prompt", ["oaks", "oka"])
def test_it_is_void_for_any_other_request(prompt: str) -> None:
    show = accepted(CHAIN, MENDED)
    show.write(f"steps: {{a: {pro(prompt)}, b: {edit('$a')}}}")
    assert show.plan().cells["a"].accepted is None
    show.run()
    assert not show.lock.accepts


def test_it_is_void_while_its_result_is_another_and_holds_again_with_what_it_was_said_of() -> None:
    show = accepted(CHAIN, MENDED)
    show.write(f"steps: {{a: {pro('oaks')}, b: {edit('$a')}}}")
    show.answer = fails
    show.run()
    show.write(MENDED)
    assert show.plan().cells["a"].accepted


def test_force_pays_for_the_changed_request_and_ends_the_acceptance() -> None:
    show = accepted(CHAIN, MENDED)
    show.run(force={"a"})
    assert show.sent == ["a#1", "b#1"]
    assert (show.lock.accepts, show.lock.cells["a"].with_) == ({}, {"prompt": "oak"})


def test_a_result_of_the_request_itself_comes_before_one_that_was_accepted() -> None:
    show = accepted(CHAIN, MENDED)
    said = show.lock.accepts
    other = Show(MENDED)
    other.run()
    show.lock = replace(show.lock, cells={**show.lock.cells, "a": other.lock.cells["a"]}, accepts=said)
    assert show.plan().cells["a"].reason == "locked"


def test_a_renamed_step_keeps_its_acceptance() -> None:
    show = accepted(CHAIN, MENDED)
    show.write(MENDED.replace("{a:", "{z:").replace("$a", "$z"))
    assert show.plan().cells["z"].accepted
    show.run()
    assert (show.sent, list(show.lock.accepts), sorted(show.lock.cells)) == ([], ["z"], ["b", "z"])


def test_the_pick_among_accepted_candidates_stays_and_can_be_changed() -> None:
    human = ", variants: 2, pick: human"
    show = Show(f"steps: {{a: {pro('oka', human)}, b: {edit('$a')}}}")
    show.run()
    key = show.lock.cells["a"].key
    show.lock = replace(show.lock, picks={"a": Pick(image=2, for_=key)})
    show.run()
    show.write(f"steps: {{a: {pro('oak', human)}, b: {edit('$a')}}}")
    accept(show, "a")
    making = show.planner()
    assert making.decide(making.graph.cells["a"]).reason == "accepted: a typo"
    assert (making.settled["a"].key, making.settled["a"].pick.number) == (key, 2)
    show.lock = replace(show.lock, picks={"a": Pick(image=None, why="too dark", for_=key)})
    planned = show.plan().cells["a"]
    assert (planned.reason, planned.pick and planned.pick.choice) == (
        "no candidate will do: too dark; accepted: a typo",
        Choice.NONE,
    )


def test_one_cell_of_an_axis_is_accepted_and_gathered_with_those_that_run() -> None:
    def text(word: str) -> str:
        step = f"{{across: p, model: {PRO}, with: {{prompt: '{word} {{{{ axis.p }}}}'}}}}"
        sheet = "{model: image/contact-sheet, with: {images: [$a.*]}}"
        return f"axes: {{p: [one, two]}}\nsteps: {{a: {step}, sheet: {sheet}}}"

    show = Show(text("oka"))
    show.run()
    show.write(text("oak"))
    accept(show, "a/one")
    assert show.decisions() == {"a/one": "reuse", "a/two": "run", "sheet": "await"}
    accept(show, "a/one", "a/two")
    assert show.decisions() == {"a/one": "reuse", "a/two": "reuse", "sheet": "reuse"}


# The command

STEPS = f"""\
flowrunner: 1
name: show
provider: aimlapi
axes: {{product: [lamp, vase]}}
steps:
  scene:
    across: product
    model: blackforestlabs/flux-2
    with: {{prompt: "A {{{{ axis.product }}}} on a dsk", {SMALL}, seed: 42}}
  frame:
    across: product
    model: blackforestlabs/flux-2-edit
    with: {{prompt: Extend it, image_urls: [$scene], {SMALL}}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("made"), {"show.yaml": STEPS})
    assert cli("run", "show.yaml", "--simulate", cwd=folder).exit_code == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Run, and then changed."""
    import shutil

    copied = shutil.copytree(made, tmp_path / "copy")
    (copied / "show.yaml").write_text(STEPS.replace("dsk", "desk"))
    return copied


def said(folder: Path, *words: str) -> Result:
    return cli("accept", "show.yaml", *words, "--simulate", cwd=folder)


def test_a_changed_cell_is_accepted_and_shown_so(folder: Path) -> None:
    told = [said(folder, "scene", "--why", "only the typo").out]
    for line in ("plan", "plan --strict", "run", "accept scene/vase --undo", "plan"):
        verb, *words = line.split()
        result = cli(verb, "show.yaml", *words, "--simulate", cwd=folder)
        told.append(f"$ {line}\n{result.out}{result.err}".replace(result.out[:12] if verb == "run" else "r-", "r-"))
    golden(GOLDEN / "accepted.txt", "\n".join(told))


def test_machines_hear_who_accepted_what_and_why(folder: Path) -> None:
    (one,) = said(folder, "scene/lamp", "--why", "a\n typo\n", "--format", "json").json["accepted"]
    assert (one["cell"], one["why"], one["fields"][0]["path"]) == ("scene/lamp", "a typo", "prompt")
    for verb in ("plan", "run"):
        cells = cli(verb, "show.yaml", "--only", "scene/lamp", "--format", "json", "--simulate", cwd=folder).json[
            "cells"
        ]
        assert cells[0]["accepted"] == {name: one[name] for name in ("by", "why", "stands", "for")}
    undone = said(folder, "scene/lamp", "--undo", "--format", "json").json
    assert (undone["accepted"], undone["undone"]) == ([], ["scene/lamp"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "which cells?"),
        ("scene", "why may the locked result stand?"),
        ("scne --why x", "scne names no cell"),
        ("frame/lamp --why x", "the request of frame/lamp is not known yet: it comes after scene/lamp"),
        ("scene --undo", "nothing is accepted in scene"),
        ("scene --undo --why x", "--undo takes no --why"),
    ],
)
def test_what_cannot_be_accepted_is_said(folder: Path, words: str, message: str) -> None:
    result = said(folder, *words.split())
    assert (result.exit_code, result.out) == (2, "")
    assert result.err.startswith(f"error: {message}")


def test_what_is_locked_already_accepted_or_new_is_not_accepted(folder: Path) -> None:
    assert said(folder, "scene", "--why", "x").exit_code == 0
    again = said(folder, "scene", "--why", "y")
    assert "scene/lamp is accepted: x\n     = flowrunner accept show.yaml scene/lamp --undo" in again.err
    assert "the request of frame/lamp has not changed" in said(folder, "frame", "--why", "x").err
    live = cli("accept", "show.yaml", "scene", "--why", "x", cwd=folder)
    assert live.err.startswith("error: scene/lamp has no locked result\n     = flowrunner run show.yaml")


def test_what_has_not_changed_is_passed_over_where_something_else_has(folder: Path) -> None:
    result = said(folder, "frame/lamp", "scene", "--why", "x")
    assert (result.exit_code, result.err) == (0, "")
    assert [line.split()[:2] for line in result.out.splitlines()[:-1]] == [
        ["accept", "scene/lamp"],
        ["accept", "scene/vase"],
    ]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("42}", "42}\n    variants: 2", "scene/lamp has 1 locked samples, and is to have 2"),
        ("42}", "42, num_images: 2}", "scene/lamp has 1 images in a sample, and is to have 2"),
    ],
)
def test_a_result_does_not_stand_for_more_pictures_than_it_has(
    folder: Path, before: str, after: str, message: str
) -> None:
    (folder / "show.yaml").write_text(STEPS.replace(before, after))
    assert said(folder, "scene", "--why", "x").err.startswith(f"error: {message}")


def test_a_strict_check_names_what_was_accepted(folder: Path) -> None:
    (folder / "show.lock.yaml").write_bytes((folder / ".flowrunner/simulated/show.lock.yaml").read_bytes())
    lock = (folder / "show.lock.yaml").read_text()
    key = "a" * 64
    head = f"lock: 1\naccepts:\n  scene/lamp: {{why: a typo, stands: {key}, for: {key}}}\n"
    (folder / "show.lock.yaml").write_text(lock.replace("lock: 1\n", head))
    assert cli("validate", "show.yaml", cwd=folder).exit_code == 0
    result = cli("validate", "show.yaml", "--strict", "--format", "json", cwd=folder)
    (problem,) = json.loads(result.out)["problems"]
    assert (result.exit_code, problem["code"], problem["file"]) == (2, "accepted", "show.lock.yaml")


def test_an_acceptance_in_a_lock_without_cells_says_nothing() -> None:
    show = Show(CHAIN)
    show.lock = Lock(accepts={"a": Acceptance(stands="a" * 64, for_="b" * 64)})
    assert show.decisions() == {"a": "run", "b": "await"}


def test_what_is_suggested_is_called_from_where_one_stands(folder: Path) -> None:
    below = folder / "below"
    below.mkdir()
    (folder / "flowrunner.toml").touch()
    accepted = cli("accept", "../show.yaml", "scene", "--why", "x", "--simulate", cwd=below)
    assert accepted.exit_code == 0
    file = folder / "show.yaml"
    again = cli("accept", "../show.yaml", "scene/lamp", "--why", "y", "--simulate", cwd=below).err
    assert f"     = flowrunner accept {file} scene/lamp --undo --simulate takes it back\n" in again
    plan = cli("plan", "../show.yaml", "--strict", "--simulate", cwd=below).err
    assert f"     = flowrunner accept {file} scene/lamp scene/vase --undo --simulate takes them back\n" in plan
    missing = cli("accept", "copy/show.yaml", "frame", "--undo", "--simulate", cwd=folder.parent).err
    assert "     = flowrunner plan copy/show.yaml --simulate shows what is\n" in missing
    assert "flowrunner accept copy/show.yaml SEL --why TEXT --simulate" in (
        cli("accept", "copy/show.yaml", "--simulate", cwd=folder.parent).err
    )


def test_a_lock_that_only_accept_has_written_is_to_be_committed(tmp_path: Path) -> None:
    mask = "steps: {mask: {model: image/mask, with: {width: 64, height: 64, box: [0, 0, 0.5, 1]}}}"
    studio = Studio(tmp_path, {"show.yaml": f"flowrunner: 1\n{mask}\n"})
    assert cli("run", "show.yaml", cwd=tmp_path).out.endswith("next  git add show.lock.yaml\n")
    studio.commit("made")
    studio.edit("show.yaml", "0.5", "0.501")
    assert cli("accept", "show.yaml", "mask", "--why", "the same", cwd=tmp_path).exit_code == 0
    for _ in range(2):
        assert cli("run", "show.yaml", cwd=tmp_path).out.endswith("next  git add show.lock.yaml\n")
    studio.commit("accepted")
    assert "git add" not in cli("run", "show.yaml", cwd=tmp_path).out


def test_outside_of_a_repository_no_commit_is_waited_for(tmp_path: Path) -> None:
    mask = "steps: {mask: {model: image/mask, with: {width: 64, height: 64, box: [0, 0, 0.5, 1]}}}"
    path = project(tmp_path, {"show.yaml": f"flowrunner: 1\n{mask}\n"}) / "show.yaml"
    assert cli("run", "show.yaml", cwd=tmp_path).exit_code == 0
    path.write_text(path.read_text().replace("0.5", "0.501"))
    assert cli("accept", "show.yaml", "mask", "--why", "the same", cwd=tmp_path).exit_code == 0
    assert "git add" not in cli("run", "show.yaml", cwd=tmp_path).out


def test_a_lock_that_cannot_be_read_any_more_takes_nothing_from_what_a_run_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = "steps: {mask: {model: image/mask, with: {width: 64, height: 64, box: [0, 0, 0.5, 1]}}}"
    studio = Studio(tmp_path, {"show.yaml": f"flowrunner: 1\n{mask}\n"})
    assert cli("run", "show.yaml", cwd=tmp_path).exit_code == 0
    studio.edit("show.yaml", "0.5", "0.501")
    assert cli("accept", "show.yaml", "mask", "--why", "the same", cwd=tmp_path).exit_code == 0

    def unreadable(lock: object) -> bytes:
        raise StoreError("it cannot be read")

    def committed(*_: object) -> bytes:
        monkeypatch.setattr(LockFile, "content", unreadable)
        return b""

    monkeypatch.setattr(git, "content", committed)
    result = cli("run", "show.yaml", cwd=tmp_path)
    assert (result.exit_code, "end   done" in result.out) == (0, True)


def test_a_strict_refusal_says_how_many_of_many_its_command_takes_back(tmp_path: Path) -> None:
    masks = (f"m{n}: {{model: image/mask, with: {{width: 64, height: 64, box: [0, 0, 0.5{n}, 1]}}}}" for n in range(9))
    path = project(tmp_path, {"show.yaml": f"flowrunner: 1\nsteps: {{{', '.join(masks)}}}\n"}) / "show.yaml"
    assert cli("run", "show.yaml", cwd=tmp_path).exit_code == 0
    path.write_text(path.read_text().replace("0.5", "0.6"))
    names = [f"m{n}" for n in range(9)]
    assert cli("accept", "show.yaml", *names, "--why", "the same", cwd=tmp_path).exit_code == 0
    told = cli("run", "show.yaml", "--strict", cwd=tmp_path).err
    assert f"     = flowrunner accept show.yaml {' '.join(names[:8])} --undo takes 8 of them back\n" in told


def test_cells_that_ask_for_the_same_are_accepted_together(tmp_path: Path) -> None:
    mask = "{model: image/mask, with: {width: 64, height: 64, box: [0, 0, 0.5, 1]}}"
    path = project(tmp_path, {"show.yaml": f"flowrunner: 1\nsteps: {{a: {mask}, b: {mask}}}\n"}) / "show.yaml"
    assert cli("run", "show.yaml", cwd=tmp_path).exit_code == 0
    path.write_text(path.read_text().replace("0.5", "0.501"))
    assert cli("accept", "show.yaml", "a", "b", "--why", "the same", cwd=tmp_path).exit_code == 0
    assert "reuse  b  accepted: the same\n" in cli("plan", "show.yaml", cwd=tmp_path).out
    again = cli("accept", "show.yaml", "a", "b", "--why", "the same", cwd=tmp_path)
    assert (again.exit_code, "a is accepted: the same" in again.err) == (2, True)


def test_an_acceptance_that_holds_for_other_cells_is_taken_back_where_it_was_given(tmp_path: Path) -> None:
    mask = "steps: {mask: {across: n, model: image/mask, with: {width: 64, height: 64, box: [0, 0, 0.5, 1]}}}"
    project(tmp_path, {"show.yaml": f"flowrunner: 1\naxes: {{n: [a, b]}}\n{mask}\n"})
    assert cli("run", "show.yaml", cwd=tmp_path).exit_code == 0
    file = tmp_path / "show.yaml"
    file.write_text(file.read_text().replace("0.5", "0.501"))
    assert cli("accept", "show.yaml", "mask/a", "--why", "the same", cwd=tmp_path).exit_code == 0
    hint = "     = flowrunner accept show.yaml mask/a --undo takes "
    assert hint in cli("plan", "show.yaml", "--strict", cwd=tmp_path).err
    assert hint in cli("accept", "show.yaml", "mask/b", "--why", "x", cwd=tmp_path).err
    assert cli("accept", "show.yaml", "mask/a", "--undo", cwd=tmp_path).exit_code == 0
