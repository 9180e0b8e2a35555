"""The page that the manual of the command line shows, word for word."""

from pathlib import Path

from support import cli, project

PAGE = """\
shared/brand.yaml:10:40: error: height 600 is not a multiple of 32  [size-step]
  10 |     banner: {px: {width: 1920, height: 600}, text_box: [0.55, 0.35, 0.95, 0.65]}
     |                                        ^~~ write 608 or 576
     = frame (spring-hero.yaml:38): 12 of 36 cells, first frame/lamp/banner
1 error in 1 file. Nothing was sent, nothing was paid.
"""
BRAND = """\
# What every campaign of the house shares.
flowrunner: 1

vars:
  light: soft morning light from the left

axes:
  size:
    square: {px: {width: 1024, height: 1024}, text_box: [0.07, 0.06, 0.62, 0.26]}
    banner: {px: {width: 1920, height: 600}, text_box: [0.55, 0.35, 0.95, 0.65]}
    story: {px: {width: 736, height: 1312}, text_box: [0.08, 0.10, 0.92, 0.26]}
"""
PRODUCTS = ("lamp", "vase", "chair", "table", "clock", "bowl", "stool", "shelf", "mirror", "rug", "bench", "tray")
SCENE = f"""\
flowrunner: 1
name: spring-hero
provider: aimlapi
include: [shared/brand.yaml]
axes:
  product: [{", ".join(PRODUCTS)}]
steps:
  scene:
    across: product
    model: blackforestlabs/flux-2-pro
    with:
      prompt: "A {{{{ axis.product }}}} on an oak desk, {{{{ vars.light }}}}"
      image_size: {{width: 1024, height: 1024}}
"""
FRAME = """\
  frame:
    across: [product, size]
    model: blackforestlabs/flux-2-edit
    with: {prompt: Extend the scene, image_urls: [$scene], image_size: "{{ axis.size.px }}"}
"""


def test_a_fault_of_an_included_file_is_told_once_where_it_is_written(tmp_path: Path) -> None:
    pipeline = SCENE + "\n" * (37 - SCENE.count("\n")) + FRAME
    project(tmp_path, {"spring-hero.yaml": pipeline, "shared/brand.yaml": BRAND})
    found = cli("validate", "spring-hero.yaml", cwd=tmp_path)
    assert (found.exit_code, found.out) == (2, PAGE)
