"""What runs again after a change, and what does not: told by the requests that a second run sends."""

import shutil
from pathlib import Path

import pytest
from shop import CELLS, Shop, one_file, open_shop
from wire import Wire

pytestmark = pytest.mark.slow

EDITS = """
steps:
  room: {model: blackforestlabs/flux-2, with: {prompt: room, seed: 1}}
  bed: {model: blackforestlabs/flux-2-edit, with: {prompt: bed, image_urls: [$room], image_size: square}}
  walls: {model: blackforestlabs/flux-2-edit, with: {prompt: walls, image_urls: [$bed], image_size: square}}
  plants: {model: blackforestlabs/flux-2-edit, with: {prompt: plants, image_urls: [$walls], image_size: square}}
  rain: {model: blackforestlabs/flux-2-edit, with: {prompt: rain, image_urls: [$plants], image_size: square}}
"""


def test_everything_is_made_once(tmp_path: Path, wire: Wire) -> None:
    made = open_shop(tmp_path, wire)
    assert len(made.run()) == CELLS


def test_a_second_run_sends_nothing_and_changes_no_byte(shop: Shop) -> None:
    before = shop.files()
    assert shop.run() == []
    assert shop.files() == before


def test_of_five_edits_the_changed_one_and_those_behind_it_run(tmp_path: Path, wire: Wire) -> None:
    made = one_file(tmp_path, wire, EDITS)
    assert len(made.run()) == 5
    made.edit("shop.yaml", "prompt: walls", "prompt: green walls")
    assert made.sends() == ["walls", "plants", "rain"]
    assert made.run() == ["green walls", "plants", "rain"]
    assert made.run() == []


def test_a_change_that_is_taken_back_costs_nothing(tmp_path: Path, wire: Wire) -> None:
    made = one_file(tmp_path, wire, EDITS)
    made.run()
    lock = made.lock()
    made.edit("shop.yaml", "prompt: walls", "prompt: green walls")
    made.run()
    made.edit("shop.yaml", "prompt: green walls", "prompt: walls")
    assert made.run() == []
    assert made.lock() == lock


def test_one_word_of_one_product_runs_that_product_only(shop: Shop) -> None:
    shop.edit("products/lamp.yaml", "Brass", "Copper")
    assert {cell.split("/")[1] for cell in shop.sends()} == {"lamp"}
    assert len(shop.run()) == 1 + 2 + 4


def test_one_word_of_one_headline_runs_its_cells_only(shop: Shop) -> None:
    shop.edit("products/lamp.yaml", "das bleibt", "die bleibt")
    assert shop.sends() == ["headline/lamp/square/de", "headline/lamp/banner/de"]
    assert shop.run() == [f"Write Licht, die bleibt in German, {size}" for size in ("banner", "square")]


def test_a_new_product_adds_exactly_its_cells(shop: Shop) -> None:
    lamp = {name for name in shop.plan().cells if "/lamp" in name}
    shop.write("products/clock.yaml", shop.read("products/lamp.yaml").replace("Brass lamp", "Wall clock"))
    assert set(shop.sends()) == {name.replace("/lamp", "/clock") for name in lamp}
    assert len(shop.run()) == 1 + 2 + 4


def test_a_headline_that_is_added_makes_a_skipped_cell_run(shop: Shop) -> None:
    shop.edit("products/vase.yaml", "  en:", "  de: Platz für einen Stiel\n  en:")
    assert shop.sends() == ["headline/vase/square/de", "headline/vase/banner/de"]


def test_a_new_size_adds_its_column(shop: Shop) -> None:
    shop.edit("shared/brand.yaml", "    banner:", "    story: {px: {width: 736, height: 1312}}\n    banner:")
    assert {cell.split("/")[2] for cell in shop.sends()} == {"story"}


def test_a_product_that_goes_takes_its_cells_out_of_the_lock(shop: Shop) -> None:
    (shop.root / "products/vase.yaml").unlink()
    assert shop.run() == []
    assert b"/vase" not in shop.lock()
    assert b"scene/lamp" in shop.lock()


def test_another_picture_under_the_same_path_runs_again(shop: Shop) -> None:
    shop.draw("products/lamp.png", "#000000")
    assert shop.sends()[0] == "scene/lamp"
    assert len(shop.run()) == 1 + 2 + 4


def test_the_same_bytes_under_another_path_do_not(shop: Shop) -> None:
    shop.move("products/lamp.png", "products/photos/front.png")
    shop.edit("products/lamp.yaml", "lamp.png", "photos/front.png")
    assert shop.run() == []


