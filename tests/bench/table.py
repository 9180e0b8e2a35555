"""Figures as a Markdown table that is read from left to right: what it is, what it took, what the floor took."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from .measure import Figure

HEADER = (
    "| work | flowrunner | spread | stolen | floor | times floor | a cell | peak MB | target |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
)


class Unit(StrEnum):
    """What a figure counts."""

    SECONDS = "s"
    MICROSECONDS = "µs"
    TIMES = "×"
    PER_MB = "ms/MB"
    RATE = "MB/s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row: a figure beside that of its floor, or why there is none."""

    group: str
    name: str
    unit: Unit = Unit.SECONDS
    figure: Figure | None = None
    floor: Figure | None = None
    cells: int = 0
    target: str = ""
    note: str = ""


def markdown(lines: Iterable[Line]) -> str:
    """The tables, one for each group."""
    parts = []
    for group, own in groupby(lines, key=lambda line: line.group):
        parts += ["", f"## {group}", "", *HEADER, *(row(line) for line in own)]
    return "\n".join(parts[1:]) + "\n"


def row(line: Line) -> str:
    return f"| {' | '.join(_fields(line))} |"


def _fields(line: Line) -> Sequence[str]:
    if line.figure is None:
        return (line.name, line.note.replace("|", "\\|"), "", "", "", "", "", "", line.target)
    figure, floor = line.figure, line.floor
    curve = f" ({' '.join(f'{mb:.0f}' for mb in figure.curve)})" if figure.curve else ""
    return (
        line.name,
        shown(figure.median, line.unit),
        f"{shown(min(figure.values), line.unit)} – {shown(max(figure.values), line.unit)}",
        _share(figure.stolen),
        shown(floor.median, line.unit) if floor else "",
        f"{figure.median / floor.median:.2f}" if floor else "",
        shown(figure.median / line.cells, Unit.SECONDS) if line.cells else "",
        f"{figure.peak_mb:.0f}{curve}",
        line.target,
    )


def _share(stolen: Sequence[float]) -> str:
    """How little and how much of the processors a virtual machine's host kept: such figures tell of the host."""
    least, most = (round(100 * share) for share in (min(stolen, default=0), max(stolen, default=0)))
    return "" if not most else f"{most} %" if least == most else f"{least} – {most} %"


def shown(value: float, unit: Unit) -> str:
    """A figure with three digits that count; seconds in the unit that suits them."""
    if unit is not Unit.SECONDS:
        return f"{_digits(value)} {unit}" if unit is not Unit.TIMES else f"{value:.3f}"
    if value >= 1:
        return f"{_digits(value)} s"
    return f"{_digits(value * 1e3)} ms" if value >= 1e-3 else f"{_digits(value * 1e6)} µs"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
