import base64
import errno
import hashlib
import re
import shutil
from pathlib import Path

import pytest
from report_pages import LABELLED, RECIPE, made, outline, page_of, report
from support import cli, golden, picture, project
from wire import Wire

MANY = """\
flowrunner: 1
provider: aimlapi
axes: {side: [a, b, c]}
steps:
  one: {across: side, model: blackforestlabs/flux-2, with: {prompt: A cup, image_size: {width: 512, height: 512}}}
  all: {model: image/contact-sheet, with: {images: $one.*}}
"""
GOLDEN = Path(__file__).parent / "golden"


def test_a_page_says_what_is_done_what_waits_and_what_the_rest_would_cost(folder: Path) -> None:
    golden(GOLDEN / "page.txt", outline(page_of(folder, "--simulate")))


def test_whoever_refused_all_candidates_is_not_asked_again(folder: Path) -> None:
    refused = cli("pick", "spring.yaml", "scene/vase", "none", "--simulate", cwd=folder)
    assert refused.exit_code == 0
    text = outline(page_of(folder, "--simulate"))
    assert "of 1 picture no candidate would do; then 3 more would be rendered" in text
    assert "\n## Choices\n" in text
    assert "to choose" not in text
    assert "\n2 choices already made\n" in text


def test_before_the_first_run_a_page_is_a_storyboard_with_prices(folder: Path) -> None:
    golden(GOLDEN / "storyboard.txt", outline(page_of(folder)))


def test_the_same_state_gives_the_same_bytes(folder: Path) -> None:
    assert page_of(folder, "--simulate") == page_of(folder, "--simulate")


