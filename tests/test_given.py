"""Given inputs: of a command line, an inputs file, the lock, or by default; and what makes a trial."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support import picture, project
from written import HEAD, STEP

from flowrunner.call import Link
from flowrunner.digest import sha256
from flowrunner.errors import UsageError
from flowrunner.files import WorkTree
from flowrunner.given import Given, given
from flowrunner.loading import load
from flowrunner.store.objects import Objects

INPUTS = """
inputs:
  word: {default: calm}
  count: {type: integer, minimum: 1, maximum: 9}
  share: {type: number}
  night: {type: boolean, default: false}
  mood: {enum: [calm, wild]}
  logo: {type: image, default: assets/logo.png}
  extra: {type: image, default: ~}
"""


class Desk:
    """A project with a pipeline that takes inputs."""

    def __init__(self, folder: Path) -> None:
        self.root = project(folder / "project", {"shows/show.yaml": HEAD + INPUTS + STEP})
        self.objects = Objects(self.root / ".flowrunner")
        for name in ("shows/assets/logo.png", "shows/other.png", "top.png"):
            picture(self.root / name)
        self.outside = picture(folder / "outside.png", colour="#112233")

    def give(
        self,
        lines: Mapping[str, Any] | None = None,
        *,
        file: Path | None = None,
        locked: Mapping[str, Any] | None = None,
    ) -> Given:
        pipeline, _ = load(WorkTree(self.root), "shows/show.yaml")
        return given(pipeline, root=self.root, lines=lines or {}, file=file, locked=locked or {}, objects=self.objects)

    def file(self, text: str, name: str = "shows/lamp.yaml") -> Path:
        path = self.root / name
        path.write_text(text)
        return path


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path)
    monkeypatch.chdir(made.root)
    return made


# Values


def test_no_image_has_an_empty_path(desk: Desk) -> None:
    with pytest.raises(UsageError, match=r"^input extra is the path or URL of an image; '' is not$"):
        desk.give({"extra": ""})


def test_defaults_have_values_and_are_not_recorded(desk: Desk) -> None:
    found = desk.give()
    assert {name: value.data for name, value in found.values.items()} == {
        "word": "calm",
        "night": False,
        "logo": "assets/logo.png",
        "extra": None,
    }
    assert (found.record, found.differs) == ({}, {})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("word", "007", "007"),
        ("word", "", ""),
        ("count", "7", 7),
        ("share", "7", 7),
        ("share", "0.50", 0.5),
        ("share", "1e3", 1000.0),
        ("night", "true", True),
        ("night", "false", False),
        ("mood", "wild", "wild"),
    ],
)
def test_a_text_of_a_command_line_is_converted_by_type(desk: Desk, name: str, text: str, value: Any) -> None:
    found = desk.give({name: text})
    assert found.values[name].data == value
    assert type(found.values[name].data) is type(value)
    assert found.record == {name: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("count", "7.5"),
        ("count", "seven"),
        ("count", "1_0"),
        ("count", " 7"),
        ("count", "٧"),
        ("count", "0"),
        ("count", "10"),
        ("count", "12345678901234567890"),
        ("share", "nan"),
        ("share", "inf"),
        ("share", "1e400"),
        ("night", "yes"),
        ("night", "1"),
        ("mood", "loud"),
        ("logo", "/nonexistent/x.png"),
    ],
)
def test_a_text_that_does_not_fit_is_told_with_where_it_is_declared(desk: Desk, name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"input {name}"):
        desk.give({name: text})


def test_an_unknown_input_gets_the_nearest_name(desk: Desk) -> None:
    with pytest.raises(UsageError) as caught:
        desk.give({"wrod": "x"})
    assert (caught.value.message, caught.value.hint) == ("shows/show.yaml has no input wrod", "did you mean word?")
    with pytest.raises(UsageError):
        desk.give(file=desk.file("wrod: x"))


def test_a_program_may_give_values_themselves(desk: Desk) -> None:
    assert desk.give({"count": 7, "night": True}).record == {"count": 7, "night": True}
    with pytest.raises(UsageError):
        desk.give({"count": [7]})


# Who is asked first


def test_a_command_line_goes_before_a_file_and_a_file_before_the_lock_and_the_lock_before_a_default(desk: Desk) -> None:
    file = desk.file("word: filed\ncount: 2\n")
    locked = {"word": "locked", "count": 3, "mood": "wild"}
    found = desk.give({"word": "told"}, file=file, locked=locked)
    assert {name: found.values[name].data for name in ("word", "count", "mood", "night")} == {
        "word": "told",
        "count": 2,
        "mood": "wild",
        "night": False,
    }
    assert found.record == {"word": "told", "count": 2, "mood": "wild"}


def test_what_a_pipeline_no_longer_declares_is_forgotten(desk: Desk) -> None:
    assert desk.give(locked={"gone": 1, "word": "x"}).record == {"word": "x"}


def test_a_locked_value_that_no_longer_fits_is_told(desk: Desk) -> None:
    with pytest.raises(UsageError, match="input count"):
        desk.give(locked={"count": 99})


# Images


def test_an_image_of_a_command_line_is_relative_to_the_working_directory(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.root / "shows")
    found = desk.give({"logo": "other.png"})
    assert (found.values["logo"].path, found.record["logo"]) == ("shows/other.png", "shows/other.png")


def test_an_image_of_a_file_is_relative_to_that_file(desk: Desk) -> None:
    assert desk.give(file=desk.file("logo: other.png")).record == {"logo": "shows/other.png"}
    assert desk.give(file=desk.file("logo: ../top.png")).record == {"logo": "top.png"}


def test_an_image_of_the_lock_is_relative_to_the_project(desk: Desk) -> None:
    assert desk.give(locked={"logo": "shows/other.png"}).values["logo"].path == "shows/other.png"


def test_an_image_as_text_is_what_one_would_write_in_the_pipeline(desk: Desk) -> None:
    assert desk.give({"logo": "shows/other.png"}).values["logo"].data == "other.png"
    assert desk.give({"logo": "top.png"}).values["logo"].data == "../top.png"


def test_an_image_from_elsewhere_is_recorded_by_its_digest_and_its_bytes_are_kept(desk: Desk) -> None:
    data = desk.outside.read_bytes()
    found = desk.give({"logo": str(desk.outside)})
    assert found.record == {"logo": f"sha256:{sha256(data)}"}
    assert found.outside == {sha256(data): data}


def test_an_image_from_elsewhere_comes_from_the_store_again(desk: Desk) -> None:
    data = desk.outside.read_bytes()
    desk.objects.put(data)
    image = desk.give(locked={"logo": f"sha256:{sha256(data)}"}).values["logo"].image
    assert not isinstance(image, Link)
    assert image is not None
    assert (image.sha256, image.width) == (sha256(data), 64)


def test_an_image_from_elsewhere_that_is_not_here_is_known_by_its_digest(desk: Desk) -> None:
    image = desk.give(locked={"logo": f"sha256:{'ab' * 32}"}).values["logo"].image
    assert not isinstance(image, Link)
    assert image is not None
    assert (image.sha256, image.width) == ("ab" * 32, 0)


@pytest.mark.parametrize("text", ["https://example.com/a.png", "http://example.com/a.png", "asset:a/b.png"])
def test_a_link_is_a_link(desk: Desk, text: str) -> None:
    found = desk.give({"logo": text})
    assert (found.values["logo"].image, found.record) == (Link(text), {"logo": text})


@pytest.mark.parametrize("text", ["logo: ../../outside.png", "logo: /etc/passwd", "logo: ../.env"])
def test_a_file_of_the_project_names_files_of_the_project(desk: Desk, text: str) -> None:
    with pytest.raises(UsageError):
        desk.give(file=desk.file(text))


@pytest.mark.parametrize("text", ["- a", "word: [a]", "word: {a: b}"])
def test_an_inputs_file_is_a_mapping_of_values(desk: Desk, text: str) -> None:
    with pytest.raises(UsageError):
        desk.give(file=desk.file(text))


def test_an_inputs_file_that_is_not_there_is_told(desk: Desk) -> None:
    with pytest.raises(UsageError, match="--inputs"):
        desk.give(file=desk.root / "nowhere.yaml")


# Links


@pytest.mark.parametrize(
    "named", ["shows/logo.png", "photos/outside.png", "shows/deep/outside.png", "../own.png", "shows/../../own.png"]
)
def test_a_link_of_the_project_does_not_lead_out_of_it(desk: Desk, named: str) -> None:
    """Whoever names it means the project's file; the link may have come with somebody else's change."""
    (desk.root / "shows/logo.png").symlink_to("../../outside.png")
    (desk.root / "photos").symlink_to("..")
    (desk.root / "shows/deep").symlink_to("../photos")
    (desk.root.parent / "own.png").symlink_to(desk.root / "shows/logo.png")
    with pytest.raises(UsageError, match="is a link that leads out of the project"):
        desk.give({"logo": named})
    with pytest.raises(UsageError, match="is a link that leads out of the project"):
        desk.give(file=Path(named))


@pytest.mark.parametrize("named", ["{elsewhere}/own.png", "../own.png", "shows/../../own.png"])
@pytest.mark.parametrize("target", ["outside.png", "{elsewhere}/outside.png"])
def test_a_link_of_ones_own_may_lead_anywhere(desk: Desk, target: str, named: str) -> None:
    elsewhere = desk.root.parent
    (elsewhere / "own.png").symlink_to(target.format(elsewhere=elsewhere))
    found = desk.give({"logo": named.format(elsewhere=elsewhere)})
    assert found.record == {"logo": f"sha256:{sha256(desk.outside.read_bytes())}"}


@pytest.mark.parametrize("named", ["shows/link.png", "{elsewhere}/alias/shows/link.png"])
def test_a_link_that_stays_in_the_project_is_the_file_that_it_leads_to(desk: Desk, named: str) -> None:
    (desk.root / "shows/link.png").symlink_to("assets/logo.png")
    (desk.root.parent / "alias").symlink_to("project")
    assert desk.give({"logo": named.format(elsewhere=desk.root.parent)}).record == {"logo": "shows/assets/logo.png"}


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (".env", "leads to a hidden file"),
        ("key.txt", "leads to a file of another kind"),
        ("lamp.yaml", "not a usable path"),
    ],
)
def test_what_a_link_of_the_project_leads_to_is_not_shown(desk: Desk, target: str, says: str) -> None:
    (desk.root / ".env").write_text("KEY: [sk-secret")
    (desk.root / "key.txt").write_text("KEY: [sk-secret")
    (desk.root / "lamp.yaml").symlink_to(target)
    with pytest.raises(UsageError, match=says) as told:
        desk.give(file=Path("lamp.yaml"))
    assert "secret" not in f"{told.value.message} {told.value.hint}"


def test_an_inputs_file_of_ones_own_is_read_by_way_of_a_link(desk: Desk) -> None:
    (desk.root.parent / "today.yaml").write_text("word: wild")
    (desk.root.parent / "latest").symlink_to("today.yaml")
    assert desk.give(file=desk.root.parent / "latest").record == {"word": "wild"}


# Trials


@pytest.mark.parametrize(
    ("lines", "locked", "differs"),
    [
        ({"word": "calm"}, {}, False),
        ({"word": "wild"}, {}, True),
        ({"word": "wild"}, {"word": "wild"}, False),
        ({"word": "calm"}, {"word": "wild"}, True),
        ({"count": "3"}, {}, False),
        ({"count": "3"}, {"count": 3}, False),
        ({"count": "4"}, {"count": 3}, True),
        ({"logo": "shows/assets/logo.png"}, {}, False),
        ({"logo": "shows/other.png"}, {}, True),
        ({"logo": "shows/other.png"}, {"logo": "shows/other.png"}, False),
        ({"extra": "top.png"}, {}, True),
    ],
)
def test_a_value_that_differs_from_the_lock_or_the_default_is_told_apart(
    desk: Desk, lines: dict[str, str], locked: dict[str, Any], differs: bool
) -> None:
    assert bool(desk.give(lines, locked=locked).differs) is differs


@pytest.mark.parametrize(("text", "differs"), [("shows/other.png", False), ("top.png", True)])
def test_a_value_is_compared_with_the_file_as_it_is_recorded(desk: Desk, text: str, differs: bool) -> None:
    found = desk.give({"logo": text}, file=desk.file("logo: other.png"))
    assert bool(found.differs) is differs


def test_a_file_alone_makes_no_trial(desk: Desk) -> None:
    assert desk.give(file=desk.file("word: wild"), locked={"word": "calm"}).differs == {}
