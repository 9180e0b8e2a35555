"""`diff` in real repositories: what a reviewer and an engineer read, what machines get."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from diff_cases import Studio
from shapes import DIFF, fits, several
from support import cli, environment, golden, picture, project

from flowrunner.diffing import diff
from flowrunner.digest import sha256
from flowrunner.report.diff_markdown import diff_markdown
from flowrunner.report.diff_text import diff_text

GOLDEN = Path(__file__).parent / "golden"
SPRING = """\
flowrunner: 1
name: spring
provider: aimlapi
include: [shared/brand.yaml]
axes:
  product: {from: products/*.yaml}
  locale: {from: copy.csv, key: locale}
steps:
  scene:
    across: product
    model: blackforestlabs/flux-2-pro-edit
    variants: 2
    pick: human
    with:
      prompt: "{{ axis.product.name }} on {{ vars.setting }}, {{ vars.light }}"
      image_urls: [$axis.product.photo]
      image_size: {width: 512, height: 512}
      seed: 42
  frame:
    across: product
    model: blackforestlabs/flux-2-edit
    with: {prompt: {file: prompts/frame.md}, image_urls: [$scene], image_size: {width: 1024, height: 512}}
  headline:
    across: [product, locale]
    model: image/annotate
    with: {image: $frame, text: "{{ axis.locale.headline }}", box: [0.1, 0.1, 0.9, 0.4]}
  sheet: {model: image/contact-sheet, with: {images: $headline.*, columns: 2, labels: coordinates}}
"""
POSTER = """\
flowrunner: 1
name: poster
provider: aimlapi
include: [shared/brand.yaml]
steps:
  poster:
    model: blackforestlabs/flux-2
    with: {prompt: "A poster, {{ vars.light }}", image_size: {width: 512, height: 512}}
"""
FILES = {
    "spring.yaml": SPRING,
    "poster.yaml": POSTER,
    "shared/brand.yaml": "flowrunner: 1\nvars:\n  light: soft morning light\n  setting: an oak desk\n",
    "products/lamp.yaml": "name: Brass lamp\nphoto: ../photos/lamp.png\n",
    "products/vase.yaml": "name: Glass vase\nphoto: ../photos/vase.png\n",
    "prompts/frame.md": "Extend the scene.\nDo not redraw the product.\n",
    "copy.csv": "locale,headline\nen,Light up\nde,Mach hell\n",
}
PICKS = {"scene/lamp": 2, "scene/vase": 1}
Edit = Callable[[Studio], None]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which every picture is made and chosen."""
    studio = Studio(tmp_path_factory.mktemp("studio") / "studio", FILES)
    picture(studio.root / "photos/lamp.png", colour="#aa7700")
    picture(studio.root / "photos/vase.png", colour="#0077aa")
    for name in ("spring.yaml", "poster.yaml"):
        studio.make(name, PICKS)
    studio.commit("everything made")
    return studio.root


@pytest.fixture
def studio(finished: Path, tmp_path: Path) -> Studio:
    shutil.copytree(finished, tmp_path / "studio")
    return Studio.at(tmp_path / "studio")


def word(studio: Studio) -> None:
    studio.edit("spring.yaml", "{{ axis.product.name }} on", "{{ axis.product.name }} upright on")


def product(studio: Studio) -> None:
    studio.write({"products/chair.yaml": "name: Green chair\nphoto: ../photos/chair.png\n"})
    picture(studio.root / "photos/chair.png", colour="#227722")


def product_gone(studio: Studio) -> None:
    (studio.root / "products/vase.yaml").unlink()


def include(studio: Studio) -> None:
    studio.edit("shared/brand.yaml", "soft morning light", "hard evening light")


def prompt_file(studio: Studio) -> None:
    studio.edit("prompts/frame.md", "redraw", "repaint")


def table(studio: Studio) -> None:
    studio.edit("copy.csv", "Mach hell", "Mach es hell")


def photo(studio: Studio) -> None:
    picture(studio.root / "photos/vase.png", colour="#00aa77")


def rename(studio: Studio) -> None:
    studio.edit("spring.yaml", "  frame:", "  wide:")
    studio.edit("spring.yaml", "$frame", "$wide")


def model(studio: Studio) -> None:
    studio.edit("poster.yaml", "blackforestlabs/flux-2\n", "blackforestlabs/flux-2-pro\n")
    studio.edit("spring.yaml", "variants: 2", "variants: 3")


def repick(studio: Studio) -> None:
    studio.make("spring.yaml", {"scene/lamp": 1})


def done(studio: Studio) -> None:
    word(studio)
    studio.make("spring.yaml", PICKS)


def unchosen(studio: Studio) -> None:
    word(studio)
    studio.make("spring.yaml")


def recipes(studio: Studio) -> None:
    studio.git("mv", "poster.yaml", "placard.yaml")
    studio.write({"tee.yaml": POSTER.replace("poster", "tee")})


def removed(studio: Studio) -> None:
    (studio.root / "poster.yaml").unlink()


def broken(studio: Studio) -> None:
    studio.edit("spring.yaml", "prompt: ", "promt: ")


def unpriced(studio: Studio) -> None:
    step = "  more: {provider: onemin, model: black-forest-labs/flux-2-pro/generate, with: {prompt: A cup}}\n"
    (studio.root / "poster.yaml").write_text(POSTER + step)


EDITS: dict[str, Edit] = {
    edit.__name__: edit
    for edit in (
        *(word, product, product_gone, include, prompt_file, table, photo, rename, model),
        *(repick, done, unchosen, recipes, removed, broken, unpriced),
    )
}


QUICK = ("word", "product", "rename", "broken")


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in EDITS])
def test_a_change_reads_as_it_should(studio: Studio, name: str) -> None:
    EDITS[name](studio)
    text, markdown = studio.diff("."), studio.diff(".", "--format", "markdown")
    assert text.exit_code == markdown.exit_code == (2 if name == "broken" else 0)
    golden(GOLDEN / f"diff-{name}.txt", studio.neutral(text.out))
    golden(GOLDEN / f"diff-{name}.md", studio.neutral(markdown.out))


def test_whoever_refused_all_candidates_is_not_asked_for_a_choice(studio: Studio) -> None:
    unchosen(studio)
    studio.write({"picks": "scene/lamp none\nscene/vase 1\n"})
    assert cli("pick", "spring.yaml", "--from", "picks", cwd=studio.root).exit_code == 0
    said = studio.diff("spring.yaml", "--format", "markdown").out
    others = "a changed prompt or `--force` makes others"
    assert f"**No candidate would do** of scene/lamp: {others}." in said
    assert "choice is needed" not in said
    assert "flowrunner pick" not in said


def test_machines_get_the_promised_shape(studio: Studio) -> None:
    word(studio)
    found = studio.diff("spring.yaml", "--format", "json").json
    fits(found, DIFF)
    cells = {cell["cell"]: cell for cell in found["cells"]}
    assert {cell["change"] for cell in cells.values()} == {"render"}
    assert cells["scene/lamp"]["fields"][0] | {"path": ""} == {
        "path": "",
        "before": "Brass lamp on an oak desk, soft morning light",
        "after": "Brass lamp upright on an oak desk, soft morning light",
        "file": "spring.yaml",
        "line": 15,
        "was_file": "spring.yaml",
        "was_line": 15,
    }
    assert (cells["scene/lamp"]["because"], cells["scene/lamp"]["pick"]) == ([], "stale")
    assert (cells["frame/lamp"]["because"], cells["frame/lamp"]["fields"]) == (["scene/lamp"], [])
    fits(studio.diff(".", "--format", "json").json, several(DIFF))


def comments(studio: Studio) -> None:
    studio.edit("spring.yaml", "    variants: 2", "    # two are enough\n    variants: 2   # really")


def order(studio: Studio) -> None:
    studio.edit("spring.yaml", "{width: 512, height: 512}\n      seed: 42", "{height: 512, width: 512}\n      seed: 42")
    studio.edit("spring.yaml", "    variants: 2\n    pick: human\n", "    pick: human\n    variants: 2\n")


def anchors(studio: Studio) -> None:
    studio.edit("spring.yaml", "$scene], image_size: {width: 1024, height: 512}", "$scene], image_size: *wide")
    studio.edit("spring.yaml", "  frame:\n", "  frame:\n    description: Wide.\n")
    studio.edit("spring.yaml", "name: spring\n", "name: spring\nvars: {wide: &wide {width: 1024, height: 512}}\n")


def quotes(studio: Studio) -> None:
    studio.edit("spring.yaml", "box: [0.1, 0.1, 0.9, 0.4]", "box: [0.10, 0.1, 9e-1, 0.4]")
    studio.edit("shared/brand.yaml", "soft morning light", '"soft morning light"')


def moved_files(studio: Studio) -> None:
    studio.git("mv", "photos", "pictures")
    for name in ("lamp", "vase"):
        studio.edit(f"products/{name}.yaml", "photos", "pictures")
    studio.git("mv", "prompts/frame.md", "wide.md")
    studio.edit("spring.yaml", "prompts/frame.md", "wide.md")


def moved_pipeline(studio: Studio) -> None:
    studio.git("mv", "spring.yaml", "summer.yaml")
    studio.git("mv", "spring.lock.yaml", "summer.lock.yaml")


def renamed_vars(studio: Studio) -> None:
    studio.edit("shared/brand.yaml", "setting", "place")
    studio.edit("spring.yaml", "vars.setting", "vars.place")


def inlined(studio: Studio) -> None:
    studio.edit("spring.yaml", "{{ vars.setting }}", "an oak desk")


def more(studio: Studio) -> None:
    studio.edit("spring.yaml", "name: spring\n", "name: spring\ndescription: More.\nbudget: {max_usd: 3}\n")


@pytest.mark.parametrize(
    "edit",
    [comments, order, anchors, quotes, moved_files, moved_pipeline, renamed_vars, inlined, more],
    ids=lambda edit: edit.__name__,
)
def test_what_changes_no_request_is_no_change(studio: Studio, edit: Edit) -> None:
    edit(studio)
    assert studio.git("status", "--porcelain")
    result = studio.diff(".", "--format", "json")
    cells = [cell["change"] for one in result.json["pipelines"] for cell in one["cells"]]
    assert (result.exit_code, set(cells), len(cells)) == (0, {"unchanged"}, 10)


def test_two_commits_are_compared_without_the_work_tree(studio: Studio) -> None:
    base = studio.git("rev-parse", "HEAD")
    word(studio)
    studio.make("spring.yaml", PICKS)
    studio.commit("upright")
    for path in studio.root.glob("*.yaml"):
        path.unlink()
    found = studio.diff("spring.yaml", "--base", base, "--head", "main", "--format", "json").json
    assert (found["base"], found["head"]) == (base, studio.git("rev-parse", "HEAD"))
    assert (found["totals"]["render"], found["totals"]["calls"]) == (9, 0)
    assert studio.diff("spring.yaml", "--base", "main", "--head", "main").out.startswith("No picture changes")


def test_a_branch_is_compared_with_where_it_left_the_main_branch(studio: Studio) -> None:
    studio.git("checkout", "-q", "-b", "branch")
    word(studio)
    studio.commit("upright")
    studio.git("checkout", "-q", "main")
    include(studio)
    studio.commit("evening")
    studio.git("checkout", "-q", "branch")
    changed = studio.diff("spring.yaml").out
    assert "prompt: + upright" in changed
    assert "evening" not in changed


def test_an_accepted_result_stands_and_nothing_follows(studio: Studio) -> None:
    studio.edit("prompts/frame.md", "Extend", "Widen")
    accepting = cli("accept", "spring.yaml", "frame", "--why", "says the same", cwd=studio.root)
    assert accepting.exit_code == 0, accepting.err
    cells = studio.diff("spring.yaml", "--format", "json").json["cells"]
    assert {cell["cell"]: cell["change"] for cell in cells if cell["change"] != "unchanged"} == {
        "frame/lamp": "accepted",
        "frame/vase": "accepted",
    }
    assert "accepted: the picture stays" in studio.diff("spring.yaml", "--format", "markdown").out


def test_one_picture_is_told_as_one(studio: Studio) -> None:
    studio.edit("prompts/frame.md", "Extend", "Widen")
    cli("accept", "spring.yaml", "frame/lamp", "--why", "says the same", cwd=studio.root)
    said = studio.diff("spring.yaml", "--format", "markdown").out
    assert "1 is accepted as it is" in said
    assert '<b>sheet</b><br/>1 follows"' in said


def test_a_base_that_is_not_valid_is_compared_by_its_lock(studio: Studio) -> None:
    studio.edit("spring.yaml", "[$scene]", "[$scen]")
    studio.commit("broken")
    studio.edit("spring.yaml", "[$scen]", "[$scene]")
    studio.edit("prompts/frame.md", "redraw", "repaint")
    result = studio.diff("spring.yaml")
    assert result.exit_code == 0
    golden(GOLDEN / "diff-base-broken.txt", studio.neutral(result.out))
    golden(GOLDEN / "diff-base-broken.md", studio.neutral(studio.diff("spring.yaml", "--format", "markdown").out))


def test_a_lock_of_the_base_that_cannot_be_read_is_told(studio: Studio) -> None:
    text = (studio.root / "poster.lock.yaml").read_text()
    studio.write({"poster.lock.yaml": f"{text}<<<<<<< HEAD\n"})
    studio.commit("a bad merge")
    studio.write({"poster.lock.yaml": text})
    result = studio.diff("poster.yaml", "--base", "HEAD")
    assert "the lock of the base is not valid (1 problem): what cannot be read of it counts as not made\n" in result.out
    assert "error: a merge left its marks here  [lock-conflict]\n" in result.out
    found = studio.diff("poster.yaml", "--base", "HEAD", "--format", "json").json
    assert [problem["file"] for problem in found["base_problems"]] == ["poster.lock.yaml"]
    markdown = studio.diff("poster.yaml", "--base", "HEAD", "--format", "markdown").out
    assert "- the lock of **poster** was not valid before: a merge left its marks here" in markdown


def test_of_a_head_whose_lock_cannot_be_read_the_recipe_is_not_blamed(studio: Studio) -> None:
    text = (studio.root / "poster.lock.yaml").read_text()
    studio.write({"poster.lock.yaml": f"{text}<<<<<<< HEAD\n"})
    result = studio.diff("poster.yaml")
    assert (result.exit_code, result.out.startswith("1 lock is not valid  ")) == (2, True)
    assert "\nposter.yaml  its lock cannot be read\n" in result.out
    markdown = studio.diff("poster.yaml", "--format", "markdown").out
    assert "The lock of **poster\\.yaml** is not valid as it is now:" in markdown
    (studio.root / "poster.lock.yaml").unlink()
    (studio.root / "poster.lock.yaml").mkdir()
    assert studio.diff("poster.yaml").out.startswith("1 lock is not valid  ")


def test_a_recipe_in_which_no_picture_changes_is_not_drawn(studio: Studio) -> None:
    studio.edit("spring.yaml", "[$scene]", "[$scen]")
    studio.commit("broken")
    studio.edit("spring.yaml", "[$scen]", "[$scene]")
    said = studio.diff("spring.yaml", "--format", "markdown").out
    assert "was not valid before" in said
    assert "mermaid" not in said


@pytest.mark.slow
def test_a_wrong_else_is_told(studio: Studio) -> None:
    step = "  evening: {when: false, else: $poster.3, model: blackforestlabs/flux-2, with: {prompt: x}}\n"
    studio.write({"poster.yaml": f"{POSTER}{step}"})
    result = studio.diff("poster.yaml")
    assert result.exit_code == 2
    assert "$poster.3 is candidate 3; poster has 1" in result.out + result.err


@pytest.mark.slow
def test_a_base_without_models_or_settings_is_told(studio: Studio) -> None:
    studio.write({"schemas/own.json": "{}", "flowrunner.toml": "timeout = 0\n"})
    studio.commit("broken")
    studio.write({"flowrunner.toml": ""})
    (studio.root / "schemas/own.json").unlink()
    found = studio.diff("poster.yaml", "--format", "json").json
    assert [problem["file"] for problem in found["base_problems"]] == ["flowrunner.toml"]
    assert found["totals"]["unchanged"] == 1


@pytest.mark.slow
def test_a_lock_that_lost_a_result_is_a_change(studio: Studio) -> None:
    (studio.root / "poster.lock.yaml").unlink()
    found = studio.diff("poster.yaml", "--format", "json").json
    assert [field["path"] for field in found["cells"][0]["fields"]] == ["picture"]
    assert found["totals"]["calls"] == 1


@pytest.mark.slow
def test_inputs_say_which_lock_is_meant(studio: Studio) -> None:
    text = POSTER.replace("steps:", "inputs: {mood: {default: calm}}\nsteps:").replace(
        "A poster", "A {{ inputs.mood }}"
    )
    studio.write({"poster.yaml": text, "shows/fair.yaml": "mood: loud\n"})
    studio.commit("with an input")
    studio.edit("shows/fair.yaml", "loud", "festive")
    calm, fair = studio.diff("poster.yaml"), studio.diff("poster.yaml", "--inputs", "shows/fair.yaml")
    assert calm.out.startswith("No picture changes")
    assert "prompt: loud → festive" in fair.out
    given = studio.diff("poster.yaml", "-i", "mood=odd")
    assert given.out.startswith("No picture changes")
    assert studio.diff("spring.yaml", "-i", "mood=odd").exit_code == 2


@pytest.mark.slow
def test_a_simulated_run_can_be_compared(studio: Studio) -> None:
    assert cli("run", "poster.yaml", "--simulate", cwd=studio.root).exit_code == 0
    include(studio)
    result = studio.diff("poster.yaml", "--simulate")
    assert "render  poster  1 call  simulated $0.013  prompt: soft morning → hard evening" in result.out


@pytest.mark.slow
def test_a_shallow_clone_is_told_what_to_fetch(studio: Studio, tmp_path: Path) -> None:
    base = studio.git("rev-parse", "HEAD")
    studio.commit("more")
    studio.git("clone", "-q", "--depth", "1", f"file://{studio.root}", str(tmp_path / "shallow"))
    shallow = Studio.at(tmp_path / "shallow")
    result = shallow.diff("spring.yaml", "--base", base)
    told = f"error: there is no revision {base} here\n     = git fetch --unshallow origin {base}\n"
    assert (result.exit_code, result.out, result.err) == (2, "", f"{told}Nothing was sent, nothing was paid.\n")
    shallow.git(*told.split("git ")[1].split())
    assert shallow.diff("spring.yaml", "--base", base).exit_code == 0


@pytest.mark.slow
def test_a_clone_of_one_branch_is_told_what_to_fetch(studio: Studio, tmp_path: Path) -> None:
    studio.git("branch", "branch")
    studio.git("clone", "-q", "--depth", "1", "--branch", "branch", f"file://{studio.root}", str(tmp_path / "one"))
    one = Studio.at(tmp_path / "one")
    result = one.diff("spring.yaml")
    fetch = "git fetch --unshallow origin +refs/heads/main:refs/remotes/origin/main"
    assert f"no main branch is here to compare with\n     = {fetch}, or say which: --base REV" in result.err
    one.git(*fetch.split()[1:])
    assert one.diff("spring.yaml").out.startswith("No picture changes  origin/main at ")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("spring.yaml --base=--output=x", "'--output=x' is no name of a revision"),
        ("spring.yaml --base nope", "there is no revision nope here"),
        ("spring.yaml --head HEAD:spring.yaml", "there is no revision HEAD:spring.yaml here"),
        ("nope.yaml", "nope.yaml is, or holds, no pipeline in either revision"),
        ("photos", "photos is, or holds, no pipeline in either revision"),
    ],
)
def test_what_cannot_be_compared_is_told(studio: Studio, line: str, told: str) -> None:
    result = studio.diff(*line.split())
    assert (result.exit_code, result.out) == (2, "")
    assert f"error: {told}\n" in result.err
    assert studio.diff(*line.split(), "--format", "json").json["error"]["message"] == told


def test_nothing_is_to_be_fetched_where_there_is_nothing_to_fetch_from(studio: Studio) -> None:
    assert "= say which: --base REV or --head REV\n" in studio.diff("spring.yaml", "--base", "nope").err
    studio.git("branch", "-m", "main", "trunk")
    assert "= say which: --base REV\n" in studio.diff("spring.yaml").err
    studio.git("remote", "add", "origin", "https://example.invalid/studio.git")
    assert "= git fetch origin nope:nope\n" in studio.diff("spring.yaml", "--base", "nope").err


def test_outside_a_repository_there_is_nothing_to_compare(tmp_path: Path) -> None:
    project(tmp_path, {"poster.yaml": POSTER, "shared/brand.yaml": FILES["shared/brand.yaml"]})
    result = cli("diff", "poster.yaml", cwd=tmp_path, env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
    assert result.exit_code == 2
    assert "is in no repository that git reads" in result.err


HOSTILE = {
    "a@octocat": "\\@<wbr>octocat",
    "see #12": "\\#<wbr>12",
    "![x](https://evil.example/p.png)": "\\!\\[x\\]\\(https\\://evil\\.example/p\\.png\\)",
    "<img src=x>": "\\<img src=x\\>",
    "a\u202eb": "a\\\\u202eb",
    "zero\u200bwidth": "zero\\\\u200bwidth",
    "l\u0430mp": "l\\\\u0430mp",
    "```sh": "\\`\\`\\`sh",
    "a | b": "\\|",
}


def test_what_a_prompt_says_is_literal_text(studio: Studio) -> None:
    text = " and ".join(HOSTILE).replace("\u202e", "\\u202e").replace("\u200b", "\\u200b").replace("\u0430", "\\u0430")
    studio.edit("shared/brand.yaml", "soft morning light", f'"{text}"')
    shown = studio.diff("poster.yaml", "--format", "markdown").out
    assert [text for text in HOSTILE.values() if text not in shown] == []
    assert not any(character in shown for character in "\u202e\u200b\u0430")


def test_a_letter_of_another_alphabet_is_spelled_out(studio: Studio) -> None:
    studio.edit("prompts/frame.md", "scene", "s\u0441ene")
    assert "prompt: scene → s\\u0441ene" in studio.diff("spring.yaml").out


def wide(number: int) -> str:
    names = ", ".join(f"v{at}" for at in range(number))
    step = '{across: a, model: blackforestlabs/flux-2, with: {prompt: "{{ axis.a }} {{ vars.light }}", SIZE}}'
    step = step.replace("SIZE", "image_size: {width: 512, height: 512}")
    return f"flowrunner: 1\nprovider: aimlapi\ninclude: [brand.yaml]\naxes: {{a: [{names}]}}\nsteps:\n  one: {step}\n"


@pytest.mark.slow
def test_thousands_of_changes_fit_on_a_screen_and_in_a_comment(tmp_path: Path) -> None:
    texts = {f"many{at}.yaml": wide(200) for at in range(10)}
    many = Studio(tmp_path / "many", {"brand.yaml": "flowrunner: 1\nvars: {light: soft}\n", **texts})
    many.commit()
    for at, name in enumerate(texts):
        many.edit(name, "{{ vars.light }}", f"{'very hard light, ' * 20}{at}")
    found = diff([many.root], environment=environment(tmp_path))
    shown = diff_markdown(found.ends, found.compared, simulated=False, next_commands={})
    assert len(shown) <= 60_000
    assert shown.startswith("### 10 recipes changed, 2,000 pictures follow, about $25.20\n")
    assert shown.count("<details>") == shown.count("</details>") > 0
    assert "| and 140 more | | |" in shown
    assert diff_text(found.ends, found.compared, simulated=False, next_commands={}).count("\n") < 100


@pytest.mark.slow
def test_a_pointer_of_git_lfs_is_the_picture_that_it_stands_for(studio: Studio) -> None:
    path = studio.root / "photos/vase.png"
    whole = path.read_bytes()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(whole)}\nsize {len(whole)}\n"
    path.write_text(pointer)
    studio.commit("with pointers")
    assert studio.diff("spring.yaml").out.startswith("No picture changes")
    path.write_bytes(whole)
    assert studio.diff("spring.yaml").out.startswith("No picture changes")
    path.write_text(pointer.replace(sha256(whole), "0" * 64))
    assert "photos/vase.png is another picture now" in studio.diff("spring.yaml").out


def test_a_reference_that_is_put_into_a_list_moves_nothing_else(studio: Studio) -> None:
    studio.edit("spring.yaml", "image_urls: [$scene]", "image_urls: [photos/lamp.png, $scene.2, $scene]")
    found = studio.diff("spring.yaml", "--format", "json").json
    (cell,) = (cell for cell in found["cells"] if cell["cell"] == "frame/vase")
    assert [(field["path"], field["before"]) for field in cell["fields"]] == [
        ("image_urls[0]", None),
        ("image_urls[1]", None),
    ]
    assert cell["fields"][1]["after"] == "$scene/vase.2"
    assert (cell["because"], cell["change"]) == ([], "render")


def test_two_edits_around_a_value_from_elsewhere_are_shown_where_they_were_made(studio: Studio) -> None:
    studio.edit("spring.yaml", "on {{ vars.setting }}, ", "upright on {{ vars.setting }} in ")
    assert "(spring.yaml:15)" in studio.diff("spring.yaml").out


def test_a_choice_that_a_rule_makes_now_is_told_as_nobodys(studio: Studio) -> None:
    studio.write({"picks": "scene/vase none too blue\n"})
    assert cli("pick", "spring.yaml", "--from", "picks", cwd=studio.root).exit_code == 0
    (studio.root / "picks").unlink()
    studio.commit("refused")
    studio.edit("spring.yaml", "pick: human", "pick: first")
    text, markdown = (studio.diff("spring.yaml", "--format", form).out for form in ("text", "markdown"))
    assert "pick: 2 → 1\n" in text
    assert "pick: 1 now, none before\n" in text
    assert "> 1 now, none before\n" in markdown
    assert "> ~~2~~ **1**\n" in markdown


def test_a_choice_that_was_lost_is_told_as_that(studio: Studio) -> None:
    path = studio.root / "spring.lock.yaml"
    text = path.read_text()
    path.write_text(text[: text.index("picks:")] + text[text.index("models:") :])
    assert "pick: none now, 2 before;" in studio.diff("spring.yaml").out


def test_nothing_is_written_and_no_key_is_read(studio: Studio) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in studio.root.rglob("*") if ".git/" not in str(path))
    cli("diff", ".", cwd=studio.root, env={"AIMLAPI_API_KEY": "bad key"})
    assert before == sorted((p, p.stat().st_mtime_ns) for p in studio.root.rglob("*") if ".git/" not in str(p))


def test_how_many_pipelines_a_folder_holds_is_said(studio: Studio) -> None:
    (studio.root / "poster.yaml").unlink()
    result = cli("diff", ".", "--format", "json", cwd=studio.root)
    assert (result.exit_code, result.err) == (0, "2 pipelines in .\n")
    assert [one["pipeline"] for one in result.json["pipelines"]] == ["spring.yaml", "poster.yaml"]
    assert cli("diff", "spring.yaml", cwd=studio.root).err == ""
