"""Text in columns."""

from collections.abc import Collection, Sequence

from flowrunner import escape


def columns(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Rows of equal length as lines: columns two blanks apart, those in `right` with their ends in line, empty ones
    left out. The texts must be harmless already and hold no colours."""
    widths = [max(escape.width(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    return ["  ".join(_padded(row, widths, right)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int], right: Collection[int]) -> list[str]:
    cells = []
    for at, (text, width) in enumerate(zip(row, widths, strict=True)):
        blanks = " " * (width - escape.width(text))
        cells.append(blanks + text if at in right else text + blanks)
    return [cell for cell, width in zip(cells, widths, strict=True) if width]
