from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from command_projects import ANNOYING, CHAIN, FAULTY, PICKED
from support import cli, golden, picture, project

GOLDEN = Path(__file__).parent / "golden"
SHOWN = """\
flowrunner: 1
name: shown
provider: aimlapi
axes: {product: [lamp, vase], locale: [en, de]}
inputs: {plain: {type: image, default: photo.png}}
steps:
  scene: {across: product, variants: 4, pick: human, model: blackforestlabs/flux-2, with: {prompt: x}}
  sized: {across: product, model: blackforestlabs/flux-2, with: {prompt: y, image_size: {size_of: $scene}}}
  words:
    across: [product, locale]
    when: axis.locale == "de"
    else: $scene
    model: image/annotate
    with: {image: $sized, text: hello}
  sheet: {model: image/contact-sheet, with: {images: [$inputs.plain, $words.*]}}
  last: {after: [scene], model: blackforestlabs/flux-2-edit, with: {prompt: z, image_urls: [$sheet]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    picture(project(tmp_path, {"shown.yaml": SHOWN, "chain.yaml": CHAIN, "picked.yaml": PICKED}) / "photo.png")
    return tmp_path


@pytest.mark.parametrize("form", ["mermaid", "dot", "svg"])
def test_a_drawing_is_as_it_should_be(folder: Path, form: str) -> None:
    result = cli("graph", "shown.yaml", "--format", form, cwd=folder)
    assert (result.exit_code, result.err) == (0, "")
    golden(GOLDEN / f"graph.{form}", result.out)


def test_an_svg_is_sound_and_loads_nothing(folder: Path) -> None:
    out = cli("graph", "shown.yaml", "--format", "svg", cwd=folder).out
    root = ET.fromstring(out)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in out
    assert not [
        word for word in ("http://", "https://", "url(", "@import", "<script", "href") if word in _without_names(out)
    ]


def _without_names(svg: str) -> str:
    return svg.replace("http://www.w3.org/2000/svg", "").replace("url(#tip)", "")


def test_a_faulty_pipeline_is_told_and_not_drawn(folder: Path) -> None:
    project(folder, {"faulty.yaml": FAULTY.replace("blackforestlabs/flux-2-pro", "flux-3")})
    result = cli("graph", "faulty.yaml", cwd=folder)
    assert (result.exit_code, result.out) == (2, "")
    assert "no model flux-3" in result.err


@pytest.mark.parametrize("form", ["mermaid", "dot", "svg"])
def test_text_from_outside_is_literal_in_a_drawing(folder: Path, form: str) -> None:
    project(folder, {"bad.yaml": ANNOYING})
    out = cli("graph", "bad.yaml", "--format", form, cwd=folder).out
    assert not set("\x1b\x07\u202e") & set(out)
    assert "<script>" not in out or form == "dot"


def test_the_drawing_of_a_pipeline_that_needs_an_input_needs_none(folder: Path) -> None:
    text = SHOWN.replace("{type: image, default: photo.png}", "{type: image}")
    project(folder, {"asks.yaml": text})
    assert cli("graph", "asks.yaml", cwd=folder).exit_code == 0


def test_a_folder_stands_for_the_one_pipeline_in_it(folder: Path) -> None:
    project(folder, {"below/chain.yaml": CHAIN})
    one = cli("graph", "below", cwd=folder)
    assert (one.exit_code, one.err) == (0, "1 pipeline in below\n")
    assert one.out == cli("graph", "chain.yaml", cwd=folder).out


def test_of_several_pipelines_in_a_folder_none_is_drawn(folder: Path) -> None:
    several = cli("graph", ".", cwd=folder)
    assert (several.exit_code, several.out) == (2, "")
    assert several.err.endswith("     = name one of them: chain.yaml, picked.yaml, shown.yaml\n")
