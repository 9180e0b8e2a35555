"""Colour on a terminal, and only there."""

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TextIO, TypeAlias


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
