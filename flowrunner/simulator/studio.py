"""Making the pictures of a valid request: finding its inputs, its size and its format, and drawing.

Two requests of the same content give the same pictures, whether an input comes as a URL of the simulator's own, as a
data URI or as an asset.
"""

import base64
import binascii
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.artifact import SUFFIXES
from flowrunner.catalog.model import Model
from flowrunner.digest import sha256, tagged
from flowrunner.imagehead import BadImage, head
from flowrunner.simulator.drawing import Frame, Seen, Unseen, draw
from flowrunner.simulator.shelf import Shelf, Thing
from flowrunner.simulator.wire import Rejected
from flowrunner.slotted import dataclass, replace

ORIGIN = "https://cdn.simulated.invalid"
"""Where pictures lie that are served in process: a host that no network has (RFC 6761)."""
FILES = "/files/"
_OWN = re.compile(r"https?://[^/?#]*/files/([0-9a-f]{64}\.[a-z]+)(?=[?#]|$)", re.IGNORECASE)
_DATA = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)
# As 1min.ai stamps what is uploaded to it: development/images/2025_12_04_18_10_29_882_cat.png. Keys of our own begin
# with a digest.
_STAMPED = re.compile(r"([^/]+/)*images/\d{4}(_\d+)+_[^/]+")
_LANDSCAPE = (1024, 768)
# AIML API publishes no pixels for its names; these are those of the service whose names they are (fal's image sizes).
_NAMED: Mapping[str, tuple[int, int]] = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": _LANDSCAPE,
    "landscape_16_9": (1024, 576),
}
_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "jpg": "image/jpeg", "webp": "image/webp"}
_FORM = ("output_format", "output_quality")
_LONGEST = 4096
"""Pixels of a side that are drawn at most, whatever a model's schema allows."""
_RATIO = re.compile(r"([1-9]\d?):([1-9]\d?)")


@dataclass(frozen=True, slots=True)
class Taken:
    """The pictures of one call by name, their size, and those of the inputs (None for one that lies elsewhere)."""

    names: tuple[str, ...]
    size: tuple[int, int]
    inputs: tuple[tuple[int, int] | None, ...]


class Studio:
    """Draws pictures and keeps them. `origin` is where they are served from."""

    def __init__(self, origin: str = ORIGIN) -> None:
        self.origin = origin
        self.shelf = Shelf()

    def url(self, name: str) -> str:
        return f"{self.origin}{FILES}{name}"

    def keep(self, data: bytes, media_type: str) -> str:
        """Puts a picture on the shelf; gives its name, which says its content."""
        name = f"{sha256(data)}.{SUFFIXES[media_type]}"
        self.shelf.put(name, Thing(data, media_type))
        return name

    def alias(self, name: str, other: str) -> str:
        """Puts a picture of the shelf under another name as well; gives that name."""
        thing = self.shelf.get(name)
        if thing:
            self.shelf.put(other, thing)
        return other

    def take(self, model: Model, params: Mapping[str, Any], sample: str = "") -> Taken:
        """The pictures of a request that the model's schema accepts; `sample` tells equal requests apart. Rejected for
        an input that cannot be read."""
        sources = {text: self._source(place, text) for place, text in _images(model, params)}
        inputs = tuple(sources[text] for _, text in _images(model, params))
        sizes = tuple(_measured(source) for source in inputs)
        frame = _frame(model, params, inputs, _size(model, params, sizes))
        token = tagged(
            "simulated/1", [model.provider, model.id, _content(model, params, sources), *filter(None, [sample])]
        )
        names = tuple(self._drawn(_numbered(frame, token, number)) for number in range(1, frame.count + 1))
        return Taken(names, (frame.width, frame.height), sizes)

    def _drawn(self, frame: Frame) -> str:
        try:
            return self.keep(draw(frame), frame.media_type)
        except BadImage as fault:
            raise Rejected(f"an input image cannot be read: {fault}") from fault

    def _source(self, place: str, text: str) -> Seen | Unseen:
        """What an image field holds: a data URI, a URL of our own or of another host, or the key of an asset of our own
        or of the provider's. Nobody here sees what lies elsewhere."""
        if text[:5].lower() == "data:":
            return Seen(_decoded(place, text))
        thing = self.shelf.get(_shelved(text))
        if thing:
            return Seen(thing.data)
        if not _is_url(text) and not _STAMPED.fullmatch(text):
            raise Rejected(f"{place}: no asset {text[:200]!r} is here")
        if text.startswith((f"{self.origin}{FILES}", f"{ORIGIN}{FILES}")):
            raise Rejected(f"{place}: the picture at {text[:200]} is not here any more")
        return Unseen(text)


