"""Selectors."""

import pytest
from written import graph

from flowrunner.errors import UsageError
from flowrunner.selection import selected, with_needs

PRO, EDIT = "blackforestlabs/flux-2-pro", "blackforestlabs/flux-2-edit"
FOUND = graph(f"""
axes: {{product: [Brass Lamp, vase], locale: [en, de]}}
steps:
  scene: {{across: product, model: {PRO}, with: {{prompt: x}}}}
  frame: {{across: [product, locale], model: {EDIT}, with: {{prompt: x, image_urls: [$scene], image_size: square}}}}
  sheet: {{model: image/contact-sheet, with: {{images: $frame.*}}}}
  alone: {{model: {PRO}, after: sheet, when: false, with: {{prompt: z}}}}
""")


@pytest.mark.parametrize(
    ("selectors", "cells"),
    [
        (["sheet"], ["sheet"]),
        (["scene"], ["scene/brass-lamp", "scene/vase"]),
        (["scene/vase"], ["scene/vase"]),
        (["scene/Brass Lamp"], ["scene/brass-lamp"]),
        (["frame/*/de"], ["frame/brass-lamp/de", "frame/vase/de"]),
        (["frame/vase"], ["frame/vase/en", "frame/vase/de"]),
        (["frame/v*/e?"], ["frame/vase/en"]),
        (["locale=de"], ["frame/brass-lamp/de", "frame/vase/de"]),
        (["product=Brass Lamp"], ["scene/brass-lamp", "frame/brass-lamp/en", "frame/brass-lamp/de"]),
        (["product=brass-lamp"], ["scene/brass-lamp", "frame/brass-lamp/en", "frame/brass-lamp/de"]),
        (["sheet", "scene/vase"], ["scene/vase", "sheet"]),
        (["alone"], ["alone"]),
        ([], []),
    ],
)
def test_a_selector_names_cells_in_the_order_of_the_graph(selectors: list[str], cells: list[str]) -> None:
    assert selected(FOUND, selectors) == cells


@pytest.mark.parametrize(
    ("selector", "hint"),
    [
        ("shet", "did you mean sheet?"),
        ("scene/vaze", "did you mean scene/vase?"),
        ("scene/vase/en", "did you mean"),
        ("local=de", "did you mean locale?"),
        ("locale=fr", "locale has en, de"),
        ("", "there are"),
    ],
)
def test_a_selector_that_names_nothing_is_told(selector: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        selected(FOUND, ["sheet", selector])
    assert hint in caught.value.hint


def test_cells_come_with_all_that_they_need() -> None:
    assert with_needs(FOUND, ["frame/vase/de"]) == {"frame/vase/de", "scene/vase"}
    assert with_needs(FOUND, ["sheet"]) == set(FOUND.cells) - {"alone"}
