"""Small pictures beside the lock: one for each cell that is shown, the same bytes always, gone with their cell."""

import io
from pathlib import Path

import pytest
from PIL import Image
from running_cases import Show, fails
from support import Result, cli, picture, project

from flowrunner.digest import sha256
from flowrunner.previews import made_of, preview, shown
from flowrunner.store import durable

STEPS = """\
flowrunner: 1
name: show
previews: 64
axes: {product: [lamp, vase]}
steps:
  small: {across: product, model: image/resize, with: {image: photo.png, width: 100}}
  wide: {across: product, model: image/resize, with: {image: $small, width: 50}}
outputs: {heroes: $small.*}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    picture(tmp_path / "photo.png", (800, 600))
    return project(tmp_path, {"shows/show.yaml": STEPS.replace("photo.png", "../photo.png")})


def run(folder: Path, *words: str) -> Result:
    result = cli("run", "shows/show.yaml", *words, cwd=folder)
    assert result.exit_code in (0, 4), result.out + result.err
    return result


def write(folder: Path, before: str, after: str) -> None:
    path = folder / "shows" / "show.yaml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def files(folder: Path) -> list[str]:
    base = folder / "shows" / "show.previews"
    return sorted(path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file())


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def test_each_cell_of_an_output_has_one_beside_the_lock(folder: Path) -> None:
    assert run(folder).out.endswith("next  git add shows/show.lock.yaml shows/show.previews\n")
    assert files(folder) == ["small/lamp.webp", "small/vase.webp"]
    image = opened(folder / "shows/show.previews/small/lamp.webp")
    assert (image.format, image.size) == ("WEBP", (64, 48))


def test_the_names_of_new_folders_are_made_durable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(durable, "sync_folder", synced.append)
    run(folder)
    assert {folder / "shows", folder / "shows/show.previews"} <= set(synced)


def test_without_outputs_each_cell_has_one(folder: Path) -> None:
    write(folder, "outputs: {heroes: $small.*}\n", "")
    run(folder)
    assert files(folder) == ["small/lamp.webp", "small/vase.webp", "wide/lamp.webp", "wide/vase.webp"]


def test_nothing_is_written_again_where_nothing_changed(folder: Path) -> None:
    run(folder)
    path = folder / "shows/show.previews/small/lamp.webp"
    before = path.stat()
    assert "git add" not in run(folder).out
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    path.unlink()
    assert run(folder).out.endswith("next  git add shows/show.previews\n")
    assert path.stat().st_size == before.st_size


def test_one_that_another_encoder_wrote_of_the_same_picture_stays(folder: Path) -> None:
    run(folder)
    path = folder / "shows/show.previews/small/lamp.webp"
    image = opened(path)
    image.save(path, "WEBP", quality=10, xmp=image.info["xmp"])
    other = path.read_bytes()
    run(folder)
    assert path.read_bytes() == other


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [("width: 100", "width: 101", True), ("previews: 64", "previews: 72", True), ("width: 50", "width: 51", False)],
)
def test_one_changes_with_its_picture_or_its_size(folder: Path, before: str, after: str, changed: bool) -> None:
    run(folder)
    path = folder / "shows/show.previews/small/lamp.webp"
    old = path.read_bytes()
    write(folder, before, after)
    run(folder)
    assert (path.read_bytes() != old) is changed


def test_they_go_with_their_cells_and_what_is_not_ours_stays(folder: Path) -> None:
    run(folder)
    own = folder / "shows/show.previews/own.webp"
    Image.new("RGB", (8, 8)).save(own)
    write(folder, "[lamp, vase]", "[lamp]")
    run(folder)
    assert files(folder) == ["own.webp", "small/lamp.webp"]
    own.unlink()
    write(folder, "previews: 64\n", "")
    run(folder)
    assert not (folder / "shows/show.previews").exists()


def test_a_run_of_some_cells_leaves_the_others_alone(folder: Path) -> None:
    run(folder)
    write(folder, "width: 100", "width: 90")
    old = (folder / "shows/show.previews/small/vase.webp").read_bytes()
    run(folder, "--only", "small/lamp")
    assert (folder / "shows/show.previews/small/vase.webp").read_bytes() == old
    assert opened(folder / "shows/show.previews/small/lamp.webp").size == (64, 48)
    assert len(files(folder)) == 2


def test_one_shows_the_picked_picture_and_none_while_nobody_has_picked(folder: Path) -> None:
    write(folder, "width: 100}", "width: 100}, pick: human")
    assert run(folder).exit_code == 4
    assert files(folder) == []
    cli("pick", "shows/show.yaml", "small/lamp", "1", cwd=folder)
    assert files(folder) == ["small/lamp.webp"]
    cli("pick", "shows/show.yaml", "small/lamp", "none", cwd=folder)
    assert files(folder) == []


def test_a_cell_that_fails_keeps_what_it_had_and_one_that_is_left_out_does_not() -> None:
    step = "{model: blackforestlabs/flux-2-pro, with: {prompt: x}"
    show = Show(f"steps: {{a: {step}}}, b: {step}, when: false}}}}")
    made = shown(show.run())
    assert (made["a"] is not None, made["b"]) == (True, None)
    show.write(f"steps: {{a: {step.replace('prompt: x', 'prompt: y')}}}}}")
    show.answer = fails
    assert shown(show.run()) == {}


@pytest.mark.slow
def test_those_of_simulated_runs_lie_with_their_locks(folder: Path) -> None:
    run(folder, "--simulate")
    assert files(folder) == []
    assert len(list((folder / ".flowrunner/simulated/shows/show.previews").rglob("*.webp"))) == 2


@pytest.mark.slow
def test_a_fresh_clone_without_pictures_keeps_them(folder: Path) -> None:
    import shutil

    run(folder)
    shutil.rmtree(folder / ".flowrunner")
    before = [(folder / "shows/show.previews" / name).read_bytes() for name in files(folder)]
    run(folder)
    assert [(folder / "shows/show.previews" / name).read_bytes() for name in files(folder)] == before


@pytest.mark.slow
def test_no_link_leads_them_out_of_the_project(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for place in ("show.previews", "show.previews/small"):
        link = folder / "shows" / place
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(elsewhere)
        run(folder)
        link.unlink()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("place", ["show.previews", "show.previews/small"])
def test_those_to_which_a_link_leads_out_of_the_project_stay(folder: Path, tmp_path: Path, place: str) -> None:
    run(folder)
    link, elsewhere = folder / "shows" / place, tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    link.rename(elsewhere)
    link.symlink_to(elsewhere)
    write(folder, "previews: 64\n", "")
    run(folder)
    assert len(list(elsewhere.rglob("*.webp"))) == 2


def test_transparency_and_small_pictures_stay_as_they_are() -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (40, 300), (10, 20, 30, 0)).save(stream, "PNG")
    digest = sha256(stream.getvalue())
    made = preview(stream.getvalue(), 64, digest)
    assert (made, made_of(made)) == (preview(stream.getvalue(), 64, digest), digest)
    image = Image.open(io.BytesIO(made))
    assert (image.mode, image.size) == ("RGBA", (9, 64))
    assert Image.open(io.BytesIO(preview(stream.getvalue(), 512, digest))).size == (40, 300)


def test_what_is_no_preview_names_no_picture() -> None:
    assert (made_of(b""), made_of(b'dc:source="sha256:' + b"a" * 64 + b'"')) == ("", "")
