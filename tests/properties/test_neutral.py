"""What may be written in another way, moved or renamed without making anything again."""

import json
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis.strategies import DataObject, data, permutations, sampled_from
from rewritten import rewritten
from shop import FILES, Shop, one_file, open_shop
from wire import Wire

from flowrunner.planning import Decision, Plan

Keys = dict[str, tuple[str | None, ...]]
pytestmark = pytest.mark.slow

YAML = ("shop.yaml", "shared/brand.yaml", "products/lamp.yaml", "products/vase.yaml")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop that was run, for tests that put its files back."""
    with pytest.MonkeyPatch.context() as patch:
        wire = Wire()
        patch.setattr("flowrunner.simulator.transport.transport", lambda *_: wire)
        shop = open_shop(tmp_path_factory.mktemp("made"), wire)
        shop.run()
        yield shop


@pytest.fixture(scope="module")
def locked(made: Shop) -> Keys:
    return keys(made.plan())


def keys(found: Plan) -> Keys:
    return {name: tuple(call.key for call in cell.calls) for name, cell in found.cells.items()}


def unchanged(shop: Shop, before: Keys) -> bool:
    """Nothing is sent, and every request is what it was."""
    found = shop.plan()
    return keys(found) == before and not found.of(Decision.RUN, Decision.AWAIT, Decision.MISSING)


@settings(max_examples=40)
@given(data())
def test_files_may_be_written_in_another_way(made: Shop, locked: Keys, data: DataObject) -> None:
    try:
        for name in YAML:
            made.write(name, data.draw(rewritten(FILES[name]), label=name))
        assert unchanged(made, locked)
    finally:
        for name in YAML:
            made.write(name, FILES[name])


COLUMNS = {"locale": ("en", "de"), "language": ("English", "German"), "note": ("first", "second, and last")}


@settings(max_examples=20)
@given(data())
def test_rows_and_columns_of_a_table_may_change_places(made: Shop, locked: Keys, data: DataObject) -> None:
    columns = data.draw(permutations(list(COLUMNS)))
    rows = data.draw(permutations([0, 1]))
    quote = data.draw(sampled_from(("", '"')))
    table = [columns, *([COLUMNS[name][row] for name in columns] for row in rows)]
    text = "".join(
        ",".join(f'"{cell}"' if "," in cell else quote + cell + quote for cell in row) + "\n" for row in table
    )
    try:
        made.write("shared/locales.csv", text)
        assert unchanged(made, locked)
    finally:
        made.write("shared/locales.csv", FILES["shared/locales.csv"])


def edits(*changes: tuple[str, str, str]) -> Callable[[Shop], None]:
    """Each a file, the text in it that goes, and what comes in its place."""

    def change(shop: Shop) -> None:
        for name, old, new in changes:
            shop.edit(name, old, new)

    return change


def to(old: str, new: str, name: str = "shop.yaml") -> Callable[[Shop], None]:
    return edits((name, old, new))


def file(name: str, text: str) -> Callable[[Shop], None]:
    return lambda shop: shop.write(name, text)


def crlf(shop: Shop) -> None:
    for name in FILES:
        shop.write(name, shop.read(name).replace("\n", "\r\n"))


def byte_order_mark(shop: Shop) -> None:
    for name in (*YAML, "shared/locales.csv", "prompts/frame.md"):
        shop.write(name, "\ufeff" + shop.read(name))


def moved_data(shop: Shop) -> None:
    shop.move("products", "catalogue/spring/products")
    shop.move("shared/locales.csv", "catalogue/languages.csv")
    shop.move("prompts/frame.md", "texts/extend.md")
    shop.edit("shop.yaml", "products/*.yaml", "catalogue/spring/products/*.yaml")
    shop.edit("shop.yaml", "shared/locales.csv", "catalogue/languages.csv")
    shop.edit("shop.yaml", "prompts/frame.md", "texts/extend.md")


TEXT = '"Extend the scene.\\n\\nDo not redraw {{ axis.product.name }}, {{ axis.size.id }}."'
SIZES = "{square: {px: {width: 1024, height: 1024}}, banner: {px: {width: 1920, height: 608}}}"


def into_the_pipeline(shop: Shop) -> None:
    """A prompt file's text, and what the include brings."""
    shop.edit("shop.yaml", "{file: prompts/frame.md}", TEXT)
    shop.edit("shop.yaml", "include: [shared/brand.yaml]\n", "vars: {light: soft morning light}\n")
    shop.edit("shop.yaml", "axes:\n", f"axes:\n  size: {SIZES}\n")


def sizes_as_json(shop: Shop) -> None:
    shop.write("shared/sizes.json", json.dumps(yaml.safe_load(SIZES)))
    shop.edit("shop.yaml", "axes:\n", "axes:\n  size: {from: shared/sizes.json}\n")


def steps_in_another_order(shop: Shop) -> None:
    head, frame, rest = shop.read("shop.yaml").partition("  frame:\n")
    body, headline, tail = rest.partition("  headline:\n")
    begin, steps, scene = head.partition("steps:\n")
    shop.write("shop.yaml", begin + steps + headline + tail + frame + body + scene)


