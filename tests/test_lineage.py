"""Where a picture comes from, whatever became of its file."""

import io
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from support import pipeline
from wire import Wire, reply

from flowrunner import api, exchange, picking
from flowrunner.digest import sha256
from flowrunner.imagehead import BadImage
from flowrunner.lineage import Answer, How, Lineage
from flowrunner.project import open_project

RECIPE = """
steps:
  a: {model: blackforestlabs/flux-2-pro, variants: 2, pick: human, with: {prompt: a lamp, seed: 7}}
  b: {model: blackforestlabs/flux-2-edit, with: {prompt: at night, image_urls: [$a, photo.png]}}
outputs: {hero: $b}
"""
LIVE = {"AIMLAPI_API_KEY": "sk-1", "HOME": "/nonexistent", "PATH": ""}


def coloured(body: dict[str, Any]) -> httpx.Response:
    """A picture whose pixels follow from the request."""
    out = io.BytesIO()
    Image.new("RGB", (48, 32), f"#{sha256(repr(sorted(body.items())).encode())[:6]}").save(out, "PNG")
    return reply([out.getvalue()])


class Folder:
    """A repository with one recipe, run live against the provider in this process and committed."""

    def __init__(self, root: Path, text: str = RECIPE) -> None:
        self.root = root
        self.path = pipeline(root, text)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Anna Berg")
        self.git("config", "user.email", "anna@example.org")

    def git(self, *words: str) -> str:
        return subprocess.run(["git", *words], cwd=self.root, check=True, capture_output=True, text=True).stdout

    def run(self, subject: str = "") -> api.RunResult:
        api.run(self.path, environment=LIVE)
        picking.record(
            api.load(self.path, environment=LIVE), [picking.Wish(cell="a", number=2, why="the warmer light")]
        )
        result = api.run(self.path, environment=LIVE)
        if subject:
            self.git("add", "show.yaml", "show.lock.yaml")
            self.git("commit", "-qm", subject)
        return result

    def of(self, data: bytes, root: Path | None = None) -> Answer:
        project = open_project(root or self.root, LIVE)
        with project.workspace.ledger(create=False) as ledger:
            return Lineage(project, ledger).of(data)

    def read(self, name: str) -> bytes:
        return (self.root / "outputs/show" / name).read_bytes()


@pytest.fixture
def folder(tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setattr(exchange.Connections, "_transport", lambda *_: wire)
    wire.answer = coloured
    return Folder(tmp_path / "project")


def changed(data: bytes, form: str = "PNG", colour: str = "", **options: Any) -> bytes:
    """The picture saved anew by another tool, with one pixel in another colour if one is given."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        copy = image.convert("RGBA")
        if colour:
            copy.putpixel((0, 0), (1, 2, 3, 255))
        copy.convert("RGBA" if form == "PNG" else "RGB").save(out, form, **options)
    return out.getvalue()


def test_a_picture_is_known_by_its_bytes_with_recipe_cell_parents_and_commit(folder: Folder) -> None:
    folder.run("Light the lamp")
    answer = folder.of(folder.read("b.png"))
    (made,) = answer.makings
    assert answer.how is How.BYTES
    assert (made.pipeline, made.cell, made.model) == ("show.yaml", "b", "blackforestlabs/flux-2-edit")
    assert [(parent.cell, parent.candidate, parent.path) for parent in made.parents] == [
        ("a", 2, ""),
        ("", 0, "photo.png"),
    ]
    assert made.commit is not None
    assert (made.commit.subject, made.commit.author) == ("Light the lamp", "Anna Berg")


def test_a_candidate_is_known_with_the_pick_that_was_made(folder: Folder) -> None:
    folder.run()
    (made,) = folder.of(folder.read("a.1.png")).makings
    assert (made.candidate, made.of, made.commit) == (1, 2, None)
    assert made.pick is not None
    assert (made.pick.image, made.pick.why) == (2, "the warmer light")


def test_an_output_is_known_by_what_it_carries_and_its_pixels(folder: Folder) -> None:
    folder.run()
    answer = folder.of(folder.read("hero.png"))
    assert (answer.how, [made.cell for made in answer.makings]) == (How.PIXELS, ["b"])


def test_a_picture_is_known_when_another_tool_saved_it_anew(folder: Folder) -> None:
    folder.run()
    stripped = changed(folder.read("hero.png"))
    answer = folder.of(stripped)
    assert (answer.how, [made.cell for made in answer.makings]) == (How.PIXELS, ["b"])


def test_a_picture_that_was_changed_is_said_to_be(folder: Folder) -> None:
    folder.run()
    data = folder.read("hero.png")
    with Image.open(io.BytesIO(data)) as image:
        packet = image.info["XML:com.adobe.xmp"]
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet)
    answer = folder.of(changed(data, colour="other", pnginfo=text))
    assert (answer.how, [made.cell for made in answer.makings]) == (How.CHANGED, ["b"])


def test_a_clone_without_the_store_believes_what_an_output_says(folder: Folder, tmp_path: Path) -> None:
    folder.run("Light the lamp")
    folder.git("clone", "-q", str(folder.root), str(tmp_path / "clone"))
    (tmp_path / "clone" / "flowrunner.toml").touch()
    answer = folder.of(folder.read("hero.png"), tmp_path / "clone")
    assert (answer.how, [made.cell for made in answer.makings]) == (How.METADATA, ["b"])


def test_a_picture_of_an_older_recipe_is_found_in_what_git_remembers(folder: Folder) -> None:
    folder.run("Light the lamp")
    old = folder.read("b.png")
    folder.path.write_text(folder.path.read_text().replace("at night", "at dawn"))
    folder.run("Wait for dawn")
    (made,) = folder.of(old).makings
    assert made.with_["prompt"] == "at night"
    assert made.commit is not None
    assert made.commit.subject == "Light the lamp"


def test_a_picture_that_no_lock_names_is_found_in_the_ledger(folder: Folder) -> None:
    folder.run()
    old = folder.read("b.png")
    folder.path.write_text(folder.path.read_text().replace("at night", "at dawn"))
    result = folder.run()
    (made,) = folder.of(old).makings
    assert (made.cell, made.lock) == ("b", "")
    assert made.run.startswith("r-")
    assert made.run != result.run


def test_a_stranger_is_not_known(folder: Folder) -> None:
    folder.run()
    assert folder.of(folder.root.joinpath("photo.png").read_bytes()) == Answer(
        sha256(folder.root.joinpath("photo.png").read_bytes()), None, ()
    )
    with pytest.raises(BadImage):
        folder.of(b"no picture")


def test_without_git_everything_else_is_known(folder: Folder) -> None:
    folder.run()
    subprocess.run(["rm", "-rf", str(folder.root / ".git")], check=True)
    (made,) = folder.of(folder.read("b.png")).makings
    assert (made.cell, made.commit) == ("b", None)
