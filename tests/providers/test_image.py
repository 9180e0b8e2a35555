"""The provider of local operations: one picture for a call, the same each time; and sizes beforehand."""

import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from image_calls import (
    BLUE,
    RED,
    STORE,
    call,
    done,
    flat,
    quarters,
    read,
    size,
)
from PIL import Image

from flowrunner import imagehead
from flowrunner.call import Link
from flowrunner.imaging.geometry import Gravity
from flowrunner.providers.image import OperationError, output_size, perform, sheet

SCHEMAS = Path(__file__).parents[2] / "schemas" / "image" / "image"


def examples() -> dict[str, dict[str, Any]]:
    image = quarters()
    return {
        "resize": {"image": image, "width": 13},
        "crop": {"image": image, "box": [0.1, 0.1, 0.9, 0.9]},
        "pad": {"image": image, "width": 50, "height": 50},
        "convert": {"image": image, "format": "webp"},
        "composite": {"base": image, "overlay": flat(RED, (5, 5)), "feather": 2},
        "mask": {"like": image, "ellipse": [0, 0, 1, 1], "feather": 3},
        "annotate": {"image": image, "text": "Hi"},
        "key-color": {"image": image, "color": "#ffffff"},
        "contact-sheet": {"images": [image, image, image], "labels": ["a b", "c", "d"], "title": "Sheet"},
    }


@pytest.mark.parametrize("operation", examples())
def test_equal_calls_give_equal_bytes_in_any_thread(operation: str) -> None:
    made = call(operation, **examples()[operation])
    with ThreadPoolExecutor(4) as threads:
        assert len({data for data, _ in threads.map(lambda _: perform(made, read), range(8))}) == 1


@pytest.mark.parametrize("operation", examples())
def test_a_simulated_result_carries_the_mark_and_has_the_same_pixels(operation: str) -> None:
    params = examples()[operation]
    live, simulated = (perform(call(operation, simulated=flag, **params), read) for flag in (False, True))
    assert imagehead.simulated(simulated[0])
    assert not imagehead.simulated(live[0])
    assert simulated[1].pixels == live[1].pixels
    assert simulated[1].sha256 != live[1].sha256


@pytest.mark.parametrize("operation", examples())
def test_the_size_is_known_beforehand(operation: str) -> None:
    params = examples()[operation]
    assert output_size(f"image/{operation}", params, size) == done(operation, **params).size
    if operation not in {"mask", "pad"}:
        assert output_size(f"image/{operation}", params, lambda _: None) is None


@pytest.mark.parametrize("operation", examples())
def test_a_broken_input_is_refused(operation: str) -> None:
    with pytest.raises(OperationError, match="not an image: it begins with '<html>'"):
        perform(call(operation, **examples()[operation]), lambda _: b"<html>")


@pytest.mark.parametrize("operation", examples())
def test_every_operation_has_its_schema_and_takes_no_other_parameter(operation: str) -> None:
    schema = json.loads((SCHEMAS / f"{operation}.json").read_text("utf-8"))
    assert schema["id"] == f"image/{operation}"
    assert set(examples()[operation]) <= set(schema["request"]["properties"])
    gravity = schema["request"]["properties"].get("gravity")
    assert gravity is None or sorted(gravity["enum"]) == sorted(Gravity)


def test_every_schema_has_its_operation() -> None:
    assert {file.stem for file in SCHEMAS.glob("*.json")} == set(examples())


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("resize", {"image": flat(RED), "width": "wide"}),
        ("resize", {"image": flat(RED), "width": -3}),
        ("resize", {"image": flat(RED), "fit": "best", "width": 3}),
        ("crop", {"image": flat(RED), "box": [0, 1]}),
        ("crop", {"image": flat(RED)}),
        ("contact-sheet", {"images": []}),
        ("contact-sheet", {"images": [flat(RED)], "cell": "large"}),
        ("contact-sheet", {"images": [flat(RED)], "columns": 10**6}),
        ("mask", {"width": 10**6, "height": 10**6}),
    ],
)
def test_the_size_of_what_cannot_be_made_is_not_known(operation: str, params: dict[str, Any]) -> None:
    assert output_size(f"image/{operation}", params, size) is None


def test_bytes_of_links_come_from_whoever_fetched_them() -> None:
    data = STORE[flat(RED).sha256]
    made = perform(call("resize", image=Link("https://example.com/a.png"), width=10), lambda _: data)[1]
    assert (made.width, made.height) == (10, 5)


def test_the_sheet_to_pick_from_is_a_png_of_all_candidates() -> None:
    pictures = [("1", STORE[flat(RED, (300, 300)).sha256]), ("3", STORE[flat(BLUE, (300, 300)).sha256])]
    image = Image.open(io.BytesIO(sheet(pictures, "scene/lamp: choose one of 3")))
    colors = {color for _, color in image.getcolors(1 << 20) or []}
    assert image.format == "PNG"
    assert {RED, BLUE} <= colors


def test_pillow_is_not_loaded_to_plan() -> None:
    code = (
        "import sys; from flowrunner.providers import image\n"
        "assert image.output_size('image/mask', {'width': 3, 'height': 2}, lambda leaf: None) == (3, 2)\n"
        "assert 'PIL' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
