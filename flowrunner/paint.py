"""Colour on a terminal, and only there; and lines that fit it."""

import os
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TextIO, TypeAlias

from flowrunner import escape

_TONED = re.compile(r"\x1b\[[0-9;]*m")
_PIECE = re.compile(r" *[^ ]+")


class Tone(StrEnum):
    """What a piece of text is, as the numbers that a terminal takes (ECMA-48, SGR)."""

    STRONG = "1"
    QUIET = "2"
    BAD = "31"
    GOOD = "32"
    NOTICE = "33"
    ACTIVE = "36"


Paint: TypeAlias = Callable[[str, Tone], str]
"""Gives text its tone. The text must be harmless already."""


def plain(text: str, _: Tone) -> str:
    return text


def colour(text: str, tone: Tone) -> str:
    return f"\x1b[{tone}m{text}\x1b[0m" if text else text


def is_terminal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a person watches it who can be shown something that moves."""
    return stream.isatty() and environment.get("TERM") not in (None, "", "dumb")


def width(stream: TextIO, environment: Mapping[str, str]) -> int:
    """Columns that a line may take; 0 where nobody tells."""
    try:
        return int(environment.get("COLUMNS") or os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        return 0


def paint_for(stream: TextIO, environment: Mapping[str, str]) -> Paint:
    """Colour where the stream is a terminal and NO_COLOR (https://no-color.org) is not set."""
    wanted = is_terminal(stream, environment) and not environment.get("NO_COLOR")
    return colour if wanted else plain


def folded(text: str, width: int, indent: int) -> str:
    """A line as several that fit, broken at blanks; those after the first are indented. A word that no line can hold,
    be it a path, stays where it is: the terminal goes on with it below, and it is copied as one."""
    lines, used = [""], 0
    for piece in _PIECE.findall(text):
        word = piece.lstrip(" ")
        columns = escape.width(_TONED.sub("", word))
        if used + len(piece) - len(word) + columns > width >= indent + columns:
            lines.append(" " * indent + word)
            used = indent + columns
        else:
            lines[-1] += piece
            used += len(piece) - len(word) + columns
            used = used % width if used > width else used
    return "\n".join(lines)


def shortened(text: str, width: int) -> str:
    """A text that fits, less what stands in its middle: of the name of a cell both ends tell it from others."""
    if escape.width(text) <= width:
        return text
    room = max(width - 1, 1)
    head, tail = _within(text, room // 3), _within(text[::-1], room - room // 3)[::-1]
    return f"{head}…{tail}"


def _within(text: str, width: int) -> str:
    while escape.width(text) > width:
        text = text[:-1]
    return text
