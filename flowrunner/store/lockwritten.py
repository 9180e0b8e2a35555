"""Reading the cells of a lock as they were last written: ten times as fast as YAML.

What is read here is written again and compared. Only a text that is to the letter what the writer makes of it counts;
an edit by hand or a merge is left to `lockread`, which knows YAML, and tells what is wrong.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from flowrunner import money
from flowrunner.artifact import SUFFIXES, Artifact
from flowrunner.loading.scalars import clean, meant
from flowrunner.store.locked import LockedCell, LockedSample
from flowrunner.store.locktext import written

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]|, |: |(?:[^,:"\[\]{}]|:(?! ))+')
_ESCAPE = re.compile(r"\\(?:x(..)|u(....)|U(.{8})|(.))")
_NAMED = {"n": "\n", "t": "\t", "r": "\r"}
_HEX = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"([1-9][0-9]{0,6})x([1-9][0-9]{0,6})")
_DEEP = 64


class _Otherwise(Exception):
    """The text is not what the writer makes."""


def cells(text: str) -> dict[str, LockedCell] | None:
    """The cells that the lines below `cells:` hold; None where these are not to the letter as they were written."""
    lines = iter(text.split("\n"))
    found: dict[str, LockedCell] = {}
    try:
        for line in lines:
            if line:
                cell = _cell(_text(line, "  ", ":"), lines)
                found[cell.cell] = cell
    except (_Otherwise, StopIteration, ValueError, LookupError, TypeError, AttributeError):
        return None
    return found if "".join(written(found[name]) for name in sorted(found)) == text else None


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
    next(lines)  # its end, which is compared with the rest
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
