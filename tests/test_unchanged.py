"""A plan, and a run with nothing to do, told again: only while nothing has changed that it follows from."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from hashlib import sha256
from io import StringIO
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

import pytest
from support import Result, cli, environment, picture, project

from flowrunner import unchanged
from flowrunner.commands.watching import Watch
from flowrunner.store import sealed
from flowrunner.store.ledger import Ledger
from flowrunner.store.records import Caps, Intent

SHOW = """\
flowrunner: 1
name: show
provider: aimlapi
include: [shared/light.yaml]
axes:
  product: {from: products/*.yaml}
steps:
  scene:
    across: product
    model: blackforestlabs/flux-2-pro-edit
    with:
      prompt: {file: prompts/scene.md}
      image_urls: [$axis.product.photo]
      image_size: {width: 512, height: 512}
      seed: 7
outputs:
  scenes: $scene.*
"""
FILES = {
    "shows/show.yaml": SHOW,
    "shows/shared/light.yaml": "flowrunner: 1\nvars: {light: soft}\n",
    "shows/products/lamp.yaml": "photo: lamp.png\n",
    "shows/prompts/scene.md": "A lamp in {{ vars.light }} light\n",
}
PLAN = ("plan", "shows/show.yaml", "--simulate")
RUN = ("run", "shows/show.yaml", "--simulate")


def written(folder: Path) -> Path:
    """A project that has lain there for a while."""
    picture(project(folder, FILES) / "shows/products/lamp.png", (256, 256))
    time.sleep(0.03)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "project")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of which the pipeline was run, and run once more with nothing to do."""
    folder = written(tmp_path_factory.mktemp("ran"))
    for _ in range(2):
        assert cli(*RUN, cwd=folder).exit_code == 0
        time.sleep(0.03)
    return folder


def again(folder: Path, *words: str, env: dict[str, str] | None = None) -> Result | None:
    """What is told again; None where the command has to be done."""
    out, err = StringIO(), StringIO()
    clean = patch.dict(os.environ, environment(folder, env), clear=True)
    with chdir(folder), clean, patch("sys.stdin", StringIO()), redirect_stdout(out), redirect_stderr(err):
        code = unchanged.again(words)
    return None if code is None else Result(code, out.getvalue(), err.getvalue())


def entries(folder: Path) -> list[Path]:
    return sorted((folder / ".flowrunner" / unchanged.FOLDER).glob("[!.]*"))


@pytest.mark.parametrize("options", [(), ("--cells",), ("--format", "json"), ("--format", "markdown")])
def test_a_plan_is_told_again_as_it_was(folder: Path, options: tuple[str, ...]) -> None:
    first = cli(*PLAN, *options, cwd=folder)
    assert (first.exit_code, bool(first.out)) == (0, True)
    assert again(folder, *PLAN, *options) == first


def test_a_plan_that_refuses_is_told_again_with_its_exit_code(folder: Path) -> None:
    first = cli(*PLAN, "--max-calls", "0", cwd=folder)
    assert (first.exit_code, bool(first.err)) == (3, True)
    assert again(folder, *PLAN, "--max-calls", "0") == first


def test_a_run_with_nothing_to_do_is_told_again_as_a_run_of_its_own(ran: Path) -> None:
    before = cli(*RUN, cwd=ran)
    found = again(ran, *RUN)
    assert found is not None
    old, new = (one.out.split()[1] for one in (before, found))
    assert (found.exit_code, found.out) == (0, before.out.replace(old, new))
    assert new != old
    shown = [cli("runs", "show", run, "--format", "json", cwd=ran).json for run in (old, new)]
    assert shown[1] == shown[0] | {"run": new}


def test_what_is_told_of_a_run_again_and_again_still_says_what_the_first_one_did(ran: Path) -> None:
    assert cli(*RUN, cwd=ran).exit_code == 0
    names = [found.out.split()[1] for _ in range(3) if (found := again(ran, *RUN))]
    assert len(set(names)) == 3
    assert cli("runs", "show", names[-1], "--format", "json", cwd=ran).json["cells"][0]["status"] == "reused"


def edit(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: project(folder, {name: text})


def same_again(folder: Path) -> None:
    """The same bytes, as another file: what a repository that brings both could do."""
    place = folder / "shows/show.yaml"
    shutil.copyfile(place, place.with_suffix(".copy"))
    place.with_suffix(".copy").rename(place)


def linked(name: str) -> Callable[[Path], None]:
    """The same content, reached by a link."""

    def change(folder: Path) -> None:
        place = folder / name
        place.rename(folder / f"real-{place.name}")
        place.symlink_to(folder / f"real-{place.name}")

    return change


def spent(folder: Path) -> None:
    """Another run of the same name has paid."""
    with Ledger.open(folder / ".flowrunner") as ledger:
        run = ledger.begin(pipeline="other.yaml", name="show", simulated=False)
        intent = Intent(
            run=run,
            cell="x",
            key="ab" * 32,
            provider="aimlapi",
            model="m",
            attempt=1,
            estimate=5,
            client_request_id="",
        )
        assert isinstance(ledger.reserve(intent, Caps()), int)


CHANGES: dict[str, Callable[[Path], object]] = {
    "the pipeline": edit("shows/show.yaml", SHOW.replace("seed: 7", "seed: 8")),
    "the pipeline, by a copy of it": same_again,
    "an include": edit("shows/shared/light.yaml", "flowrunner: 1\nvars: {light: hard}\n"),
    "a data file": edit("shows/products/lamp.yaml", "photo: ./lamp.png\n"),
    "a data file that is new": edit("shows/products/vase.yaml", "photo: lamp.png\n"),
    "a prompt": edit("shows/prompts/scene.md", "A vase\n"),
    "a picture": lambda folder: picture(folder / "shows/products/lamp.png", (256, 256), "#000000"),
    "the settings": edit("flowrunner.toml", "timeout = 20\n"),
    "a model of the project": edit("schemas/mine.json", "{}"),
    "a folder for models of the project": lambda folder: (folder / "schemas/aimlapi").mkdir(parents=True),
    "settings nearer by": edit("shows/flowrunner.toml", ""),
    "a twin": edit("shows/show.yml", SHOW),
    "a file that is a link now": linked("shows/prompts/scene.md"),
    "a folder that is a link now": linked("shows/products"),
    "the ledger": spent,
    "flowrunner itself": lambda _: patch.object(unchanged, "_code", lambda: "other").start(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_plan_is_not_told_again_once_anything_has_changed(folder: Path, change: str) -> None:
    assert cli(*PLAN, cwd=folder).exit_code == 0
    assert again(folder, *PLAN) is not None
    try:
        CHANGES[change](folder)
        assert again(folder, *PLAN) is None
    finally:
        patch.stopall()


SECOND = """\
flowrunner: 1
provider: aimlapi
steps:
  one: {model: blackforestlabs/flux-2, with: {prompt: x, image_size: {width: 512, height: 512}}}
  two: {model: image/resize, with: {image: $one, width: 64}, check: [{size: {width: 64}}]}
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pipelines in a folder that was run, once more than needed; one has a check."""
    folder = tmp_path_factory.mktemp("both")
    written(project(folder, {"shows/two.yaml": SECOND}))
    for _ in range(2):
        assert cli("run", "shows", "--simulate", cwd=folder).exit_code == 0
        time.sleep(0.03)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("words", [("plan", "shows"), ("plan", "shows/two.yaml", "shows/show.yaml"), ("run", "shows")])
def test_several_pipelines_are_told_again_together(both: Path, words: tuple[str, ...]) -> None:
    first = cli(*words, "--simulate", cwd=both)
    assert first.exit_code == 0
    found = again(both, *words, "--simulate")
    assert found is not None
    assert (found.exit_code, found.err, len(found.out)) == (0, first.err, len(first.out))


def test_a_pipeline_that_joins_a_folder_makes_it_new(both: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(both, tmp_path / "copy"))
    time.sleep(0.03)
    assert cli("plan", "shows", "--simulate", cwd=folder).exit_code == 0
    assert again(folder, "plan", "shows", "--simulate") is not None
    project(folder, {"shows/three.yaml": SECOND})
    assert again(folder, "plan", "shows", "--simulate") is None


def test_a_folder_with_a_link_that_may_lead_to_a_pipeline_one_day_is_not_kept(folder: Path) -> None:
    (folder / "shows/now.yaml").symlink_to("shared/light.yaml")
    assert cli("plan", "shows", "--simulate", cwd=folder).exit_code == 0
    assert entries(folder) == []


def test_a_folder_with_a_faulty_pipeline_is_not_kept(folder: Path) -> None:
    project(folder, {"shows/two.yaml": SECOND.replace("model", "modle")})
    time.sleep(0.03)
    assert cli("plan", "shows", "--simulate", cwd=folder).exit_code == 2
    assert entries(folder) == []


GIVEN = """\
flowrunner: 1
provider: aimlapi
inputs: {photo: {type: image}}
steps:
  one: {model: image/resize, with: {image: $inputs.photo, width: 64}}
"""


@pytest.mark.parametrize(("name", "kept"), [("photo.png", 1), ("other.png", 0)])
@pytest.mark.parametrize("options", [("-i", "photo={}"), ("--inputs", "given.yaml")])
def test_a_picture_that_is_given_is_asked_again_unless_it_is_named_by_a_link(
    folder: Path, name: str, kept: int, options: tuple[str, str]
) -> None:
    picture(project(folder, {"given.yaml": f"photo: {name}\n", "one.yaml": GIVEN}) / "photo.png")
    (folder / "other.png").symlink_to("photo.png")
    time.sleep(0.03)
    words = ("plan", "one.yaml", *(word.format(name) for word in options))
    assert cli(*words, cwd=folder).exit_code == 0
    assert len(entries(folder)) == kept
    if kept:
        assert again(folder, *words) is not None
        picture(folder / "photo.png", colour="#112233")
    assert again(folder, *words) is None


def spoiled(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"spoiled")


@pytest.mark.parametrize(("change", "code"), [(spoiled, 2), (Path.unlink, 0)])
def test_a_locked_picture_from_elsewhere_is_asked_again(
    folder: Path, tmp_path: Path, change: Callable[[Path], None], code: int
) -> None:
    photo = picture(tmp_path / "photo.png")
    project(folder, {"one.yaml": GIVEN})
    assert cli("run", "one.yaml", "-i", f"photo={photo}", "--simulate", cwd=folder).exit_code == 0
    digest = sha256(photo.read_bytes()).hexdigest()
    words = ("plan", "one.yaml", "--simulate")
    time.sleep(0.03)
    assert cli(*words, cwd=folder).exit_code == 0
    assert again(folder, *words) is not None
    change(folder / f".flowrunner/objects/{digest[:2]}/{digest[2:]}")
    assert again(folder, *words) is None
    assert cli(*words, cwd=folder).exit_code == code


@pytest.mark.parametrize(
    ("name", "kept"), [("given.yaml", 1), ("~given.yaml", 1), ("now.yaml", 0), ("now/given.yaml", 0)]
)
def test_an_inputs_file_that_is_named_by_a_link_is_not_kept(folder: Path, name: str, kept: int) -> None:
    picture(project(folder, {"given.yaml": "photo: photo.png\n", "one.yaml": GIVEN}) / "photo.png")
    picture(project(folder, {"v1/given.yaml": "photo: photo.png\n"}) / "v1/photo.png")
    shutil.copyfile(folder / "given.yaml", folder / "~given.yaml")
    (folder / "now.yaml").symlink_to("given.yaml")
    (folder / "now").symlink_to("v1")
    time.sleep(0.03)
    assert cli("plan", "one.yaml", "--inputs", name, cwd=folder).exit_code == 0
    assert len(entries(folder)) == kept


@pytest.mark.parametrize("name", ["now/../given.yaml", "../project/now/../given.yaml"])
def test_an_inputs_file_that_is_named_from_a_folder_is_not_kept_for_that_may_be_a_link_one_day(
    folder: Path, name: str
) -> None:
    picture(project(folder, {"given.yaml": "photo: photo.png\n", "one.yaml": GIVEN}) / "photo.png")
    (folder / "now").mkdir()
    time.sleep(0.03)
    for options in (("--inputs", name), ("-i", f"photo={name.replace('given.yaml', 'photo.png')}")):
        assert cli("plan", "one.yaml", *options, cwd=folder).exit_code == 0
    assert entries(folder) == []


@pytest.mark.parametrize("linked", [False, True])
def test_a_plan_whose_model_files_lie_behind_a_link_is_not_kept(folder: Path, linked: bool) -> None:
    (folder / "models").mkdir()
    if linked:
        (folder / "schemas").symlink_to("models")
    time.sleep(0.03)
    assert cli(*PLAN, cwd=folder).exit_code == 0
    assert bool(entries(folder)) is not linked


def test_what_checks_have_found_is_asked_again(both: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(both, tmp_path / "copy"))
    time.sleep(0.03)
    words = ("plan", "shows/two.yaml", "--simulate")
    assert cli(*words, cwd=folder).exit_code == 0
    assert again(folder, *words) is not None
    verdict = next((folder / ".flowrunner/checks").rglob("*.json"))
    verdict.write_text(verdict.read_text().replace("true", "false"))
    assert again(folder, *words) is None


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_lock_that_changes_makes_it_new(ran: Path, tmp_path: Path, command: str) -> None:
    folder = Path(shutil.copytree(ran, tmp_path / "copy"))
    time.sleep(0.03)
    words = (command, *RUN[1:])
    assert cli(*words, cwd=folder).exit_code == 0
    assert again(folder, *words) is not None
    lock = next(folder.glob(".flowrunner/simulated/**/*.lock.yaml"))
    lock.write_text(lock.read_text() + "\n")
    assert again(folder, *words) is None


def test_each_file_that_an_answer_follows_from_is_looked_at_once_when_it_is_kept(ran: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(ran, tmp_path / "copy")
    time.sleep(0.03)
    with patch.object(unchanged, "stamp_of", wraps=unchanged.stamp_of) as asked:
        assert cli(*RUN, cwd=folder).exit_code == 0
    seen = [call.args[0] for call in asked.call_args_list if "/outputs/" in call.args[0]]
    assert len(seen) == len(set(seen)) > 0


def test_a_run_is_not_told_again_without_its_pictures(ran: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ran, tmp_path / "copy"))
    time.sleep(0.03)
    assert cli(*RUN, cwd=folder).exit_code == 0
    assert again(folder, *RUN) is not None
    output = next(folder.glob("outputs/simulated/shows/show/scenes/**/*.png"))
    data = output.read_bytes()
    output.write_bytes(b"mine")
    assert again(folder, *RUN) is None
    assert cli(*RUN, cwd=folder).exit_code == 0
    assert output.read_bytes() == data


SEVERAL = """\
flowrunner: 1
steps:
  scene:
    provider: aimlapi
    model: blackforestlabs/flux-2
    with: {prompt: x, num_images: 2, image_size: {width: 512, height: 512}}
"""


def test_a_run_is_not_told_again_without_the_picked_one_of_several_pictures(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", {"show.yaml": SEVERAL})
    words = ("run", "show.yaml", "--simulate")
    for _ in range(2):
        assert cli(*words, cwd=folder).exit_code == 0
        time.sleep(0.03)
    assert again(folder, *words) is not None
    picked = folder / "outputs/simulated/show/scene.png"
    picked.unlink()
    assert again(folder, *words) is None
    assert cli(*words, cwd=folder).exit_code == 0
    assert picked.exists()


def test_a_run_is_not_told_again_once_the_store_has_lost_a_picture(ran: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ran, tmp_path / "copy"))
    time.sleep(0.03)
    assert cli(*RUN, cwd=folder).exit_code == 0
    assert again(folder, *RUN) is not None
    shutil.rmtree(folder / ".flowrunner/objects")
    assert again(folder, *RUN) is None


def test_a_missing_picture_that_comes_to_lie_in_the_trash_makes_a_plan_new(ran: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ran, tmp_path / "copy"))
    (place,) = (path for path in (folder / ".flowrunner/objects").rglob("*") if path.is_file())
    place.rename(tmp_path / "picture")
    shutil.rmtree(folder / "outputs")
    time.sleep(0.03)
    assert "missing" in cli(*PLAN, cwd=folder).out
    assert again(folder, *PLAN) is not None
    thrown = folder / f".flowrunner/trash/1700000000/{place.parent.name}{place.name}"
    thrown.parent.mkdir(parents=True)
    (tmp_path / "picture").rename(thrown)
    assert again(folder, *PLAN) is None


