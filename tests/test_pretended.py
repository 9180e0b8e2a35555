"""A simulated picture in a live run: nothing takes it for a real one, wherever it comes from."""

import base64
from pathlib import Path
from typing import Any

import pytest
from support import cli, pipeline
from tills import Till, job
from wire import Wire, png

from flowrunner import api, exchange
from flowrunner.call import Failure, Link
from flowrunner.ended import Status
from flowrunner.errors import RunRefused
from flowrunner.imagehead import artifact, mark
from flowrunner.store.records import RunStatus

LIVE = {"AIMLAPI_API_KEY": "sk-1", "HOME": "/nonexistent", "PATH": ""}
MARKED = mark(png(512, 512, "pretended"))
EDIT = "blackforestlabs/flux-2-edit"
SAYS = "carries the mark of the simulator, and this is a live run"


@pytest.fixture(autouse=True)
def no_network(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange.Connections, "_transport", lambda *_: wire)


def edits(image: str) -> str:
    return f"""
inputs: {{photo: {{type: image, default: a.png}}}}
steps:
  first: {{model: blackforestlabs/flux-2-pro, with: {{prompt: one}}}}
  edit: {{model: {EDIT}, with: {{prompt: two, image_size: square, image_urls: [$first, {image}]}}}}
"""


INLINE = f"data:image/png;base64,{base64.b64encode(MARKED).decode()}"


@pytest.mark.parametrize(
    ("image", "options", "name"),
    [
        ("a.png", {}, "a.png"),
        ("$inputs.photo", {}, "a.png"),
        (f'"{INLINE}"', {}, "an image of edit"),
        ("$inputs.photo", {"inputs": {"photo": "OUTSIDE"}}, "an image of edit"),
    ],
)
def test_a_marked_input_is_refused_before_anything_is_paid(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, wire: Wire, image: str, options: Any, name: str
) -> None:
    path = pipeline(tmp_path, edits(image))
    (tmp_path / "a.png").write_bytes(png(8, 8) if options else MARKED)
    outside = tmp_path_factory.mktemp("outside") / "b.png"
    outside.write_bytes(MARKED)
    given = {key: {"photo": str(outside)} for key in options}
    with pytest.raises(RunRefused) as refused:
        api.run(path, environment=LIVE, **given)
    assert refused.value.message == f"{name} {SAYS}"
    assert wire.sent == []
    assert api.run(path, environment=LIVE, simulate=True, **given).status is RunStatus.DONE


def test_the_plan_refuses_what_the_run_refuses(tmp_path: Path) -> None:
    pipeline(tmp_path, edits("a.png"))
    (tmp_path / "a.png").write_bytes(MARKED)
    result = cli("plan", "show.yaml", cwd=tmp_path)
    assert (result.exit_code, f"a.png {SAYS}" in result.err) == (3, True)
    assert result.err.endswith("next  flowrunner run show.yaml --simulate\n")
    assert cli("plan", "show.yaml", "--simulate", cwd=tmp_path).exit_code == 0


CHAIN = """
steps:
  first: {model: blackforestlabs/flux-2-pro, with: {prompt: one}}
  edit: {model: blackforestlabs/flux-2-edit, with: {prompt: two, image_size: square, image_urls: [$first]}}
outputs: {best: $first}
"""


def test_a_lock_that_names_a_simulated_picture_makes_it_neither_sent_nor_published(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    made = api.run(path, environment=LIVE, only=["first"])
    (real,) = made.results["first"].candidates
    assert real is not None
    lock = tmp_path / "show.lock.yaml"
    lock.write_text(lock.read_text().replace(real.sha256, artifact(MARKED).sha256))
    made.opened.project.workspace.objects().put(MARKED)
    (tmp_path / "outputs/show/best.png").unlink()
    result = api.run(path, environment=LIVE)
    assert [body["prompt"] for body in wire.sent] == ["one"]
    assert (result.results["edit"].status, SAYS in result.results["edit"].reason) == (Status.PENDING, True)
    assert result.outputs["best"] == []
    assert any(SAYS in note for note in result.notes)
    assert MARKED not in [place.read_bytes() for place in (tmp_path / "outputs").rglob("*.png")]


def test_a_local_operation_takes_no_simulated_picture_from_the_network(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.fetches.pictures["https://x.y/z.png"] = MARKED
    found = till.one(job(model="image/resize", image=Link("https://x.y/z.png"), width=4))
    assert isinstance(found, Failure)
    assert found.error == f"https://x.y/z.png: it {SAYS}"
