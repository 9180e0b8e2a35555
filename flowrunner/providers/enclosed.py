"""Pictures inside a reply's JSON, as base64: found in its bytes and decoded from there.

To read such a text as JSON, and that as base64, takes several times as long, with two more copies of it in memory.
"""

import binascii
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Self

LONG = 64 * 1024
"""Characters from which on a text may be a picture."""
QUOTES = 4096
"""Quotes of a reply that are looked at: one of more is no reply with pictures."""
_DATA_URI = re.compile(rb"data:[ !#-+\--\[\]-~]{0,100};base64,")


class Base64(str):
    """A text of many characters, known by the bytes that it stands for; as a text it is only a word on what it is. One
    that is a data URI begins like it."""

    __slots__ = ("data",)
    data: bytes

    def __new__(cls, text: str, data: bytes) -> Self:
        made = super().__new__(cls, text)
        made.data = data
        return made


def without_pictures(body: bytes) -> tuple[bytes, dict[str, Base64]]:
    """JSON with a name in the place of each long text that is base64, and what the names stand for. What is no such
    text is left alone: whatever was wrong with the JSON still is."""
    if len(body) <= LONG:
        return body, {}
    found: dict[str, Base64] = {}
    kept: list[bytes] = []
    name, taken = secrets.token_hex(16), 0  # a text that no reply holds
    for start, end in _long_texts(body):
        text = _base64(memoryview(body)[start:end])
        if text is not None:
            key = f"{name}{len(found)}"
            kept += [body[taken:start], key.encode()]
            found[key], taken = text, end
    return (b"".join([*kept, body[taken:]]), found) if found else (body, found)


def with_pictures(value: Any, found: Mapping[str, Base64]) -> Any:
    """What was read of the JSON, with the texts that the names stand for."""
    if isinstance(value, str):
        return found.get(value, value)
    if isinstance(value, dict):
        return {key: with_pictures(item, found) for key, item in value.items()}
    return [with_pictures(item, found) for item in value] if isinstance(value, list) else value


def _long_texts(body: bytes) -> Iterator[tuple[int, int]]:
    """Where the long texts begin and end, without their quotes. Keys are none of them: a colon follows those."""
    at, start = 0, 0
    for _ in range(QUOTES):
        quote = body.find(b'"', at)
        if quote < 0:
            return
        if not start:
            start = quote + 1
        elif not _escaped(body, at, quote):
            if quote - start > LONG and body[quote + 1 : quote + 2] in (b",", b"}", b"]"):
                yield start, quote
            start = 0
        at = quote + 1


def _escaped(body: bytes, after: int, quote: int) -> bool:
    """Whether an odd number of backslashes stands before a quote."""
    if body[quote - 1] != 0x5C:
        return False
    before = body[after:quote]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 1


def _base64(text: memoryview) -> Base64 | None:
    begin = _DATA_URI.match(text)
    try:
        data = binascii.a2b_base64(text[begin.end() if begin else 0 :], strict_mode=True)
    except ValueError:
        return None
    told = bytes(text[: begin.end()]).decode() if begin else ""
    return Base64(f"{told}({len(data):,} bytes)", data)
