"""Reading the cells of a lock as they were last written: ten times as fast as YAML.

What is read here is written again and compared. Only a text that is to the letter what the writer makes of it counts;
an edit by hand or a merge is left to `lockread`, which knows YAML, and tells what is wrong.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from flowrunner import money
from flowrunner.artifact import SUFFIXES, Artifact
from flowrunner.loading.scalars import clean, meant
from flowrunner.store.locked import LockedCell, LockedSample
from flowrunner.store.locktext import flow, ordered, text, written

_DIGEST = "[0-9a-f]{64}"
_CELL = re.compile(
    rf"  (.+):\n    model: (.+)\n    with: (\{{.*\}})\n"
    rf"    samples:\n((?:      - .+\n)+)    key: ({_DIGEST})\n    # end of \1\n"
)
_SAMPLE = re.compile(rf'      - \{{images: \[(.*)\](?:, paid_usd: "([0-9.]+)")?, key: ({_DIGEST})\}}')
_SIDE = "[1-9][0-9]{0,6}"
_IMAGE = re.compile(
    rf"\{{sha256: ({_DIGEST}), type: ([a-z/]+), size: ({_SIDE})x({_SIDE})"
    rf"(?:, bytes: ([1-9][0-9]{{0,11}}))?(?:, pixels: sha256:({_DIGEST}))?\}}(?:, (?=\{{)|\Z)"
)
_QUOTED = re.compile(r"0b|[0-9]+(?:e[0-9]+)?\Z")
"""Digests that another YAML reader takes for numbers."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]|, |: |(?:[^,:"\[\]{}]|:(?! ))+')
_ESCAPE = re.compile(r"\\(?:x(..)|u(....)|U(.{8})|(.))")
_NAMED = {"n": "\n", "t": "\t", "r": "\r"}
_HEX = re.compile(_DIGEST)
_SIZE = re.compile(rf"({_SIDE})x({_SIDE})")
_END = "\n    # end of "
_DEEP = 64


class _Otherwise(Exception):
    """The text is not what the writer makes."""


def cells(lines: str) -> dict[str, LockedCell] | None:
    """The cells that the lines below `cells:` hold; None where these are not to the letter as they were written."""
    found: dict[str, LockedCell] = {}
    at, last = 0, ""
    try:
        while at < len(lines):
            cell, at = _usual(lines, at) or _any(lines, at)
            _demand(cell.cell > last)
            found[cell.cell], last = cell, cell.cell
    except (_Otherwise, StopIteration, ValueError, LookupError, TypeError, AttributeError):
        return None
    return found


def _usual(lines: str, at: int) -> tuple[LockedCell, int] | None:
    """The cell that begins at a place, and where the next one does. What the patterns take is to the letter what the
    writer makes, but for the texts, which are written again; None where they do not take it."""
    found = _CELL.match(lines, at)
    if found is None or _QUOTED.match(found[5]):
        return None
    with_ = _flow(found[3], "")
    samples = list(map(_usual_sample, found[4][:-1].split("\n")))
    sound = tuple(sample for sample in samples if sample is not None)
    if len({sample.key for sample in sound}) < len(samples) or flow(ordered(with_)) != found[3]:
        return None
    cell = LockedCell(cell=_as_text(found[1]), model=_usual_text(found[2]), with_=with_, samples=sound, key=found[5])
    return cell, found.end()


def _usual_sample(line: str) -> LockedSample | None:
    found = _SAMPLE.fullmatch(line)
    if found is None or _QUOTED.match(found[3]):
        return None
    images, at = [], 0
    while at < len(found[1]):
        image = _IMAGE.match(found[1], at)
        if image is None or image[2] not in SUFFIXES:
            return None
        images.append(_usual_image(image))
        at = image.end()
    return LockedSample(key=found[3], images=tuple(images), paid=None if found[2] is None else _usual_paid(found[2]))


def _usual_image(found: re.Match[str]) -> Artifact:
    sha256, kind, width, height, length, pixels = found.groups()
    _demand(not _QUOTED.match(sha256))
    return Artifact(
        sha256=sha256, media_type=kind, width=int(width), height=int(height), bytes=int(length or 0), pixels=pixels
    )