@pytest.mark.slow
@pytest.mark.parametrize("words", [PLAN, RUN])
@pytest.mark.parametrize("barred", [lambda store: store.chmod(0o777), lambda _: patch("os.access", deny).start()])
def test_a_store_that_may_not_be_used_any_more_makes_it_new(
    folder: Path, tmp_path: Path, words: tuple[str, ...], barred: Callable[[Path], object]
) -> None:
    env = {"FLOWRUNNER_STORE": str(tmp_path / "store")}
    cli(*RUN, cwd=folder, env=env)
    for _ in range(2):
        time.sleep(0.03)
        assert cli(*words, cwd=folder, env=env).exit_code == 0
    assert again(folder, *words, env=env) is not None
    try:
        barred(tmp_path / "store")
        assert again(folder, *words, env=env) is None
    finally:
        patch.stopall()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["store/projects/*", "project/.flowrunner/.gitignore"])
def test_a_run_is_not_told_again_without_what_it_would_write_for_others(
    folder: Path, tmp_path: Path, name: str
) -> None:
    """A sweep in a store that projects share keeps what those need that have told of themselves."""
    env = {"FLOWRUNNER_STORE": str(tmp_path / "store")}
    for _ in range(2):
        assert cli(*RUN, cwd=folder, env=env).exit_code == 0
        time.sleep(0.03)
    assert again(folder, *RUN, env=env) is not None
    unlink(name)(tmp_path)
    assert again(folder, *RUN, env=env) is None


