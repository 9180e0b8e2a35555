"""Results under readable names."""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from running_cases import BYTES, Show, fails, gives
from written import CATALOG, PHOTO, Memory, graph

from flowrunner.artifact import Artifact
from flowrunner.call import Outcome
from flowrunner.digest import sha256
from flowrunner.ended import CellResult
from flowrunner.errors import StoreError
from flowrunner.graph import draw
from flowrunner.imagehead import artifact
from flowrunner.images import Missing
from flowrunner.imaging.picture import decode, pixels
from flowrunner.loading import read as read_pipeline
from flowrunner.loading.scope import Scope
from flowrunner.publish import Published, Publisher, check_outputs
from flowrunner.xmp import SourceType, origin

PRO, EDIT = "blackforestlabs/flux-2-pro", "blackforestlabs/flux-2-edit"
AXES = "axes: {p: [Brass Lamp, vase], s: [small]}\n"


def pro(more: str = "", prompt: str = "x") -> str:
    return f"{{model: {PRO}, with: {{prompt: {prompt}}}{more}}}"


class Shelf:
    """A project's folder in which the results of shows are published."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.gone: set[str] = set()
        self.read_count = 0

    def publish(self, show: Show, results: Mapping[str, CellResult] | None = None, **options: Any) -> Published:
        making = show.planner()
        publisher = Publisher(
            root=self.root,
            folder=self.root / "outputs" / "show",
            read=self.bytes_of,
            given=making.binder.given,
            manifest=self.root / ".flowrunner" / "published.json",
        )
        found = show.run() if results is None else results
        return publisher.publish(making.graph, found, **{"whole": True, **options})

    def bytes_of(self, image: Artifact) -> bytes:
        self.read_count += 1
        if image.sha256 in self.gone:
            raise Missing("not here")
        return {**BYTES, sha256(PHOTO): PHOTO}[image.sha256]

    @property
    def files(self) -> list[str]:
        folder = self.root / "outputs" / "show"
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        return (self.root / "outputs" / "show" / name).read_bytes()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


# What lies there already


def test_a_file_that_was_changed_at_once_is_made_again(shelf: Shelf) -> None:
    show = Show(f"steps: {{a: {pro()}}}")
    shelf.publish(show)
    path = shelf.root / "outputs" / "show" / "a.png"
    data = path.read_bytes()
    with path.open("r+b") as file:  # as long as it was, in the same place, before any clock ticks
        file.write(b"changed!")
    shelf.publish(show)
    assert path.read_bytes() == data


def test_what_somebody_put_there_just_now_is_looked_at_once_more(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    show = Show(f"steps: {{a: {pro()}}}")
    shelf.publish(show)
    path = shelf.root / "outputs" / "show" / "a.png"
    path.write_bytes(path.read_bytes())
    shelf.read_count = 0
    shelf.publish(show)
    shelf.publish(show)
    assert shelf.read_count == 2
    os.utime(path, ns=(0, 10**18))
    shelf.publish(show)
    shelf.publish(show)
    assert shelf.read_count == 3


def test_nothing_is_read_where_nothing_changed(shelf: Shelf) -> None:
    show = Show(f"{AXES}steps: {{a: {pro()}, b: {pro(', across: [p, s]')}}}\noutputs: {{all: $b.*}}")
    shelf.publish(show)
    shelf.read_count = 0
    shelf.publish(show)
    assert shelf.read_count == 0


# Names


def test_a_cell_is_published_under_its_id(shelf: Shelf) -> None:
    show = Show(f"{AXES}steps: {{a: {pro()}, b: {pro(', across: [p, s]')}}}")
    done = shelf.publish(show)
    assert shelf.files == ["a.png", "b/brass-lamp/small.png", "b/vase/small.png"]
    assert done.candidates["b/vase/small"] == ["outputs/show/b/vase/small.png"]
    assert done.picked["a"] == "outputs/show/a.png"


def test_several_candidates_stand_beside_the_picked_one(shelf: Shelf) -> None:
    show = Show(f"steps: {{a: {pro(', variants: 3, pick: 2')}}}")
    done = shelf.publish(show)
    assert shelf.files == ["a.1.png", "a.2.png", "a.3.png", "a.png"]
    assert shelf.read("a.png") == shelf.read("a.2.png")
    assert done.candidates["a"] == [f"outputs/show/a.{n}.png" for n in (1, 2, 3)]


def test_an_open_choice_has_a_sheet_and_no_picked_image(shelf: Shelf) -> None:
    show = Show(f"steps: {{a: {pro(', variants: 2, pick: human')}}}")
    done = shelf.publish(show)
    assert shelf.files == ["a.1.png", "a.2.png", "a/candidates.png"]
    assert (done.picked, done.sheets) == ({}, {"a": "outputs/show/a/candidates.png"})
    assert Image.open(io.BytesIO(shelf.read("a/candidates.png"))).size > (64, 48)


def test_an_approval_of_one_picture_has_a_sheet_too(shelf: Shelf) -> None:
    done = shelf.publish(Show(f"steps: {{a: {pro(', pick: human')}}}"))
    assert shelf.files == ["a.png", "a/candidates.png"]
    assert done.picked == {}


def test_a_failed_sample_leaves_its_number_out(shelf: Shelf) -> None:
    show = Show(f"steps: {{a: {pro(', variants: 3, pick: human')}}}")
    show.answer = lambda job: fails(job) if job.sample == 2 else gives(job)
    done = shelf.publish(show)
    assert shelf.files == ["a.1.png", "a.3.png", "a/candidates.png"]
    assert done.candidates["a"][1] == ""


@pytest.mark.parametrize(
    ("output", "files"),
    [
        ("{best: $a}", ["best.png"]),
        ("{best: $a.2}", ["best.png"]),
        ("{all: $a.images}", ["all/a.1.png", "all/a.2.png"]),
        ("{set: $b.*}", ["set/b/brass-lamp.png", "set/b/vase.png"]),
        ("{set: {from: $b.*, as: '{{ axis.p.id }}.png'}}", ["set/Brass Lamp.png", "set/vase.png"]),
        ("{set: {from: $b.*, as: 'x/{{ axis.p | lower }}'}}", ["set/x/brass lamp.png", "set/x/vase.png"]),
        ("{one: {from: $a, as: final.png}}", ["one/final.png"]),
        ("{all: {from: $a.images, as: shot.png}}", ["all/shot.1.png", "all/shot.2.png"]),
    ],
)
def test_an_output_has_its_own_names(shelf: Shelf, output: str, files: list[str]) -> None:
    show = Show(f"{AXES}steps: {{a: {pro(', variants: 2')}, b: {pro(', across: p', 'z')}}}\noutputs: {output}")
    done = shelf.publish(show)
    cells = {"a.1.png", "a.2.png", "a.png", "b/brass-lamp.png", "b/vase.png"}
    assert sorted(set(shelf.files) - cells) == files
    assert [path.removeprefix("outputs/show/") for path in next(iter(done.outputs.values()))] == files


def test_an_output_holds_what_else_hands_on(shelf: Shelf) -> None:
    when = ", across: p, when: \"axis.p == 'vase'\", else: $inputs.logo"
    head = f"{AXES}inputs: {{logo: {{type: image, default: photo.png}}}}\n"
    shelf.publish(Show(f"{head}steps: {{a: {pro(when)}}}\noutputs: {{o: $a.*}}"))
    assert shelf.read("o/a/brass-lamp.png") == PHOTO
    assert pixels(decode(shelf.read("o/a/vase.png"))) == pixels(decode(shelf.read("a/vase.png")))


@pytest.mark.parametrize(
    ("ending", "fits"), [("png", True), ("PNG", True), ("jpg", False), ("webp", False), ("tiff", False)]
)
def test_an_ending_that_does_not_fit_fails_the_publishing_of_that_file(shelf: Shelf, ending: str, fits: bool) -> None:
    show = Show(f"steps: {{a: {pro()}}}\noutputs: {{o: {{from: $a, as: x.{ending}}}, p: $a}}")
    done = shelf.publish(show)
    assert done.outputs["p"] == ["outputs/show/p.png"]
    assert (done.outputs["o"] == [f"outputs/show/o/x.{ending}"]) is fits
    assert bool(done.failures) is not fits


# Bytes


def test_an_output_says_what_made_it_and_the_copy_beside_its_cell_is_as_stored(shelf: Shelf) -> None:
    show = Show(f"steps: {{a: {pro()}}}\noutputs: {{o: $a}}")
    (made,) = show.run()["a"].candidates
    shelf.publish(show)
    said = origin(shelf.read("o.png"))
    assert said is not None
    assert (said.model, said.source) == (PRO, SourceType.TRAINED)
    assert made is not None
    assert shelf.read("a.png") == BYTES[made.sha256]
    assert origin(shelf.read("a.png")) is None


def test_missing_copies_are_left_out_and_counted(shelf: Shelf) -> None:
    show = Show(f"steps: {{a: {pro(', variants: 2')}}}")
    results = show.run()
    shelf.gone = {image.sha256 for image in results["a"].candidates[:1] if image}
    done = shelf.publish(show, results)
    assert shelf.files == ["a.2.png"]
    assert done.left_out == 2


def test_a_second_publishing_writes_nothing(shelf: Shelf) -> None:
    show = Show(f"steps: {{a: {pro(', variants: 2, pick: human')}}}\noutputs: {{o: $a.images}}")
    first = shelf.publish(show)
    stamps = {name: (shelf.root / "outputs/show" / name).stat().st_mtime_ns for name in shelf.files}
    assert shelf.publish(show) == first
    assert stamps == {name: (shelf.root / "outputs/show" / name).stat().st_mtime_ns for name in shelf.files}


def test_a_file_that_somebody_changed_is_made_anew(shelf: Shelf) -> None:
    show = Show(f"steps: {{a: {pro()}}}")
    shelf.publish(show)
    path = shelf.root / "outputs/show/a.png"
    good = path.read_bytes()
    path.write_bytes(b"scribble")
    shelf.publish(show)
    assert path.read_bytes() == good


def test_what_nothing_makes_any_more_goes_with_its_empty_folders(shelf: Shelf) -> None:
    shelf.publish(Show(f"{AXES}steps: {{a: {pro()}, b: {pro(', across: p')}}}"))
    shelf.publish(Show(f"steps: {{c: {pro()}}}"))
    assert shelf.files == ["c.png"]
    assert not (shelf.root / "outputs/show/b").exists()


def test_what_somebody_changed_or_put_there_stays(shelf: Shelf) -> None:
    shelf.publish(Show(f"steps: {{a: {pro()}, b: {pro(prompt='z')}}}"))
    (shelf.root / "outputs/show/a.png").write_bytes(b"mine now")
    (shelf.root / "outputs/show/notes.txt").write_bytes(b"mine")
    shelf.publish(Show(f"steps: {{c: {pro()}}}"))
    assert shelf.files == ["a.png", "c.png", "notes.txt"]


def test_a_run_of_some_cells_removes_nothing(shelf: Shelf) -> None:
    show = Show(f"steps: {{a: {pro()}, b: {pro(prompt='z')}}}")
    shelf.publish(show)
    shelf.publish(show, show.run(only=["a"]), whole=False)
    assert shelf.files == ["a.png", "b.png"]


@pytest.mark.parametrize("link", ["outputs", "outputs/show", "outputs/show/b"])
def test_a_link_does_not_lead_results_out_of_the_project(tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shelf = Shelf(tmp_path / "project")
    place = shelf.root / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    done = shelf.publish(Show(f"{AXES}steps: {{b: {pro(', across: p')}}}\noutputs: {{o: $b.*}}"))
    assert list(outside.rglob("*")) == []
    assert done.failures


def plant(shelf: Shelf, *places: str) -> None:
    """A manifest that came with the repository, and says that the victim was written at these places."""
    note = shelf.root / ".flowrunner" / "published.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({place: [sha256(b"theirs"), "", 1] for place in places}))


@pytest.mark.parametrize("place", ["{victim}", "../../../victim.txt", "link/victim.txt", "x/../link/victim.txt"])
def test_a_planted_manifest_removes_nothing_outside_of_the_folder(tmp_path: Path, place: str) -> None:
    shelf = Shelf(tmp_path / "project")
    victim = tmp_path / "victim.txt"
    victim.write_bytes(b"theirs")
    (shelf.root / "outputs/show").mkdir(parents=True)
    (shelf.root / "outputs/show/link").symlink_to(tmp_path)
    plant(shelf, place.format(victim=victim))
    shelf.publish(Show(f"steps: {{a: {pro()}}}"))
    assert victim.read_bytes() == b"theirs"


def test_a_planted_manifest_removes_nothing_elsewhere_in_the_project(shelf: Shelf) -> None:
    (shelf.root / "outputs/show").mkdir(parents=True)
    (shelf.root / "outputs/show/link").symlink_to(shelf.root)
    (shelf.root / "source.txt").write_bytes(b"theirs")
    plant(shelf, "link/source.txt", f"{shelf.root}/source.txt", "../../source.txt")
    shelf.publish(Show(f"steps: {{a: {pro()}}}"))
    assert (shelf.root / "source.txt").read_bytes() == b"theirs"


@pytest.mark.parametrize("place", ["", ".", "/", "\0", "a\0/b", "\ud800", "x" * 5000, "ring/x"])
def test_a_planted_manifest_may_name_what_is_no_place(shelf: Shelf, place: str) -> None:
    (shelf.root / "outputs/show").mkdir(parents=True)
    (shelf.root / "outputs/show/ring").symlink_to("ring")
    plant(shelf, place)
    assert shelf.publish(Show(f"steps: {{a: {pro()}}}")).failures == []
    assert shelf.files == ["a.png"]


def test_a_link_does_not_lead_the_manifest_out_of_the_project(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shelf = Shelf(tmp_path / "project")
    shelf.root.mkdir()
    (shelf.root / ".flowrunner").symlink_to(outside)
    with pytest.raises(StoreError, match="leads out of"):
        shelf.publish(Show(f"steps: {{a: {pro()}}}"))
    assert list(outside.iterdir()) == []


def test_a_type_decides_the_ending(shelf: Shelf) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "jpeg")
    made = artifact(stream.getvalue())
    BYTES[made.sha256] = stream.getvalue()
    show = Show(f"steps: {{a: {pro()}}}\noutputs: {{o: $a}}")
    show.answer = lambda job: Outcome(key=job.call.key, artifacts=(made,), paid=1)
    shelf.publish(show)
    assert shelf.files == ["a.jpg", "o.jpg"]


# What is known before


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("{from: $b.*, as: same.png}", "would be written by b/brass-lamp and by b/vase"),
        ("{from: $b.*, as: '{{ axis.p[0:1] }}'}", ""),
        ("{from: $b.*, as: '../{{ axis.p }}.png'}", "leaves the folder"),
        ("{from: $b.*, as: '/{{ axis.p }}.png'}", "leaves the folder"),
        ("{from: $b.*, as: '~{{ axis.p }}.png'}", "leaves the folder"),
        ("{from: $a, as: '..'}", "leaves the folder"),
        ("{from: $a, as: '.'}", "leaves the folder"),
        ("{from: $a, as: ' '}", "leaves the folder"),
        ("{from: $a, as: 'a:b.png'}", "cannot be a file name everywhere"),
        ('{from: $a, as: "a\\tb.png"}', "cannot be a file name everywhere"),
        (f"{{from: $a, as: '{'x' * 201}.png'}}", "longer than 200 bytes"),
        ("{from: $b.*, as: '{{ \"x.png\" if axis.p == \"vase\" else \"x.png/y.png\" }}'}", "would be written by"),
        ("{from: $b.*, as: '{{ \"X.png\" if axis.p == \"vase\" else \"x.png\" }}'}", "would be written by"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_is_told_before_anything_runs(output: str, words: str) -> None:
    text = f"flowrunner: 1\n{AXES}steps: {{a: {pro()}, b: {pro(', across: p')}}}\noutputs: {{o: {output}}}"
    pipeline, problems = read_pipeline(Memory({"show.yaml": text}), "show.yaml")
    drawn, more = draw(pipeline, Scope(pipeline, {}), CATALOG)
    found = [*problems, *more, *check_outputs(drawn)]
    assert len(found) == 1
    assert words in found[0].message


def test_two_outputs_may_use_the_same_names() -> None:
    outputs = "{x: $b.*, y: $b.*, z: {from: $b.*, as: 'a/{{ axis.p }}'}}"
    found = graph(f"{AXES}steps: {{b: {pro(', across: p')}}}\noutputs: {outputs}")
    assert check_outputs(found) == []
