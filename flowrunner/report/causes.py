"""What was changed, put together: one cause for all cells in which the same words changed at the same place."""

from collections.abc import Iterable, Iterator, Sequence

from flowrunner.changes import Change
from flowrunner.comparing.compared import ComparedCell, Comparison, Kind
from flowrunner.comparing.texts import Fate, Piece
from flowrunner.report.verdict import listed, row
from flowrunner.slotted import dataclass, field


@dataclass(slots=True, kw_only=True)
class Cause:
    """One change. `change` and `row` are those of the first cell; a cause without them is that cells came or went, and
    `label` says of what: `product chair`, `step poster`. `followers` are the cells that follow it."""

    kind: Kind
    change: Change | None = None
    row: list[Piece] = field(default_factory=list)
    label: str = ""
    cells: list[tuple[Comparison, ComparedCell]] = field(default_factory=list)
    followers: list[tuple[Comparison, ComparedCell]] = field(default_factory=list)

    @property
    def recipes(self) -> list[Comparison]:
        return list({one.file: one for one, _ in (*self.cells, *self.followers)}.values())

    @property
    def steps(self) -> list[str]:
        return list(dict.fromkeys(cell.step for _, cell in self.cells))


def causes(found: Sequence[Comparison]) -> list[Cause]:
    """Every cause, those behind which the most pictures stand first."""
    known: dict[object, Cause] = {}
    for one in found:
        _collect(one, known)
    return sorted(known.values(), key=lambda cause: -(len(cause.cells) + len(cause.followers)))


def _collect(one: Comparison, known: dict[object, Cause]) -> None:
    behind: dict[str, list[Cause]] = {}
    places = _places(one)
    for cell in (*one.of(Kind.REMOVED), *(cell for cell in one.cells.values() if cell.kind is not Kind.REMOVED)):
        own = [_cause(key, cause, known) for key, cause in _own(one, cell, places)]
        for cause in own:
            cause.cells.append((one, cell))
        roots = list({id(root): root for name in cell.because for root in behind.get(name, ())}.values())
        for root in roots:
            if not any(root is cause for cause in own):
                root.followers.append((one, cell))
        behind[cell.cell] = list({id(root): root for root in (*own, *roots)}.values())


def _cause(key: object, made: Cause, known: dict[object, Cause]) -> Cause:
    return known.setdefault(key, made)


def _own(one: Comparison, cell: ComparedCell, places: set[tuple[str, str]]) -> Iterator[tuple[object, Cause]]:
    if cell.kind in (Kind.NEW, Kind.REMOVED) and not (one.is_new or one.is_gone):
        label = label_of(cell, places)
        yield (cell.kind, label), Cause(kind=cell.kind, label=label)
    for change in cell.fields:
        found = row(change, one)
        words = tuple((piece.fate, piece.text) for piece in found if piece.fate is not Fate.KEPT)
        key = (cell.kind, change.path, _spot(change), words)
        yield key, Cause(kind=cell.kind, change=change, row=found)


def _spot(change: Change) -> tuple[object, ...]:
    spans = (change.span, change.was)
    return tuple((span.file, span.line) if span else None for span in spans)


def _places(one: Comparison) -> set[tuple[str, str]]:
    """The axis values of the cells that both sides have."""
    kept = (cell for cell in one.cells.values() if cell.kind not in (Kind.NEW, Kind.REMOVED))
    return {place for cell in kept for place in cell.planned.cell.coordinates.items()} | {
        ("", cell.step) for cell in one.cells.values() if cell.kind not in (Kind.NEW, Kind.REMOVED)
    }


def label_of(cell: ComparedCell, places: set[tuple[str, str]]) -> str:
    """What came or went with a cell: an axis value, a step, else the cell alone."""
    if ("", cell.step) not in places:
        return f"step {cell.step}"
    own = [f"{axis} {name}" for axis, name in cell.planned.cell.coordinates.items() if (axis, name) not in places]
    return " and ".join(own) or cell.cell


def steps_of(cells: Iterable[ComparedCell]) -> str:
    """`frame, branded and 2 more steps`."""
    names = list(dict.fromkeys(cell.step for cell in cells))
    return listed(names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more steps"])
