"""Which cells a selector names."""

from pathlib import Path

import pytest
from support import pipeline

from flowrunner import api
from flowrunner.errors import UsageError
from flowrunner.graph import Graph
from flowrunner.selection import selected, with_needs

STEPS = """
axes:
  product: [Lamp, Stone vase]
  locale: [de, en, "1.5"]
steps:
  scene: {across: product, model: blackforestlabs/flux-2, with: {prompt: "{{ axis.product }}"}}
  head:
    across: [product, locale]
    model: blackforestlabs/flux-2-edit
    with: {prompt: "{{ axis.locale }}", image_urls: [$scene], image_size: square}
  sheet: {across: locale, model: image/contact-sheet, with: {images: $head.*}}
  scenery: {model: blackforestlabs/flux-2, with: {prompt: hills}}
"""


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return api.load(pipeline(tmp_path, STEPS), environment={}).opened.graph


def named(graph: Graph, *selectors: str) -> str:
    return " ".join(selected(graph, selectors))


@pytest.mark.parametrize(
    ("selector", "cells"),
    [
        ("scene", "scene/lamp scene/stone-vase"),
        ("scenery", "scenery"),
        ("scene/lamp", "scene/lamp"),
        ("scene/Lamp", "scene/lamp"),
        ("scene/Stone vase", "scene/stone-vase"),
        ("head/lamp", "head/lamp/de head/lamp/en head/lamp/1.5"),
        ("head/*/de", "head/lamp/de head/stone-vase/de"),
        ("head/st*/d?", "head/stone-vase/de"),
        ("head/lamp/1.5", "head/lamp/1.5"),
        ("*/lamp/en", "head/lamp/en"),
        ("locale=en", "head/lamp/en head/stone-vase/en sheet/en"),
        ("product=Stone vase", "scene/stone-vase head/stone-vase/de head/stone-vase/en head/stone-vase/1.5"),
        ("product=stone-vase", "scene/stone-vase head/stone-vase/de head/stone-vase/en head/stone-vase/1.5"),
        ("scene*", "scene/lamp scene/stone-vase scenery"),
    ],
)
def test_a_selector_names_cells(graph: Graph, selector: str, cells: str) -> None:
    assert named(graph, selector) == cells


def test_several_name_each_cell_once_in_the_order_of_the_graph(graph: Graph) -> None:
    assert named(graph, "scenery", "scene/lamp", "scene") == "scene/lamp scene/stone-vase scenery"


@pytest.mark.parametrize(
    ("selector", "hint"),
    [
        ("scen", "did you mean scene?"),
        ("heads/lamp", "did you mean head/lamp?"),
        ("head/lampe/de", "did you mean head/lamp/de?"),
        ("locale=fr", "locale has de, en, 1.5"),
        ("locle=de", "did you mean locale?"),
        ("scene/lamp/de", "did you mean scene/lamp?"),
        ("", "there are head, scene, scenery, sheet"),
        ("=de", "there are locale, product"),
    ],
)
def test_a_selector_that_names_nothing_is_told_with_what_is_there(graph: Graph, selector: str, hint: str) -> None:
    with pytest.raises(UsageError, match="names no cell") as told:
        selected(graph, [selector])
    assert told.value.hint == hint


def test_what_cells_need_comes_with_them(graph: Graph) -> None:
    assert with_needs(graph, ["head/lamp/de"]) == {"head/lamp/de", "scene/lamp"}
    assert with_needs(graph, ["sheet/de"]) == {
        "sheet/de",
        "head/lamp/de",
        "head/stone-vase/de",
        "scene/lamp",
        "scene/stone-vase",
    }
    assert with_needs(graph, []) == set()
