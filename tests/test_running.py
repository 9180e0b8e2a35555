"""Whole runs on disk: what is asked of the operator, what is written down, and in which order."""

import errno
from pathlib import Path
from typing import Any

import pytest
from support import cli, picture, pipeline
from wire import Wire, error, painted, png, reply

from flowrunner import api, exchange, picking
from flowrunner.ended import Status
from flowrunner.errors import RunRefused, StoreError
from flowrunner.publish import Publisher
from flowrunner.store.records import RunStatus

TWO = """
steps:
  a: {model: blackforestlabs/flux-2-pro, with: {prompt: one}}
  b: {model: blackforestlabs/flux-2-pro, with: {prompt: two}}
outputs: {best: $b}
"""
PICKED = """
steps:
  a: {model: blackforestlabs/flux-2-pro, pick: human, with: {prompt: one}}
  b: {model: black-forest-labs/flux-2-pro/edit, with: {prompt: two, imageUrl: $a}}
"""
LIVE = {"AIMLAPI_API_KEY": "sk-1", "HOME": "/nonexistent", "PATH": ""}
NO_KEY = {"HOME": "/nonexistent", "PATH": ""}


@pytest.fixture(autouse=True)
def no_network(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live runs, too, send to the provider in this process."""
    monkeypatch.setattr(exchange.Connections, "_transport", lambda *_: wire)


def run(path: Path, **options: Any) -> api.RunResult:
    return api.run(path, **{"environment": LIVE, **options})


def statuses(result: api.RunResult) -> dict[str, str]:
    return {name: found.status.value for name, found in result.results.items()}


def fails(*prompts: str) -> Any:
    return lambda body: error(400) if body["prompt"] in prompts else painted(body)


# Keys


def test_no_key_is_asked_for_behind_a_pick(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, PICKED)
    assert run(path).status is RunStatus.WAITING
    assert api.run(path, environment=NO_KEY).status is RunStatus.WAITING
    picking.record(api.load(path, environment=LIVE), [picking.Wish(cell="a", number=1)])
    with pytest.raises(RunRefused) as refused:
        run(path)
    assert "ONEMIN_API_KEY is not set, and b needs onemin" in refused.value.message
    assert wire.prompts == ["one"]


def test_a_frozen_run_needs_no_key(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, PICKED)
    run(path)
    assert api.run(path, environment=NO_KEY, frozen=True).status is RunStatus.WAITING


FEWER = """
steps:
  a: {model: blackforestlabs/flux-2, pick: human, with: {prompt: one, num_images: 3}}
  b: {model: blackforestlabs/flux-2-edit, with: {prompt: two, image_urls: [$a.3]}}
"""


def test_a_cell_that_fails_without_a_call_says_why(tmp_path: Path, wire: Wire) -> None:
    pipeline(tmp_path, FEWER)
    wire.coming.append(reply([png(8, 8)]))
    result = cli("run", "show.yaml", cwd=tmp_path, env=LIVE)
    assert (result.exit_code, wire.prompts) == (1, ["one"])
    assert "\nnote  a: 1 of the 3 pictures that were asked for came\n" in result.out
    assert "\nfail  b  it needs candidate 3 of a, of which 1 came; --force a pays for others\n" in result.out


@pytest.mark.parametrize(("pick", "other"), [("1", "$a.3"), ("3", "$a")])
def test_where_fewer_pictures_came_than_are_needed_others_are_suggested(
    tmp_path: Path, wire: Wire, pick: str, other: str
) -> None:
    pipeline(tmp_path, FEWER.replace("human", pick).replace("$a.3", other))
    wire.coming.append(reply([png(8, 8)]))
    for _ in range(2):
        result = cli("run", "show.yaml", cwd=tmp_path, env=LIVE)
        assert result.out.endswith("\nnext  flowrunner run show.yaml --force a\n")
    assert wire.prompts == ["one"]


# The lock and the outputs


def test_the_lock_is_written_though_nothing_can_be_published(
    tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StoreError("no space left")

    path = pipeline(tmp_path, TWO)
    with monkeypatch.context() as patched:
        patched.setattr(Publisher, "publish", full)
        with pytest.raises(StoreError):
            run(path)
    assert list(api.load(path, environment=LIVE).opened.lock.cells) == ["a", "b"]
    result = run(path)
    assert (result.status, result.lock_written, len(wire.sent)) == (RunStatus.DONE, False, 2)
    assert result.outputs["best"][0].is_file()


def published(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def test_what_failed_keeps_what_was_published_of_it(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, TWO)
    run(path)
    path.write_text(path.read_text().replace("two", "three"))
    wire.answer = fails("three")
    assert statuses(run(path)) == {"a": "reused", "b": "failed"}
    assert published(tmp_path / "outputs/show") == ["a.png", "b.png", "best.png"]


def test_a_result_of_before_that_cannot_be_removed_fails_the_run_and_nothing_else(
    tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pipeline(tmp_path, TWO)
    run(path)
    old = tmp_path / "outputs/show/a.png"
    path.write_text(path.read_text().replace("a: {", "c: {"))
    real = Path.unlink

    def unlink(place: Path, **named: Any) -> None:
        if place == old:
            raise PermissionError(errno.EACCES, "no")
        real(place, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        result = run(path)
    assert result.status is RunStatus.FAILED
    assert result.published.failures[0].startswith(f"{old} cannot be removed: Permission denied")
    assert result.lock_written
    assert old.exists()
    assert run(path).status is RunStatus.DONE
    assert not old.exists()


def test_what_is_missing_keeps_its_copy(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, TWO)
    result = run(path)
    (made,) = result.results["b"].candidates
    assert made is not None
    result.opened.project.workspace.objects().path(made.sha256).unlink()
    best = (tmp_path / "outputs/show/best.png").read_bytes()
    assert statuses(run(path)) == {"a": "reused", "b": "missing"}
    assert (tmp_path / "outputs/show/best.png").read_bytes() == best


def test_a_picture_that_the_pipeline_reads_is_not_replaced_by_a_result(tmp_path: Path) -> None:
    path = pipeline(tmp_path, "steps: {a: {model: image/resize, with: {image: outputs/show/a.png, width: 100}}}")
    source = picture(tmp_path / "outputs/show/a.png", (800, 600))
    before = source.read_bytes()
    result = run(path)
    assert (result.status, source.read_bytes()) == (RunStatus.FAILED, before)
    assert result.notes == (f"{source} is read by the pipeline, and stays; give the results another name or folder",)


def test_a_file_that_somebody_has_in_a_given_folder_is_not_replaced(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, TWO)
    theirs = tmp_path / "pictures" / "b.png"
    theirs.parent.mkdir()
    theirs.write_bytes(b"theirs")
    result = run(path, output=theirs.parent)
    assert (result.status, theirs.read_bytes()) == (RunStatus.FAILED, b"theirs")
    assert result.notes == (f"{theirs} is not as flowrunner wrote it, and stays; move it, or name another folder",)
    assert published(theirs.parent) == ["a.png", "b.png", "best.png"]
    theirs.unlink()
    assert run(path, output=theirs.parent).status is RunStatus.DONE


def test_pipelines_that_share_a_given_folder_leave_each_other_s_pictures_alone(tmp_path: Path, wire: Wire) -> None:
    path, shared = pipeline(tmp_path, TWO), tmp_path / "pictures"
    other = path.with_name("other.yaml")
    other.write_text(path.read_text().replace("  a:", "  c:").replace("two", "three").replace("best:", "last:"))
    run(path, output=shared)
    before = {place.name: place.read_bytes() for place in shared.iterdir()}
    result = run(other, output=shared)
    assert result.notes == (
        f"{shared}/b.png is not as flowrunner wrote it, and stays; move it, or name another folder",
    )
    assert run(path, output=shared, simulate=True).status is RunStatus.FAILED
    assert {name: (shared / name).read_bytes() for name in before} == before
    assert published(shared) == ["a.png", "b.png", "best.png", "c.png", "last.png"]


@pytest.mark.parametrize("inputs", [{}, {"mood": "wild"}])
def test_what_is_damaged_keeps_its_copy(tmp_path: Path, wire: Wire, inputs: dict[str, str]) -> None:
    path = pipeline(tmp_path, f"inputs: {{mood: {{default: calm}}}}\n{TWO}")
    result = run(path, inputs=inputs)
    objects = result.opened.project.workspace.objects()
    for digest in objects.digests():
        objects.path(digest).chmod(0o644)
        objects.path(digest).write_bytes(b"damaged")
    for place in tmp_path.glob("outputs/*/*.png"):
        place.touch()
    copies = {place: place.read_bytes() for place in tmp_path.glob("outputs/*/*.png")}
    assert [run(path, inputs=inputs).status for _ in range(2)] == [RunStatus.FAILED, RunStatus.REFUSED]
    assert len(copies) == 3
    assert {place: place.read_bytes() for place in copies} == copies


def test_a_trial_leaves_no_picture_of_another_one(tmp_path: Path, wire: Wire) -> None:
    text = TWO.replace("prompt: one", "prompt: '{{ inputs.mood }}'")
    path = pipeline(tmp_path, f"inputs: {{mood: {{default: calm}}}}\n{text}")
    run(path, inputs={"mood": "wild"})
    assert published(tmp_path / "outputs/show@trial") == ["a.png", "b.png", "best.png"]
    wire.answer = fails("odd")
    run(path, inputs={"mood": "odd"})
    assert published(tmp_path / "outputs/show@trial") == ["b.png", "best.png"]


# How it ends


def test_what_a_run_says_of_itself_in_a_debugger_does_not_grow_with_its_cells(tmp_path: Path) -> None:
    one, two = (run(pipeline(tmp_path / name, text)) for name, text in (("one", PICKED), ("two", TWO)))
    assert len(repr(two)) < 300
    assert "waiting" in repr(one)


def test_a_pick_among_what_a_limit_left_is_refused_and_not_failed(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(
        tmp_path, "steps: {a: {model: blackforestlabs/flux-2-pro, variants: 3, pick: human, with: {prompt: x}}}"
    )
    wire.answer = lambda _: reply([png(8, 8, str(len(wire.sent)))], usd="0.08")
    result = run(path, max_usd=150_000_000, concurrency=1)
    assert (result.status, result.exit_code, len(wire.sent)) == (RunStatus.REFUSED, 3, 2)
    assert result.results["a"].status is Status.WAITING
    assert len(result.opened.lock_file.read()[0].cells["a"].samples) == 2