CHOICE = """\
flowrunner: 1
provider: aimlapi
steps:
  scene:
    model: blackforestlabs/flux-2
    pick: human
    with: {prompt: x, num_images: 2, image_size: {width: 512, height: 512}}
  next:
    model: blackforestlabs/flux-2-edit
    with: {prompt: y, image_urls: [$scene], image_size: {width: 512, height: 512}}
"""


def test_a_run_that_waits_for_a_choice_is_not_kept_for_it_has_looked_at_an_origin(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", {"show.yaml": CHOICE})
    words = ("run", "show.yaml", "--simulate")
    for _ in range(2):
        assert cli(*words, cwd=folder).exit_code == 4
        time.sleep(0.03)
    assert again(folder, *words, env={"AIMLAPI_BASE_URL": "ftp://elsewhere"}) is None


def deny(*_: object) -> bool:
    return False


@pytest.mark.parametrize(
    "other",
    [
        *({"NO_COLOR": "1"}, {"FLOWRUNNER_STORE": "elsewhere"}, {"TERM": "xterm"}),
        *({"COLUMNS": "24"}, {"FORCE_COLOR": "1"}, {"LINES": "5"}, {"TTY_COMPATIBLE": "0"}, {"TTY_INTERACTIVE": "0"}),
    ],
)
def test_another_environment_is_another_question(folder: Path, other: dict[str, str]) -> None:
    assert cli(*PLAN, cwd=folder).exit_code == 0
    assert again(folder, *PLAN, env=other) is None


def test_another_folder_is_another_question(folder: Path) -> None:
    assert cli(*PLAN, cwd=folder).exit_code == 0
    assert again(folder / "shows", "plan", "show.yaml", "--simulate") is None


def test_a_folder_that_is_gone_has_no_answers(folder: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with chdir(gone):
        gone.rmdir()
        try:
            assert unchanged.again(["plan", "show.yaml"]) is None
        finally:
            os.chdir(folder)


def test_an_answer_that_came_with_the_repository_is_not_believed(folder: Path, tmp_path: Path) -> None:
    """It holds for the files of one disk only."""
    assert cli(*PLAN, cwd=folder).exit_code == 0
    shutil.copytree(folder, tmp_path / "clone")
    (place,) = entries(tmp_path / "clone")
    _, text = place.read_bytes().split(b"\n", 1)
    kept = json.loads(text.replace(bytes(folder), bytes(tmp_path / "clone")))
    (known,) = kept["answers"]
    assert known["pipeline"] == str(tmp_path / "clone/shows/show.yaml")
    known["stamps"] = {path: unchanged.stamp_of(path) for path in known["stamps"]}
    with chdir(tmp_path / "clone"):
        assert not unchanged.holds(kept)
        known["seal"] = unchanged.stamp_of(known["pipeline"])
        assert unchanged.holds(kept)


@pytest.mark.parametrize("harm", [b"", b"{}", b"0" * 64 + b"\n{}", b"[" * 100_000])
def test_an_answer_that_is_torn_is_none(folder: Path, harm: bytes) -> None:
    assert cli(*PLAN, cwd=folder).exit_code == 0
    (kept,) = entries(folder)
    kept.write_bytes(harm)
    assert again(folder, *PLAN) is None


def as_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)
    os.open(path, os.O_RDWR)  # somebody who writes nothing: whoever reads would wait


def as_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_a_link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def below_a_link(path: Path) -> None:
    path.parents[1].rename(path.parents[2] / "real")
    path.parents[1].symlink_to("real")


HARM: dict[str, Callable[[Path], object]] = {
    "a pipe": as_a_pipe,
    "a folder": as_a_folder,
    "a link": as_a_link,
    "below a link": below_a_link,
    "more than anybody keeps": lambda path: os.truncate(path, 1 << 40),
    "for everyone to write": lambda path: path.chmod(0o666),
    "in a folder for everyone to write": lambda path: path.parent.chmod(0o777),
    "another user's": lambda _: patch("os.geteuid", lambda: os.getuid() + 1).start(),
}


@pytest.mark.parametrize("harm", HARM)
def test_an_answer_is_none_that_is(folder: Path, harm: str) -> None:
    assert cli(*PLAN, cwd=folder).exit_code == 0
    (kept,) = entries(folder)
    try:
        HARM[harm](kept)
        assert again(folder, *PLAN) is None
    finally:
        patch.stopall()


def test_the_answer_to_another_command_line_is_none(folder: Path) -> None:
    assert cli(*PLAN, cwd=folder).exit_code == 0
    (plain,) = entries(folder)
    assert cli(*PLAN, "--max-calls", "0", cwd=folder).exit_code == 3
    (refused,) = {*entries(folder)} - {plain}
    refused.replace(plain)
    assert again(folder, *PLAN) is None


@pytest.mark.parametrize("shape", [{"said": 3}, {"said": [[7, "x"]]}, {"said": ["x"]}, {"code": "x"}, {"code": None}])
def test_an_answer_that_says_nothing_is_none(folder: Path, shape: dict[str, object]) -> None:
    assert cli(*PLAN, cwd=folder).exit_code == 0
    (kept,) = entries(folder)
    sealed.write(kept, json.dumps(json.loads(kept.read_bytes().split(b"\n", 1)[1]) | shape).encode())
    assert again(folder, *PLAN) is None


def test_an_answer_of_another_shape_is_none() -> None:
    assert not unchanged.holds({})
    assert not unchanged.holds({"places": {}, "shelves": {}, "answers": []})
    assert not unchanged.holds({"places": 3})


def test_what_changed_while_it_was_read_is_not_kept(folder: Path) -> None:
    """A file that was written in the same tick could be written once more without a trace."""
    with patch.object(unchanged, "is_settled", lambda stamp, since: "lamp.png" not in str(stamp) and since < 0):
        assert cli(*PLAN, cwd=folder).exit_code == 0
    assert entries(folder) == []


def unlink(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        found = list(folder.glob(name))
        assert found
        for path in found:
            path.unlink()

    return change


def swap(name: str) -> Callable[[Path], None]:
    """Another folder takes the place of one: its files are as old as those that were there."""

    def change(folder: Path) -> None:
        (folder / name).rename(folder / "before")
        (folder / f"other/{name}").rename(folder / name)

    return change


MEANWHILE: dict[str, Callable[[Path], object]] = {
    "a prompt is edited": edit("shows/prompts/scene.md", "A vase\n"),
    "a prompt goes": unlink("shows/prompts/scene.md"),
    "a picture is another one": lambda folder: picture(folder / "shows/products/lamp.png", colour="#000000"),
    "a folder takes another one's place": swap("shows"),
    "a data file joins": edit("shows/products/vase.yaml", "photo: lamp.png\n"),
    "the lock goes": unlink(".flowrunner/simulated/shows/show.lock.yaml"),
    "the settings go": unlink("flowrunner.toml"),
    "settings come nearer": edit("shows/flowrunner.toml", ""),
    "a model goes": unlink("schemas/aimlapi/mine.json"),
    "a twin comes": edit("shows/show.yml", SHOW),
    "another run pays": spent,
}
MOMENTS = {
    "before it is planned": "flowrunner.commands.together.planned",
    "before the run is planned": "flowrunner.running.planned",
    "once it was planned": "flowrunner.asked.Asked.ledger",
    "while files are digested": "flowrunner.unchanged.digest_of",
    "before it is kept": "flowrunner.store.sealed.write",
}


@pytest.fixture(scope="module")
def full(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that was run, with a second mark, a model of its own, and other prompts in a folder beside."""
    folder = Path(shutil.copytree(ran, tmp_path_factory.mktemp("full") / "project"))
    model = (Path(__file__).parents[1] / "schemas/aimlapi/blackforestlabs/flux-2.json").read_text()
    own = model.replace('"id": "blackforestlabs/flux-2"', '"id": "mine"')
    project(folder, {".git/HEAD": "", "schemas/aimlapi/mine.json": own})
    for name in ("shows", "outputs"):
        shutil.copytree(folder / name, folder / "other" / name)
    project(folder, {"other/shows/prompts/scene.md": "A vase\n"})
    shutil.rmtree(folder / ".flowrunner" / unchanged.FOLDER)
    return folder


def meanwhile(full: Path, folder: Path, words: tuple[str, ...], moment: str, do: Callable[[Path], object]) -> None:
    """Has a command say something of a copy of the project, and does something to that, once, at the moment."""
    place, _, name = MOMENTS[moment].rpartition(".")
    owner, left = resolve_name(place), [do]
    real = getattr(owner, name)

    def called(*values: Any, **named: Any) -> Any:
        if left:
            left.pop()(folder)
        return real(*values, **named)

    shutil.copytree(full, folder, symlinks=True)
    time.sleep(0.03)
    with patch.object(owner, name, called):
        cli(*words, cwd=folder)
    assert left == []


PLANNING = [moment for moment in MOMENTS if moment != "before the run is planned"]
RUNNING = [moment for moment in MOMENTS if moment != "before it is planned"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "moment"), [*((PLAN, moment) for moment in PLANNING), *((RUN, moment) for moment in RUNNING)]
)
def test_what_is_said_while_nothing_changes_is_kept(
    full: Path, tmp_path: Path, words: tuple[str, ...], moment: str
) -> None:
    meanwhile(full, tmp_path / "project", words, moment, lambda _: None)
    assert again(tmp_path / "project", *words) is not None


@pytest.mark.slow
@pytest.mark.parametrize("moment", PLANNING)
@pytest.mark.parametrize("change", MEANWHILE)
def test_what_changes_while_a_plan_is_made_is_not_told_as_it_was(
    full: Path, tmp_path: Path, change: str, moment: str
) -> None:
    meanwhile(full, tmp_path / "project", PLAN, moment, MEANWHILE[change])
    assert again(tmp_path / "project", *PLAN) is None


@pytest.mark.parametrize("moment", PLANNING)
def test_what_a_ledger_knew_that_goes_while_a_plan_is_made_is_not_told_again(
    full: Path, tmp_path: Path, moment: str
) -> None:
    unlocked = Path(shutil.copytree(full, tmp_path / "unlocked"))
    unlink(".flowrunner/simulated/shows/show.lock.yaml")(unlocked)
    meanwhile(unlocked, tmp_path / "project", PLAN, moment, unlink(".flowrunner/ledger.db*"))
    assert again(tmp_path / "project", *PLAN) is None


def turned(folder: Path) -> None:
    """The folder that is named by way of a link is another one now."""
    (folder / "now").unlink()
    (folder / "now").symlink_to("other/shows")


@pytest.mark.slow
@pytest.mark.parametrize("moment", PLANNING)
@pytest.mark.parametrize("name", ["now", "now/show.yaml"])
def test_a_link_that_is_turned_while_a_plan_is_made_does_not_lead_to_what_was_said(
    full: Path, tmp_path: Path, moment: str, name: str
) -> None:
    linked = Path(shutil.copytree(full, tmp_path / "linked"))
    (linked / "now").symlink_to("shows")
    words = ("plan", f"{linked.with_name('project')}/{name}", "--simulate")
    meanwhile(linked, tmp_path / "project", words, moment, turned)
    assert again(tmp_path / "project", *words) is None


@pytest.mark.parametrize("moment", ["once it was planned", "while files are digested"])
def test_a_picture_that_goes_from_elsewhere_while_a_run_ends_is_missed(full: Path, tmp_path: Path, moment: str) -> None:
    words = (*RUN, "--output", str(tmp_path / "elsewhere"))
    shutil.copytree(full, tmp_path / "before")
    cli(*words, cwd=tmp_path / "before")
    time.sleep(0.03)
    gone = unlink("../elsewhere/scenes/scene/lamp.png")
    meanwhile(tmp_path / "before", tmp_path / "project", words, moment, gone)
    assert again(tmp_path / "project", *words) is None


LEFT: dict[str, Callable[[Path], object]] = {
    "a picture goes": unlink("outputs/simulated/**/*.png"),
    "the pictures are other ones": swap("outputs"),
    "another run pays": spent,
    "the lock goes": unlink(".flowrunner/simulated/shows/show.lock.yaml"),
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["once it was planned", "while files are digested", "before it is kept"])
@pytest.mark.parametrize("change", LEFT)
def test_what_changes_while_a_run_ends_is_not_told_as_it_was(
    full: Path, tmp_path: Path, change: str, moment: str
) -> None:
    meanwhile(full, tmp_path / "project", RUN, moment, LEFT[change])
    assert again(tmp_path / "project", *RUN) is None


def test_a_file_is_at_rest_when_its_last_change_is_older_than_the_tick_of_its_file_system() -> None:
    fine, coarse = 5_123_456_789, 5_000_000_000
    assert not unchanged.is_settled([fine], fine + 10_000_000)
    assert unchanged.is_settled([fine], fine + 30_000_000)
    assert not unchanged.is_settled([coarse], coarse + 1_000_000_000)
    assert unchanged.is_settled([coarse], coarse + 2_100_000_000)
    assert not unchanged.is_settled([], 0)


def test_a_run_with_something_to_do_is_not_kept(folder: Path) -> None:
    assert cli(*RUN, cwd=folder).exit_code == 0
    assert entries(folder) == []


def test_a_plan_with_a_mistake_is_not_kept(folder: Path) -> None:
    project(folder, {"shows/show.yaml": SHOW.replace("model:", "modle:")})
    time.sleep(0.03)
    assert cli(*PLAN, cwd=folder).exit_code == 2
    assert entries(folder) == []


def test_what_is_too_much_to_be_told_again_is_not_held_in_memory(folder: Path) -> None:
    with patch("flowrunner.commands.watching._WORDS", 200):
        watch = Watch(PLAN, PLAN[1:2])
        with redirect_stdout(StringIO()), watch.listening():
            for number in range(5):
                sys.stdout.write("x" * number * 10)
                assert len(watch._said.parts) <= 3
        assert watch._said.parts == []
        assert cli(*PLAN, cwd=folder).exit_code == 0
    assert entries(folder) == []


def test_only_so_many_answers_are_kept(folder: Path) -> None:
    with patch("flowrunner.commands.watching._MOST", 2):
        for number in range(4):
            assert cli(*PLAN, "--max-calls", str(number + 5), cwd=folder).exit_code == 0
    assert len(entries(folder)) == 2


def test_answers_are_not_kept_where_a_link_leads_away(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / ".flowrunner").mkdir(mode=0o700)
    (folder / ".flowrunner" / unchanged.FOLDER).symlink_to(tmp_path / "elsewhere")
    assert cli(*PLAN, cwd=folder).exit_code == 0
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_plan_makes_no_store_where_a_stranger_wants_one(folder: Path, tmp_path: Path) -> None:
    project(folder, {"flowrunner.toml": '[store]\npath = "../elsewhere"\n'})
    time.sleep(0.03)
    assert cli(*PLAN, cwd=folder).exit_code == 0
    assert again(folder, *PLAN) is not None
    assert not (tmp_path / "elsewhere").exists()


READS = """
import sys
from pathlib import Path
seen = set()
def hear(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes, Path)):
        seen.add(str(arguments[0]))
sys.addaudithook(hear)
from flowrunner.cli import main
main(sys.argv[1:])
print(*sorted(seen), sep="\\n", file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["plan", "run"])
def test_every_file_that_is_read_is_asked_again(ran: Path, tmp_path: Path, command: str) -> None:
    folder = Path(shutil.copytree(ran, tmp_path / "copy"))
    time.sleep(0.03)
    shutil.rmtree(folder / ".flowrunner" / unchanged.FOLDER)
    words = [sys.executable, "-c", READS, command, *PLAN[1:]]
    env = environment(folder)
    for _ in range(2):  # the first run finds pictures that were copied, and looks at them
        time.sleep(0.03)
        done = subprocess.run(
            words, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        )
        if entries(folder):
            break
    (kept,) = entries(folder)
    (known,) = json.loads(kept.read_bytes().split(b"\n", 1)[1])["answers"]
    asked = {*known["files"], *known["stamps"], *known["absent"], *known["folders"], *known["trees"]}
    read = {os.path.normpath(folder / line) for line in done.stderr.splitlines() if line}
    own = {path for path in read if path.startswith(f"{folder}/") and not path.startswith(f"{folder}/.flowrunner")}
    assert str(folder / "shows/prompts/scene.md") in own
    assert own - asked == set()


def test_telling_it_again_loads_next_to_nothing(folder: Path) -> None:
    done = loaded(folder, "from flowrunner.cli import main; main(sys.argv[1:])")
    assert {"yaml", "sqlite3"} & done == {"yaml", "sqlite3"}
    done = loaded(folder, "from flowrunner.cli import main; assert main(sys.argv[1:]) == 0")
    ours = {name for name in done if name.startswith("flowrunner")}
    assert not {"yaml", "jsonschema", "jinja2", "networkx", "sqlite3"} & done
    names = ("cli", "unchanged", "roots", "files", "lfs", "digest", "errors", "problems", "source", "escape", "slotted")
    assert ours <= {"flowrunner", *(f"flowrunner.{name}" for name in names)}


def test_a_ledger_that_lies_as_it_lay_is_not_opened(ran: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ran, tmp_path / "copy"))
    time.sleep(0.03)
    for brought in ({"sqlite3"}, set()):
        assert {"sqlite3"} & loaded(
            folder, "from flowrunner.cli import main; assert main(sys.argv[1:]) == 0"
        ) == brought
    spent(folder)
    script = "from flowrunner import unchanged; assert unchanged.again(sys.argv[1:]) is None"
    assert "sqlite3" in loaded(folder, script)


def loaded(folder: Path, script: str) -> set[str]:
    """The modules that a script brings, called with the words of the plan."""
    words = [sys.executable, "-c", f"import sys; {script}; print(*sys.modules, file=sys.stderr)", *PLAN]
    env = environment(folder)
    done = subprocess.run(words, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return set(done.stderr.decode().split())
