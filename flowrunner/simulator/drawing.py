"""A simulated picture: what it depends on, its bytes, and what it hands on to the pictures that are made from it.

The same frame gives the same bytes, in any process. An edit keeps the scene of its first input, moves its colours on
and adds a balloon, so that a chain of edits can be followed by eye.
"""

import io
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

from flowrunner.decoding import Undecodable, decoded, know_webp, strict
from flowrunner.digest import canonical
from flowrunner.imagehead import BadImage, mark, simulated
from flowrunner.imageparts import PNG_BEGIN
from flowrunner.simulator.canvas import Canvas
from flowrunner.simulator.card import Card, Contact, Facts
from flowrunner.simulator.chance import Chance
from flowrunner.simulator.palette import Inks, inks, tone
from flowrunner.simulator.scenes import SCENES, balloon, suited
from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from PIL.Image import Image

_NOTE = 0x010E
"""The EXIF tag ImageDescription: it carries a picture's lineage to the edits of it."""
_TOKENS = re.compile("[0-9a-f]{16}( [0-9a-f]{16}){0,99}")
_GENERATIONS = 100
_BALLOONS = 6
_FORMATS = {"image/jpeg": "JPEG", "image/webp": "WEBP"}


@dataclass(frozen=True, slots=True)
class Seen:
    """An input picture whose bytes are at hand."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Unseen:
    """An input picture that lies elsewhere: an offline simulator does not fetch it."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """All that one picture depends on. `quality`, 0..100, is that of JPEG and WEBP."""

    token: str
    """A digest of the request and of the picture's place in it: where all choices come from."""
    model: str
    prompt: str
    width: int
    height: int
    media_type: str
    seed: float | None = None
    number: int = 1
    count: int = 1
    inputs: tuple[Seen | Unseen, ...] = ()
    quality: int = 90


@dataclass(frozen=True, slots=True)
class _Lineage:
    """The scene that a picture shows, and the tokens it grew from: that of its layout, then one of each edit."""

    scene: str
    tokens: tuple[str, ...]

    @property
    def note(self) -> str:
        return f"simulated by flowrunner; {self.scene}; {' '.join(self.tokens)}"

    @property
    def edits(self) -> int:
        return len(self.tokens) - 1

    def edited(self, token: str) -> "_Lineage":
        return _Lineage(self.scene, (*self.tokens, token)[:_GENERATIONS])

    @classmethod
    def read(cls, note: object) -> "_Lineage | None":
        """None for a note that `note` did not write."""
        match str(note).split("; "):
            case ["simulated by flowrunner", scene, tokens] if scene in SCENES and _TOKENS.fullmatch(tokens):
                return cls(scene, tuple(tokens.split()))
        return None


def draw(frame: Frame) -> bytes:
    """The encoded picture, with the mark of a simulated one. BadImage for an input that cannot be read."""
    chance = Chance(frame.token)
    contacts = tuple(
        Contact(opened(source.data)) if isinstance(source, Seen) else Contact(None, source.url)
        for source in frame.inputs
    )
    first = contacts[0].picture if contacts else None
    lineage = _lineage(frame, first, chance)
    palette = inks(frame.prompt, chance, tone(first) if first else None)
    card = Card(frame.width, frame.height, palette)
    card.lay_scene(_scenery(card.scene_size, lineage, palette, chance))
    card.lay_contacts(contacts)
    card.write(frame.prompt, Facts(frame.model, tuple(_facts(frame, lineage.edits))))
    card.stamp()
    return _encoded(card.image, frame, lineage)


def opened(data: bytes) -> "Image":
    """A picture, upright and opaque. BadImage for bytes that are not a whole PNG, JPEG or WEBP of sane size, or that
    cannot be decoded."""
    from PIL import Image

    try:
        shown = decoded(data)
    except Undecodable as fault:
        raise BadImage(fault.message) from fault
    if shown.has_transparency_data:
        shown = shown.convert("RGBA")
        flat = Image.new("RGB", shown.size, "white")
        flat.paste(shown, mask=shown)
    else:
        flat = shown.convert("RGB")
    flat.info["note"] = _noted(data)
    return flat


def _noted(data: bytes) -> Any:
    """What a drawing of ours says of itself; metadata that cannot be read is none of ours."""
    from PIL import Image

    if not simulated(data):
        return None
    know_webp()
    try:
        with strict():
            return Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")).getexif().get(_NOTE)
    except Exception:  # noqa: BLE001 - whatever stands in a stranger's metadata
        return None


def _lineage(frame: Frame, first: "Image | None", chance: Chance) -> _Lineage:
    token = frame.token[:16]
    before = _Lineage.read(first.info["note"]) if first else None
    if before is None:
        before = _Lineage(suited(frame.prompt, chance), (token,))
    return before.edited(token) if frame.inputs else before


def _scenery(size: tuple[int, int], lineage: _Lineage, palette: Inks, chance: Chance) -> "Image":
    canvas = Canvas(*size)
    layout, *edits = lineage.tokens
    SCENES[lineage.scene](canvas, palette, Chance(layout))
    for number, edit in enumerate(edits[-_BALLOONS:]):
        balloon(canvas, palette, (palette.accent, palette.layers[2])[number % 2], Chance(f"{edit}/balloon"))
    return canvas.printed(palette.grain, chance)


def _facts(frame: Frame, edits: int) -> list[str]:
    facts = [f"edit {edits}"] if edits else []
    facts += [f"{frame.number} of {frame.count}"] if frame.count > 1 else []
    facts += ["no seed" if frame.seed is None else f"seed {canonical(frame.seed)}"]
    return [*facts, f"{frame.width} x {frame.height}"]


def _encoded(image: "Image", frame: Frame, lineage: _Lineage) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[_NOTE] = lineage.note
    if frame.media_type == "image/png":
        return mark(_png(image, exif.tobytes().removeprefix(b"Exif\0\0")))
    know_webp()
    buffer = io.BytesIO()
    options = {"method": 1} if frame.media_type == "image/webp" else {}
    image.save(buffer, _FORMATS[frame.media_type], exif=exif, quality=frame.quality, **options)
    return mark(buffer.getvalue())


def _png(image: "Image", exif: bytes) -> bytes:
    """An RGB picture whose rows are left unfiltered: of flat colours that makes a smaller file than Pillow's choice of
    a filter for each row, in a third of the time, and a simulated run waits for its pictures."""
    width, height = image.size
    pixels, row = memoryview(image.tobytes()), 3 * width
    rows = b"".join(part for at in range(0, height * row, row) for part in (b"\0", pixels[at : at + row]))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"eXIf", exif), (b"IDAT", zlib.compress(rows, 2)), (b"IEND", b""))
    return PNG_BEGIN + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