NEUTRAL: dict[str, Callable[[Shop], None]] = {
    "a comment": to("steps:\n", "steps:\n  # what costs money\n"),
    "a description of the pipeline": to("axes:\n", "description: For spring\naxes:\n"),
    "a description of a step": to("  frame:\n", "  frame:\n    description: In each size\n"),
    "the pipeline's name": to("axes:\n", "name: Spring in the shop\naxes:\n"),
    "the provider said by each step": edits(
        ("shop.yaml", "provider: aimlapi\n", ""), ("shop.yaml", "    model:", "    provider: aimlapi\n    model:")
    ),
    "a timeout": to("  frame:\n", "  frame:\n    timeout: 90\n"),
    "a budget": to("axes:\n", "budget: {max_usd: 9}\naxes:\n"),
    "another step to wait for": to("  headline:\n", "  headline:\n    after: scene\n"),
    "settings": file("flowrunner.toml", "[providers.aimlapi]\nconcurrency = 2\nrequests_per_minute = 3000\n"),
    "a price": file(
        "flowrunner.toml", '[prices]\n"aimlapi:blackforestlabs/flux-2-edit" = {per = "image", first = "0.5"}\n'
    ),
    "an output": to("steps:\n", "outputs: {all: $frame.*}\nsteps:\n"),
    "a parameter from the defaults": edits(
        ("shop.yaml", "      guidance_scale: 7.5\n", ""),
        ("shop.yaml", "steps:\n", "defaults: {with: {guidance_scale: 7.5}}\nsteps:\n"),
        ("shop.yaml", "      prompt: Write", "      guidance_scale: null\n      prompt: Write"),
    ),
    "an input whose default is the same words": edits(
        ("shop.yaml", "axes:\n", "inputs: {mood: {default: Write}}\naxes:\n"),
        ("shop.yaml", "prompt: Write {{", 'prompt: "{{ inputs.mood }} {{'),
        ("shop.yaml", "{{ axis.size.id }}\n", '{{ axis.size.id }}"\n'),
    ),
    "an unused axis": to("axes:\n", "axes:\n  season: [spring, autumn]\n"),
    "an unused field": to("name:", "sku: 007\nname:", "products/lamp.yaml"),
    "line ends of Windows": crlf,
    "byte order marks": byte_order_mark,
    "data in other folders": moved_data,
    "data in the pipeline": into_the_pipeline,
    "data as JSON": sizes_as_json,
    "steps in another order": steps_in_another_order,
}


@pytest.mark.parametrize("change", NEUTRAL.values(), ids=NEUTRAL)
def test_it_makes_nothing_again(shop: Shop, change: Callable[[Shop], object]) -> None:
    before = keys(shop.plan())
    change(shop)
    assert unchanged(shop, before)
    assert shop.run() == []


def test_letters_may_be_composed_or_not(shop: Shop) -> None:
    shop.edit("products/lamp.yaml", "Brass lamp", "Lämpchen")
    shop.run()
    composed = shop.read("products/lamp.yaml")
    shop.write("products/lamp.yaml", unicodedata.normalize("NFD", composed))
    assert shop.read("products/lamp.yaml") != composed
    assert shop.run() == []


def test_the_whole_project_may_move(shop: Shop, tmp_path: Path) -> None:
    moved = Shop(tmp_path / "elsewhere" / "shop", shop.wire)
    shutil.move(shop.root, moved.root)
    assert moved.run() == []


def test_the_pipeline_may_have_another_name(shop: Shop) -> None:
    before = shop.lock()
    shop.move("shop.yaml", "spring.yaml")
    assert shop.run("spring.yaml") == []
    assert shop.lock("spring.yaml") == before


def test_the_pipeline_may_move_and_finds_what_was_done(shop: Shop) -> None:
    lock = shop.load().opened.lock_file.path
    shop.move("shop.yaml", "campaigns/spring.yaml")
    for name in ("shared", "products", "prompts"):
        shop.edit("campaigns/spring.yaml", f"{name}/", f"../{name}/")
    assert shop.run("campaigns/spring.yaml") == []
    assert shop.lock("campaigns/spring.yaml") == lock.read_bytes()


def test_a_renamed_step_keeps_its_results(shop: Shop) -> None:
    shop.edit("shop.yaml", "  scene:\n", "  photo:\n")
    shop.edit("shop.yaml", "$scene", "$photo")
    assert shop.run() == []
    assert b"photo/lamp" in shop.lock()
    assert b"scene/lamp" not in shop.lock()


GATHER = """
axes:
  colour: [red, green, blue]
steps:
  swatch:
    across: colour
    model: blackforestlabs/flux-2
    with: {prompt: "a {{ axis.colour }} square", seed: 1}
  mixed: {model: blackforestlabs/flux-2-edit, with: {prompt: mix, image_urls: $swatch.*, image_size: square}}
"""


def test_another_order_of_an_axis_runs_only_what_gathers_over_it(tmp_path: Path, wire: Wire) -> None:
    made = one_file(tmp_path, wire, GATHER)
    assert len(made.run()) == 4
    made.edit("shop.yaml", "[red, green, blue]", "[green, red, blue]")
    assert made.sends() == ["mixed"]
    assert made.run() == ["mix"]
