"""What tests of local operations share: pictures, calls, and what comes of them."""

import io
from typing import Any

import pytest
from PIL import Image

from flowrunner import imagehead
from flowrunner.artifact import Artifact
from flowrunner.call import Call, File, Input
from flowrunner.digest import sha256
from flowrunner.providers.image import ADAPTER, NAME, OperationError, output_size, perform

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
STORE: dict[str, bytes] = {}


def put(image: Image.Image, kind: str = "PNG") -> Artifact:
    out = io.BytesIO()
    image.save(out, kind)
    made = imagehead.artifact(out.getvalue())
    STORE[made.sha256] = out.getvalue()
    return made


def read(leaf: Input) -> bytes:
    assert isinstance(leaf, Artifact | File)
    return STORE[leaf.sha256]


def call(operation: str, *, simulated: bool = False, **params: Any) -> Call:
    return Call(provider=NAME, model=f"image/{operation}", adapter=ADAPTER, params=params, simulated=simulated)


def done(operation: str, **params: Any) -> Image.Image:
    data, made = perform(call(operation, **params), read)
    image = Image.open(io.BytesIO(data))
    assert (made.sha256, made.bytes) == (sha256(data), len(data))
    assert (made.width, made.height) == image.size
    assert output_size(f"image/{operation}", params, size) == image.size
    return image


def size(leaf: Input) -> tuple[int, int] | None:
    return (leaf.width, leaf.height) if isinstance(leaf, Artifact) else None


def refusal(operation: str, **params: Any) -> str:
    with pytest.raises(OperationError) as caught:
        perform(call(operation, **params), read)
    return caught.value.message


def flat(color: Any, size: tuple[int, int] = (40, 20), mode: str = "RGB") -> Artifact:
    return put(Image.new(mode, size, color))


def quarters(size: tuple[int, int] = (40, 20)) -> Artifact:
    """Red, green, blue, white: left top, right top, left bottom, right bottom."""
    image = Image.new("RGB", size, WHITE)
    wide, high = size[0] // 2, size[1] // 2
    for color, place in ((RED, (0, 0)), (GREEN, (wide, 0)), (BLUE, (0, high))):
        image.paste(color, (*place, place[0] + wide, place[1] + high))
    return put(image)


def corners(image: Image.Image) -> list[Any]:
    right, bottom = image.width - 1, image.height - 1
    return [image.getpixel(xy) for xy in ((0, 0), (right, 0), (0, bottom), (right, bottom))]