def test_only_what_is_named_runs_with_what_it_needs(shop: Shop) -> None:
    shop.edit("shared/brand.yaml", "soft", "hard")
    assert shop.run(only=("frame/lamp/banner",)) == [
        "Brass lamp on an oak desk, hard morning light",
        "Extend the scene.\n\nDo not redraw Brass lamp, banner.",
    ]


def test_what_is_forced_is_sent_again_alone(shop: Shop) -> None:
    assert shop.run(force=("headline/vase/square/en",)) == ["Write Room for one stem in English, square"]
    assert shop.run() == []


@pytest.mark.parametrize(("written", "same"), [("7.5", True), ("7.50", True), ("75e-1", True), ("8", False)])
def test_a_number_counts_by_its_value(shop: Shop, written: str, *, same: bool) -> None:
    shop.edit("shop.yaml", "guidance_scale: 7.5", f"guidance_scale: {written}")
    assert (shop.sends() == []) is same


@pytest.mark.parametrize(("one", "two"), [("2", "2.0"), ("10", "1e1"), ("3.25", "3.250")])
def test_spellings_of_a_number_are_one_request(tmp_path: Path, wire: Wire, one: str, two: str) -> None:
    made = one_file(
        tmp_path, wire, f"steps: {{a: {{model: blackforestlabs/flux-2, with: {{prompt: x, guidance_scale: {one}}}}}}}\n"
    )
    made.run()
    made.edit("shop.yaml", f"guidance_scale: {one}", f"guidance_scale: {two}")
    assert made.sends() == []


def test_a_default_that_is_written_out_is_another_request(tmp_path: Path, wire: Wire) -> None:
    made = one_file(tmp_path, wire, "steps: {a: {model: blackforestlabs/flux-2, with: {prompt: x}}}\n")
    made.run()
    made.edit("shop.yaml", "prompt: x", "prompt: x, num_images: 1")
    assert made.sends() == ["a"]


def test_a_null_parameter_is_the_same_as_none(tmp_path: Path, wire: Wire) -> None:
    made = one_file(tmp_path, wire, "steps: {a: {model: blackforestlabs/flux-2, with: {prompt: x}}}\n")
    made.run()
    made.edit("shop.yaml", "prompt: x", "prompt: x, seed: null")
    assert made.sends() == []


LINK = "steps: {a: {model: blackforestlabs/flux-2-edit, with: {prompt: x, image_size: square, image_urls: ['URL']}}}\n"


def test_a_url_counts_by_its_text_and_is_not_fetched(tmp_path: Path, wire: Wire) -> None:
    made = one_file(tmp_path, wire, LINK.replace("URL", "https://pictures.example/one.png"))
    assert made.run() == ["x"]
    assert wire.sent[0]["image_urls"] == ["https://pictures.example/one.png"]
    made.edit("shop.yaml", "one.png", "one.png?v=2")
    assert made.sends() == ["a"]


def test_a_picture_made_locally_is_known_by_its_pixels(
    tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = one_file(
        tmp_path,
        wire,
        """
steps:
  small: {model: image/resize, with: {image: products/lamp.png, width: 320}}
  edit: {model: blackforestlabs/flux-2-edit, with: {prompt: x, image_urls: [$small], image_size: square}}
""",
    )
    assert made.run() == ["x"]
    before = made.load().opened.lock.cells["small"].samples[0].images[0]
    other_encoder(monkeypatch)
    assert made.run(force=("small",)) == []
    after = made.load().opened.lock.cells["small"].samples[0].images[0]
    assert (after.sha256 != before.sha256, after.pixels) == (True, before.pixels)
    assert made.run() == []


def test_a_lock_stays_as_it_is_where_the_same_pixels_are_made_again(
    tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh clone, whose library packs pictures in another way."""
    steps = """
steps:
  small: {model: image/resize, with: {image: products/lamp.png, width: 320}}
outputs: {tiny: $small}
"""
    made = one_file(tmp_path / "shop", wire, steps)
    made.run()
    before = made.lock()
    # The lock of a simulated run lies in the state, with the store: only that and what was published goes.
    for name in ("objects", "ledger.db", "published"):
        path = made.root / ".flowrunner" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(made.root / "outputs")
    other_encoder(monkeypatch)
    statuses = [[found.status.value for found in made.result().results.values()] for _ in range(2)]
    assert statuses == [["done"], ["reused"]]
    assert made.lock() == before
    assert list((made.root / "outputs").rglob("tiny.png"))


def other_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on PNG files are packed in another way."""
    save = __import__("PIL.Image").Image.Image.save

    def packed(self: object, place: object, *args: object, **options: object) -> None:
        save(self, place, *args, **{**options, "compress_level": 0, "optimize": False})

    monkeypatch.setattr("PIL.Image.Image.save", packed)
