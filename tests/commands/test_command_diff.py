"""`diff` in real repositories: what a reviewer and an engineer read, what machines get."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from diff_cases import Studio
from shapes import DIFF, fits, several
from support import golden, picture

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


@pytest.mark.parametrize("name", EDITS)
def test_a_change_reads_as_it_should(studio: Studio, name: str) -> None:
    EDITS[name](studio)
    text, markdown = studio.diff("."), studio.diff(".", "--format", "markdown")
    assert text.exit_code == markdown.exit_code == (2 if name == "broken" else 0)
    commit = studio.git("rev-parse", "--short=7", "HEAD")
    golden(GOLDEN / f"diff-{name}.txt", text.out.replace(commit, "1a2b3c4"))
    golden(GOLDEN / f"diff-{name}.md", markdown.out.replace(commit, "1a2b3c4"))


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
