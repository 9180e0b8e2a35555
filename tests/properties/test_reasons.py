"""A plan says why: the field, the words, and the file and line where they stand."""

import re
from pathlib import Path

import pytest
from shop import Shop, one_file
from wire import Wire

from flowrunner.planning import Decision

pytestmark = pytest.mark.slow

REASONS = {
    "shop.yaml": [
        ("oak desk", "walnut desk", "scene/lamp", "prompt: oak → walnut (shop.yaml:12)"),
        ("seed: 42", "seed: 43", "scene/lamp", "seed: 42 → 43 (shop.yaml:15)"),
        ("      seed: 42\n", "", "scene/lamp", "seed is gone, was 42"),
        ("seed: 42", "seed: 42\n      output_format: png", "scene/vase", "output_format is new: png (shop.yaml:16)"),
        ("height: 1024", "height: 512", "scene/vase", "image_size.height: 1024 → 512 (shop.yaml:14)"),
        ("flux-2-pro-edit", "flux-2-edit", "scene/lamp", "model: flux-2-pro-edit → flux-2-edit (shop.yaml:10)"),
    ],
    "shared/brand.yaml": [
        ("soft morning", "hard noon", "scene/lamp", "prompt: soft morning → hard noon (shared/brand.yaml:3)"),
        ("1920", "1888", "frame/lamp/banner", "image_size.width: 1920 → 1888 (shared/brand.yaml:7)"),
    ],
    "products/lamp.yaml": [
        ("Brass", "Copper", "scene/lamp", "prompt: Brass → Copper (products/lamp.yaml:1)"),
        ("das bleibt", "die bleibt", "headline/lamp/banner/de", "prompt: das → die (products/lamp.yaml:5)"),
    ],
    "shared/locales.csv": [
        ("English", "British", "headline/vase/banner/en", "prompt: English → British (shared/locales.csv:2)"),
    ],
    "prompts/frame.md": [
        ("Extend", "Stretch", "frame/vase/square", "prompt: Extend → Stretch (prompts/frame.md:1)"),
        ("not redraw", "never redraw", "frame/vase/square", "prompt: not → never (prompts/frame.md:3)"),
        ("the scene", "the whole scene", "frame/vase/square", "prompt: + whole (prompts/frame.md:1)"),
        ("Do not", "Do", "frame/vase/square", "prompt: − not (prompts/frame.md:1)"),
    ],
}
ROWS = [(name, *row) for name, rows in REASONS.items() for row in rows]


@pytest.mark.parametrize(("name", "old", "new", "cell", "reason"), ROWS, ids=[row[4] for row in ROWS])
def test_the_words_and_their_line_are_named(shop: Shop, name: str, old: str, new: str, cell: str, reason: str) -> None:
    shop.edit(name, old, new)
    assert shop.reason(cell) == reason


def test_other_pixels_are_named_where_the_picture_is_referred_to(shop: Shop) -> None:
    shop.draw("products/lamp.png", "#000000")
    form = r"image_urls\[0\]: picture [0-9a-f]{6} → products/lamp\.png \([0-9a-f]{6}\) \(shop\.yaml:13\)"
    assert re.fullmatch(form, shop.reason("scene/lamp"))


def test_a_cell_that_takes_a_new_picture_names_the_cell_that_gave_it(shop: Shop) -> None:
    shop.edit("shop.yaml", "seed: 42", "seed: 43")
    shop.run(only=("scene",))
    planned = shop.plan().cells["frame/lamp/square"]
    assert planned.because == ("scene/lamp",)
    assert planned.reason.startswith("image_urls[0]: picture ")


def test_what_waits_says_for_what(shop: Shop) -> None:
    shop.edit("shop.yaml", "seed: 42", "seed: 43")
    planned = shop.plan().cells["frame/lamp/square"]
    assert (planned.reason, planned.because) == ("after scene/lamp", ("scene/lamp",))


def test_what_is_skipped_says_by_what(shop: Shop) -> None:
    planned = shop.plan().cells["headline/vase/square/de"]
    assert planned.decision is Decision.SKIP
    assert planned.reason == "when: axis.product.headline[axis.locale.id] is defined is false"


def test_what_is_not_locked_is_new_and_what_the_ledger_knows_was_done_before(shop: Shop) -> None:
    lock = shop.load().opened.lock_file.path
    lock.unlink()
    assert shop.reason("scene/lamp") == "done before"
    assert shop.run() == []
    assert shop.reason("scene/lamp") == "locked"
    shop.edit("products/vase.yaml", "  en:", "  de: Platz\n  en:")
    assert shop.reason("headline/vase/square/de") == "new"


BLOCK = """
vars:
  quiet: calm, wide and empty
steps:
  a:
    model: blackforestlabs/flux-2
    with:
      prompt: |
        A heron at dawn,
        reeds on the left,
        {{ vars.quiet }}
  b:
    model: blackforestlabs/flux-2
    with:
      prompt: >-
        A heron at dusk,
        reeds on the right,
        {{ vars.quiet | upper }} over {{ 'water' if vars.quiet else 'land' }}
"""


@pytest.mark.parametrize(
    ("old", "new", "cell", "reason"),
    [
        ("reeds on the left", "grass on the left", "a", "prompt: reeds → grass (shop.yaml:12)"),
        ("wide", "broad", "a", "prompt: wide → broad (shop.yaml:5)"),
        ("wide", "broad", "b", "prompt: WIDE → BROAD (shop.yaml:5)"),
        ("on the right", "far off", "b", "prompt: on the right → far off (shop.yaml:19)"),
        ("'water'", "'ice'", "b", "prompt: water → ice (shop.yaml:20)"),
        ("prompt: |", "prompt: |-", "a", "prompt: only blanks or line ends changed (shop.yaml:10)"),
    ],
)
def test_words_are_found_in_long_texts(tmp_path: Path, wire: Wire, old: str, new: str, cell: str, reason: str) -> None:
    made = one_file(tmp_path, wire, BLOCK)
    made.run()
    made.edit("shop.yaml", old, new)
    assert made.reason(cell) == reason