def test_a_page_allows_its_own_style_and_script_and_nothing_else(folder: Path) -> None:
    page = page_of(folder)
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    for kind, source in re.findall(r"<(style|script)>(.*?)</\1>", page, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{kind}-src &#x27;sha256-{digest}&#x27;" in policy
    assert policy.startswith("default-src &#x27;none&#x27;; img-src data:;")
    assert not re.search(r"""\s(style|on\w+)=|(?:src|href)="(?!#|data:image/webp;base64,)""", page)


def test_where_no_scripts_run_every_picture_is_there_and_the_choices_are_told_by_word(folder: Path) -> None:
    page = page_of(folder, "--simulate")
    assert "data-same=" in page
    assert re.findall(r"<img(?![^>]* src=)[^>]*>", page) == []
    assert '<noscript><p class="lead">No scripts run here' in page


def test_text_from_outside_is_text(tmp_path: Path, wire: Wire) -> None:
    nasty = '</script><img src=x onerror=alert(1)>\\u202e"<!--size-->'
    recipe = RECIPE.replace("name: spring", f"name: '{nasty}'").replace("Extend it", nasty.replace('"', ""))
    recipe = recipe.replace("A person chooses.", f"'{nasty}'")
    page = page_of(made(tmp_path, recipe.replace("'\\u202e'", "x"), picks=""))
    assert "onerror=alert(1)&gt;" in page
    assert "<img src=x" not in page
    assert page.count("<script>") == page.count("</script>") == 1


def test_pictures_that_are_not_here_are_told_with_size_and_digest(folder: Path) -> None:
    shutil.rmtree(folder / ".flowrunner" / "objects")
    text = outline(page_of(folder, "--simulate"))
    assert "Not on this machine\n512 × 512, abcdef" in text
    assert "[picture: Given: lamp.png]" in text


def test_a_changed_recipe_shows_what_was_there_and_what_would_be_paid(folder: Path) -> None:
    (folder / "spring.yaml").write_text(RECIPE.replace("Extend it", "Extend it to the left"))
    text = outline(page_of(folder, "--simulate"))
    assert "1 picture waits for a choice" in text
    assert "[picture: lamp · square as it was]\nWould be rendered\nsimulated $0.026" in text
    assert "prompt: + to the left (spring.yaml:25)" in text


def test_of_a_changed_request_every_change_is_told(folder: Path) -> None:
    picture(folder / "lamp.png", (64, 64), "#2244cc")
    (folder / "spring.yaml").write_text(RECIPE.replace("Morning light", "Evening light").replace("seed: 1", "seed: 2"))
    page = page_of(folder, "--simulate")
    (place,) = re.findall(r">image_urls\[0\]: picture \w{6} → lamp\.png \(\w{6}\) \((.{1,20})\), and 2 more<", page)
    assert place == "spring.yaml:19"
    told = outline(page[page.index('<dialog id="picture/scene/lamp"') :].partition("</dialog>")[0] + "</dialog>")
    changes = told.partition("Changed since\n")[2].splitlines()[1:3]
    assert changes == ["prompt: Morning → Evening (spring.yaml:18)", "seed: 1 → 2 (spring.yaml:21)"]


def test_why_the_last_run_gave_no_picture_is_told(tmp_path: Path, wire: Wire) -> None:
    from wire import error

    wire.coming.extend([error(400, "the prompt is refused")] * 4)
    text = outline(page_of(made(tmp_path, picks=""), "--simulate"))
    assert "the last run: " in text
    assert "the prompt is refused" in text


def test_what_is_left_out_for_what_failed_says_so(tmp_path: Path) -> None:
    text = outline(page_of(made(tmp_path, LABELLED, picks=""), "--simulate"))
    assert "last\nimage/resize · free, made on this machine\nLeft out\nlabel fails its checks\n" in text


def test_what_waits_for_several_others_is_told_in_the_plural(tmp_path: Path) -> None:
    text = outline(page_of(project(tmp_path, {"spring.yaml": MANY}), "--simulate"))
    assert "once one/a and one/b and 1 more are done" in text


def test_what_is_left_out_is_counted_as_no_picture(tmp_path: Path) -> None:
    recipe = RECIPE.replace(
        "model: blackforestlabs/flux-2-edit\n", "model: blackforestlabs/flux-2-edit\n    when: WHEN\n"
    )
    recipe = recipe.replace("WHEN", "axis.size.px.width == 512")
    text = outline(page_of(made(tmp_path, recipe, picks="scene/lamp 1\nscene/vase 1\n"), "--simulate"))
    assert "flux-2-edit · 2 pictures · 2 left out · " in text
    assert re.search(r"\nIn all\n5\n", text)
    assert "still to come" not in text


def test_what_is_left_out_says_why_and_has_the_shape_of_the_others(tmp_path: Path) -> None:
    wide = LABELLED.replace("name: label\n", "name: label\naxes: {of: [a, b]}\n").replace(
        "  card: {model", "  card: {across: of, when: axis.of == 'a', model"
    )
    wide = f"{wide[: wide.index('  label:')]}  last: {{model: image/contact-sheet, with: {{images: $card.*}}}}\n"
    page = page_of(made(tmp_path, wide, picks=""), "--simulate")
    assert "when: axis.of == 'a' is false" in outline(page)
    assert 'viewBox="0 0 200 100"' in page
    assert 'viewBox="0 0 4 3"' not in page


def test_a_small_page_is_told_in_kilobytes(folder: Path) -> None:
    said = report(folder).out
    size = (folder / "page.html").stat().st_size
    assert size < 100_000
    assert said == f"report  page.html  {size / 1000:.0f} kB\n"


def test_several_recipes_share_a_page_and_no_anchor(folder: Path) -> None:
    (folder / "summer.yaml").write_text(RECIPE.replace("name: spring", "name: summer"))
    result = cli("report", ".", "--simulate", cwd=folder)
    assert (result.exit_code, result.out.split()[:2]) == (0, ["report", "outputs/simulated/report.html"])
    page = (folder / "outputs" / "simulated" / "report.html").read_text()
    names = re.findall(r'\sid="([^"]*)"', page)
    assert len(names) == len(set(names))
    assert {*re.findall(r'(?:href="#|same="|labelledby="|large=")([^"]*)"', page)} <= {*names}


def test_a_simulated_page_of_a_folder_does_not_take_the_place_of_the_real_one(folder: Path) -> None:
    cli("report", ".", cwd=folder)
    real = (folder / "outputs" / "report.html").read_bytes()
    cli("report", ".", "--simulate", cwd=folder)
    assert (folder / "outputs" / "report.html").read_bytes() == real


def test_beside_the_pictures_the_page_survives_the_next_run(folder: Path) -> None:
    result = cli("report", "spring.yaml", "--simulate", cwd=folder)
    assert result.out.startswith("report  outputs/simulated/spring/report.html  ")
    cli("run", "spring.yaml", "--simulate", cwd=folder)
    assert (folder / "outputs/simulated/spring/report.html").is_file()


def test_machines_get_the_plan_with_what_came_of_it(folder: Path) -> None:
    found = report(folder, "--simulate", "--format", "json").json
    assert found["report"] == "page.html"
    cell = next(cell for cell in found["cells"] if cell["cell"] == "scene/lamp")
    assert (cell["standing"], [image["picked"] for image in cell["images"]]) == ("done", [False, True])
    assert (cell["pick"]["why"], cell["texts"][0]["line"], cell["parents"][0]["file"]) == ("the shade", 16, "lamp.png")


def test_a_recipe_that_is_not_valid_is_told_and_the_others_are_shown(folder: Path) -> None:
    (folder / "broken.yaml").write_text("flowrunner: 1\nsteps: {a: {model: none}}\n")
    result = cli("report", ".", cwd=folder)
    assert result.exit_code == 2
    assert "broken.yaml" in result.err
    assert "spring" in (folder / "outputs" / "report.html").read_text()


def test_a_page_that_cannot_be_written_is_told_in_a_sentence(folder: Path) -> None:
    (folder / "file").touch()
    result = cli("report", "spring.yaml", "-o", "file/page.html", cwd=folder)
    assert result.exit_code == 1
    assert result.err.startswith("error: file/page.html cannot be written: ")


def test_where_the_page_may_not_be_written_another_file_is_suggested(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr("flowrunner.store.durable.replace", refused)
    result = cli("report", "spring.yaml", "-o", "page.html", cwd=folder)
    assert result.exit_code == 1
    assert result.err.endswith("= give the user who runs flowrunner access to it, or name another file with -o\n")


def test_the_page_opens_in_the_browser(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    report(folder, "--open")
    assert opened == [(folder / "page.html").as_uri()]


def test_a_picture_with_transparency_lies_on_a_pattern(tmp_path: Path, wire: Wire) -> None:
    from PIL import Image

    project(
        tmp_path, {"spring.yaml": "flowrunner: 1\nsteps: {a: {model: image/resize, with: {image: a.png, width: 9}}}\n"}
    )
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    assert 'class="see-through"' in page_of(tmp_path)


def test_a_clone_without_the_pictures_shows_the_previews_beside_the_lock(tmp_path: Path, wire: Wire) -> None:
    folder = made(tmp_path, RECIPE.replace("axes:", "previews: 64\naxes:", 1))
    shutil.rmtree(folder / ".flowrunner" / "objects")
    text = outline(page_of(folder, "--simulate"))
    assert "[picture: frame, lamp · square: Extend it]\nlamp · square\npreview\n" in text


def test_checks_are_told_with_what_was_measured_and_a_heat_map(tmp_path: Path) -> None:
    text = outline(page_of(made(tmp_path, LABELLED, picks=""), "--simulate"))
    assert "1 picture fails its checks." in text
    assert "label\nfails its checks\nClose" in text
    assert "size holds\n200x100, asked for 200x100\nnot_flat holds" in text
    assert "max_bytes warns" in text
    assert "of the pixels outside differ, at most 0 %\n[picture: Heat map of unchanged_outside]" in text


@pytest.mark.slow
def test_all_examples_fit_on_one_page_before_their_first_run(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    shutil.copytree(root / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns("*.lock.yaml"))
    (tmp_path / "flowrunner.toml").touch()
    result = cli("report", "pipelines", "-o", "page.html", cwd=tmp_path)
    assert result.exit_code == 0, result.err
    page = (tmp_path / "page.html").read_text()
    text = outline(page)
    assert all(f"# {path.stem}" in text for path in (tmp_path / "pipelines").glob("*.yaml"))
    names = re.findall(r'\sid="([^"]*)"', page)
    assert len(names) == len(set(names))
    assert {*re.findall(r'href="#([^"]*)"', page)} <= {*names}


def test_what_was_paid_is_told_to_the_last_digit_and_what_no_reply_tells_is_counted(tmp_path: Path) -> None:
    recipe = """\
    flowrunner: 1
    name: spring
    provider: aimlapi
    steps:
      told: {model: blackforestlabs/flux-2-pro, with: {prompt: A T-Rex}}
      untold: {provider: onemin, model: black-forest-labs/flux-2-pro/generate, with: {prompt: A T-Rex}}
    """
    text = outline(page_of(made(tmp_path, recipe, picks=""), "--simulate"))
    assert "\nsimulated\n$0.031500, 1 not told\n" in text
    assert " · simulated, how much was not told\n" in text
    assert "\nIn all\n2\n$0.031500, 1 not told\n" in text