def _images(model: Model, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The image fields that are filled, in the order of the model's file: where, and with what."""
    for name in model.images:
        value = params.get(name)
        if isinstance(value, list):
            yield from ((f"{name}.{at}", text) for at, text in enumerate(value) if isinstance(text, str))
        elif isinstance(value, str):
            yield name, value


def _shelved(text: str) -> str:
    """The name under which the shelf would hold what the text names."""
    own = _OWN.match(text)
    return own[1] if own else text


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _decoded(place: str, uri: str) -> bytes:
    begin = _DATA.match(uri)
    if not begin:
        raise Rejected(f"{place}: a data URI of an image begins with data:image/…;base64,")
    try:
        return base64.b64decode(uri[begin.end() :], validate=True)
    except binascii.Error as fault:
        raise Rejected(f"{place}: the data URI is not base64: {fault}") from fault


def _measured(source: Seen | Unseen) -> tuple[int, int] | None:
    if isinstance(source, Unseen):
        return None
    try:
        seen = head(source.data)
    except BadImage as fault:
        raise Rejected(f"an input image cannot be read: {fault}") from fault
    return seen.width, seen.height


def _frame(model: Model, params: Mapping[str, Any], inputs: tuple[Seen | Unseen, ...], size: tuple[int, int]) -> Frame:
    return Frame(
        token="",
        model=str(model.send.get("model", model.id)),
        prompt=str(params.get("prompt", "")),
        width=size[0],
        height=size[1],
        media_type=_media_type(str(_asked(model, params, "output_format", "png"))),
        quality=round(_asked(model, params, "output_quality", 90)),
        seed=params.get(model.seed) if model.seed else None,
        count=int(_asked(model, params, model.count, 1)) if model.count else 1,
        inputs=inputs,
    )


def _media_type(asked: str) -> str:
    if asked not in _TYPES:
        raise Rejected(f"output_format: the simulator draws {', '.join(_TYPES)}, not {asked[:40]}")
    return _TYPES[asked]


def _numbered(frame: Frame, token: str, number: int) -> Frame:
    """One picture of a call: the seed counts up with it, as over several calls; without one the number tells."""
    seed = None if frame.seed is None else frame.seed + number - 1
    own = tagged("picture/1", [token, number if seed is None else "seed", seed])
    return replace(frame, token=own, seed=seed, number=number)


def _content(model: Model, params: Mapping[str, Any], sources: Mapping[str, Seen | Unseen]) -> dict[str, Any]:
    """What the pictures follow from: all parameters but how many there are and how they are encoded."""
    names = {text: sha256(found.data) if isinstance(found, Seen) else found.url for text, found in sources.items()}
    content = {name: value for name, value in params.items() if name not in {model.count, model.seed, *_FORM}}
    for name in model.images:
        value = content.get(name)
        content[name] = [names.get(text) for text in value] if isinstance(value, list) else names.get(str(value))
    return content


def _asked(model: Model, params: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    """A parameter's value, else its published default."""
    return params.get(name, model.parameters.get(name, {}).get("default", otherwise))


def _size(model: Model, params: Mapping[str, Any], inputs: tuple[tuple[int, int] | None, ...]) -> tuple[int, int]:
    if model.size:
        asked = _asked(model, params, model.size, "landscape_4_3")
        width, height = _NAMED[asked] if isinstance(asked, str) else _sides(asked)
        if max(width, height) > _LONGEST:
            raise Rejected(f"{model.size}: the simulator draws up to {_LONGEST} pixels a side")
        return width, height
    ratio = str(_asked(model, params, "aspect_ratio", "1:1"))
    if ratio == "match_input_image":
        return _bounded(inputs[0]) if inputs and inputs[0] else (1024, 1024)
    parts = _RATIO.fullmatch(ratio)
    shape = math.sqrt(int(parts[1]) / int(parts[2])) if parts else 1.0
    return _rounded(1024 * shape), _rounded(1024 / shape)


def _sides(asked: Mapping[str, int]) -> tuple[int, int]:
    return int(asked.get("width", _LANDSCAPE[0])), int(asked.get("height", _LANDSCAPE[1]))


def _bounded(size: tuple[int, int]) -> tuple[int, int]:
    """An input's size, made smaller as a whole where it has more than 2048 pixels a side."""
    scale = min(1.0, 2048 / max(size))
    return max(16, round(size[0] * scale)), max(16, round(size[1] * scale))


def _rounded(side: float) -> int:
    return max(1, round(side / 16)) * 16
