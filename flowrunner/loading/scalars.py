"""Our own scalars: what a plain text of a file or of a command line means, and where other YAML readers differ."""

import math
import re
import unicodedata
from collections.abc import Sequence

EXACT = 2**53
"""Whole numbers up to here are the same in every JSON reader."""

_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NUMBER_FIRST = frozenset("-0123456789")
# What an editor that follows YAML 1.2's core schema reads as something else than text.
_EDITOR = {
    "null": re.compile("Null|NULL"),
    "true or false": re.compile("True|TRUE|False|FALSE"),
    "a number": re.compile(
        r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
}
_EDITOR_FIRST = frozenset("+-.0123456789NTF")


class Inexact(ValueError):
    """A number that not every reader holds exactly: over 2^53, infinite, or so small that it would be 0."""


def meant(text: str) -> str | int | float | bool | None:
    """true, false, null, a decimal number, or else the text as it is sent and hashed. Inexact for other numbers."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in _NUMBER_FIRST:
        if _INTEGER.fullmatch(text):
            return _whole(text)
        if _FLOAT.fullmatch(text):
            return _fraction(text)
    return clean(text)


def clean(text: str) -> str:
    """Text as it is sent and hashed: composed characters (NFC), line feeds alone."""
    if text.isascii() and "\r" not in text:
        return text
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def elsewhere(text: str) -> Sequence[str]:
    """What else than text a plain text is to other YAML readers: `a number`, `true or false`, `null`."""
    return [kind for kind, form in _EDITOR.items() if form.fullmatch(text)] if text[:1] in _EDITOR_FIRST else ()


def _whole(text: str) -> int:
    number = int(text) if len(text) <= 17 else EXACT + 1
    if abs(number) > EXACT:
        raise Inexact(text)
    return number


def _fraction(text: str) -> float:
    number = float(text)
    vanishes = number == 0 and any(digit in "123456789" for digit in text.lower().partition("e")[0])
    # The next whole number over 2^53 is rounded down to 2^53 itself.
    if not math.isfinite(number) or abs(number) >= EXACT or vanishes:
        raise Inexact(text)
    return number
