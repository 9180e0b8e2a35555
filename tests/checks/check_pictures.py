"""Pictures for checks, and a check on one."""

import io
from typing import Any

from PIL import Image, ImageDraw

from flowrunner.artifact import Artifact
from flowrunner.binding import BoundCheck
from flowrunner.checks.measures import Measured, Subject, measure
from flowrunner.imagehead import artifact
from flowrunner.imaging.picture import decode
from flowrunner.pipeline import Level
from flowrunner.source import Source, Span

NOWHERE = Span(Source("show.yaml", ""), 0, 0)


class Album:
    """Pictures by their digest."""

    def __init__(self) -> None:
        self.bytes: dict[str, bytes] = {}
        self.asked = 0

    def put(self, image: Image.Image, kind: str = "PNG", **more: Any) -> Artifact:
        out = io.BytesIO()
        image.save(out, kind, **more)
        made = artifact(out.getvalue())
        self.bytes[made.sha256] = out.getvalue()
        return made

    def read(self, one: Artifact) -> bytes:
        self.asked += 1
        return self.bytes[one.sha256]

    def subject(self, one: Artifact) -> Subject:
        return Subject(artifact=one, read=self.read, decoded=lambda other: decode(self.read(other)))


def scene(size: tuple[int, int] = (40, 30), spot: tuple[int, int, int, int] | None = None) -> Image.Image:
    """Something to see; a white spot covers left, top, right, bottom (exclusive) of it."""
    image = Image.new("RGB", size)
    for x in range(size[0]):
        for y in range(size[1]):
            image.putpixel((x, y), (x * 255 // size[0], y * 255 // size[1], (x * y) % 200))
    if spot:
        ImageDraw.Draw(image).rectangle((spot[0], spot[1], spot[2] - 1, spot[3] - 1), fill=(255, 255, 255))
    return image


def check(name: str, level: Level = Level.FAIL, **params: Any) -> BoundCheck:
    return BoundCheck(name=name, level=level, params=params, span=NOWHERE)


def found(image: Image.Image, name: str, **params: Any) -> Measured:
    """What a check finds of a picture; other pictures among the parameters are stored first."""
    album = Album()
    given = {key: album.put(value) if isinstance(value, Image.Image) else value for key, value in params.items()}
    return measure(name, given, album.subject(album.put(image)))


def words(image: Image.Image, name: str, **params: Any) -> tuple[bool, str]:
    measured = found(image, name, **params)
    return measured.holds, measured.words