def _as_text(raw: str) -> str:
    """What a text as it was written means."""
    value = _scalar(raw)
    if not isinstance(value, str) or text(value) != raw:
        raise _Otherwise
    return value


_usual_text = lru_cache(maxsize=1024)(_as_text)


@lru_cache(maxsize=1024)
def _usual_paid(raw: str) -> money.Nano:
    amount = money.parse(raw)
    _demand(money.text(amount) == raw)
    return amount


def _any(lines: str, at: int) -> tuple[LockedCell, int]:
    """The same for any cell: it is taken apart, written again and compared."""
    end = lines.index("\n", lines.index(_END, at) + 1) + 1
    rest = iter(lines[at:end].split("\n"))
    cell = _cell(_text(next(rest), "  ", ":"), rest)
    _demand(written(cell) == lines[at:end])
    return cell, end


def _cell(name: str, lines: Iterator[str]) -> LockedCell:
    model = _text(next(lines), "    model: ")
    with_ = _flow(next(lines), "    with: ")
    samples = []
    line = next(lines)
    if line == "    samples:":
        while (line := next(lines)).startswith("      - "):
            samples.append(_sample(_flow(line, "      - ")))
    elif line == "    samples: []":
        line = next(lines)
    _demand(isinstance(with_, dict) and len({sample.key for sample in samples}) == len(samples))
    return LockedCell(cell=name, model=model, with_=with_, samples=tuple(samples), key=_hex(_text(line, "    key: ")))


def _sample(record: dict[str, Any]) -> LockedSample:
    _demand(record.keys() <= {"images", "paid_usd", "key"})
    paid = record.get("paid_usd")
    images = tuple(_image(image) for image in record["images"])
    return LockedSample(key=_hex(record["key"]), images=images, paid=None if paid is None else money.parse(paid))


def _image(record: dict[str, Any]) -> Artifact:
    _demand(record.keys() <= {"sha256", "type", "size", "bytes", "pixels"})
    size, pixels, length = _SIZE.fullmatch(record["size"]), record.get("pixels"), record.get("bytes", 0)
    if size is None or record["type"] not in SUFFIXES or not isinstance(length, int) or not 0 <= length <= 2**40:
        raise _Otherwise
    return Artifact(
        sha256=_hex(record["sha256"]),
        media_type=record["type"],
        width=int(size[1]),
        height=int(size[2]),
        bytes=length,
        pixels=None if pixels is None else _hex(pixels.removeprefix("sha256:")),
    )


def _hex(text: str) -> str:
    _demand(_HEX.fullmatch(text))
    return text


def _demand(holds: object) -> None:
    if not holds:
        raise _Otherwise


def _text(line: str, before: str, after: str = "") -> str:
    _demand(line.startswith(before) and line.endswith(after))
    value = _scalar(line[len(before) : len(line) - len(after)])
    if not isinstance(value, str):
        raise _Otherwise
    return value


def _flow(line: str, before: str) -> Any:
    _demand(line.startswith(before))
    tokens = iter(_TOKEN.findall(line, len(before)))
    return _value(next(tokens), tokens.__next__, 0)


def _value(word: str, following: Callable[[], str], depth: int) -> Any:
    _demand(depth < _DEEP)
    if word == "{":
        return _mapping(following, depth + 1)
    return _list(following, depth + 1) if word == "[" else _scalar(word)


def _mapping(following: Callable[[], str], depth: int) -> dict[Any, Any]:
    found = {}
    word = following()
    while word != "}":
        key = _scalar(word)
        following()
        found[key] = _value(following(), following, depth)
        word = following()
        if word == ", ":
            word = following()
    return found


def _list(following: Callable[[], str], depth: int) -> list[Any]:
    found = []
    word = following()
    while word != "]":
        found.append(_value(word, following, depth))
        word = following()
        if word == ", ":
            word = following()
    return found


def _scalar(word: str) -> Any:
    if not word.startswith('"'):
        return meant(word)
    text = word[1:-1]
    return clean(_ESCAPE.sub(_unescaped, text) if "\\" in text else text)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    return chr(int(code, 16)) if code else _NAMED.get(found[4], found[4])
