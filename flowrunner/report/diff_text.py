"""A comparison of two revisions as text for people at a terminal: by recipe, step and cause, on one screen."""

from collections.abc import Iterable, Mapping, Sequence

from flowrunner import escape, problems
from flowrunner.changes import Change
from flowrunner.comparing.compared import Choosing, ComparedCell, Comparison, Ends, Kind, Unread, all_in_locks, cost
from flowrunner.comparing.texts import Fate, Piece
from flowrunner.paint import Paint, Tone, plain
from flowrunner.report.causes import label_of
from flowrunner.report.columns import columns
from flowrunner.report.groups import plural
from flowrunner.report.text import costs_of, price
from flowrunner.report.verdict import row, statement, verdict, whole
from flowrunner.slotted import dataclass, field
from flowrunner.store.locked import Pick

MOST = 30
"""Lines of one recipe; what costs nothing shares a line before."""
_EACH = 3
"""Reasons that one step tells apart."""
_RULES = 8
"""Edits beside the requests that one recipe shows."""
_LONGEST = 200
_TONES = {
    Kind.RENDER: Tone.ACTIVE,
    Kind.NEW: Tone.GOOD,
    Kind.REMOVED: Tone.BAD,
    Kind.RENAMED: Tone.NOTICE,
    Kind.ACCEPTED: Tone.NOTICE,
    Kind.UNCHANGED: Tone.QUIET,
}
_ORDER = tuple(_TONES)


@dataclass(slots=True)
class _Group:
    """Cells of a step that share what becomes of them, and why."""

    kind: Kind
    reason: str
    cells: list[ComparedCell] = field(default_factory=list)


def diff_text(
    ends: Ends,
    found: Sequence[Comparison | Unread],
    *,
    simulated: bool,
    next_commands: Mapping[str, Sequence[str]],
    paint: Paint = plain,
) -> str:
    """The whole text, without a final line feed. `next_commands` says what to call for a pipeline, by its file."""
    shown = [one for one in found if isinstance(one, Unread) or not _is_quiet(one)]
    blocks = [
        _unread(one) if isinstance(one, Unread) else _block(one, simulated, next_commands, paint) for one in shown
    ]
    comparisons = [one for one in found if isinstance(one, Comparison)]
    told = verdict(comparisons, [one for one in found if isinstance(one, Unread)], simulated=simulated)
    quiet = len(found) - len(shown)
    rest = [f"{plural(quiet, 'recipe')} without a change"] if quiet and shown else []
    return "\n\n".join([f"{paint(told, Tone.STRONG)}  {ends_told(ends)}", *blocks, *rest])


def ends_told(ends: Ends) -> str:
    """`main at 1a2b3c4 → work tree`."""
    head = f"{_name(ends.head)} at {ends.head_commit[:7]}" if ends.head_commit else "work tree"
    return f"{_name(ends.base)} at {ends.base_commit[:7]} → {head}"


def reason(cell: ComparedCell, one: Comparison, places: set[tuple[str, str]]) -> str:
    """Why a cell is what it is, in one line: what was edited, or what it follows."""
    if cell.kind is Kind.RENAMED:
        return f"was {cell.was}"
    if cell.kind in (Kind.NEW, Kind.REMOVED):
        return "" if one.is_new or one.is_gone else label_of(cell, places)
    if cell.kind is Kind.UNCHANGED:
        return ""
    parts = [sentence(cell.fields[0], one)] if cell.fields else []
    parts += [f"and {plural(len(cell.fields) - 1, 'more change')}"] if len(cell.fields) > 1 else []
    parts += [choice(cell.picked)] if cell.repicked else []
    if cell.because:
        steps = dict.fromkeys(name.partition("/")[0] for name in cell.because)
        parts.append(f"follows {' and '.join(steps)}")
    if cell.kind is Kind.ACCEPTED and cell.planned.accepted is not None:
        parts.append(cell.planned.accepted.reason)
    return ", ".join(parts)


def sentence(change: Change, one: Comparison) -> str:
    """`prompt: oak → walnut (spring-hero.yaml:31)`."""
    return f"{change.path}: {statement(change, one) or words(row(change, one))}{place(change)}"


def choice(pick: Pick | None) -> str:
    """`Anna Berg chose 3: it reads`."""
    if pick is None or pick.image is None:
        return ""
    return f"{pick.by or 'somebody'} chose {pick.image}" + (f": {pick.why}" if pick.why else "")


def words(found: Sequence[Piece]) -> str:
    """The words that differ, and no others: `oak → walnut; + carefully`."""
    told: list[str] = []
    for at, piece in enumerate(found):
        text = escape.line(piece.text.strip(), 60)
        if piece.fate is Fate.GONE:
            told.append(f"− {text}")
        elif piece.fate is Fate.NEW and at and found[at - 1].fate is Fate.GONE:
            told[-1] = f"{told[-1].removeprefix('− ')} → {text}"
        elif piece.fate is Fate.NEW:
            told.append(f"+ {text}")
    return "; ".join(told[:_EACH]) + (f"; and {len(told) - _EACH} more" if len(told) > _EACH else "")


def place(change: Change) -> str:
    """Where it is written, and where it was if that is elsewhere."""
    new = f"{change.span.file}:{change.span.line}" if change.span else ""
    old = f"{change.was.file}:{change.was.line}" if change.was else ""
    if not new or not old or new == old:
        return f" ({new or old})" if new or old else ""
    assert change.was is not None
    same = change.span is not None and change.span.file == change.was.file
    return f" ({new}, was {f':{change.was.line}' if same else old})"


def _is_quiet(one: Comparison) -> bool:
    return not (one.is_changed or one.is_gone or one.was or one.base_problems or one.rules or one.of(Kind.RENAMED))


def _name(text: str) -> str:
    return escape.line(text, 80)


def _unread(one: Unread) -> str:
    head = f"{escape.visible(one.file)}  {'its lock ' if one.by_lock else ''}cannot be read"
    if one.problems:
        return f"{head}\n{problems.as_text(one.problems)}"
    return f"{head}\nerror: {escape.line(one.fault.message, 400)}" + (
        f"\n     = {escape.line(one.fault.hint, 400)}" if one.fault.hint else ""
    )


def _block(one: Comparison, simulated: bool, next_commands: Mapping[str, Sequence[str]], paint: Paint) -> str:
    groups = _groups(one)
    kept, rest = groups[:MOST], groups[MOST:]
    lines = [_head(one, paint), *_notes(one)]
    if kept and not one.is_gone:
        lines += ["", *_table(kept, simulated, paint)]
    if rest:
        lines.append(f"… and {plural(len(rest), 'more line')} of {plural(sum(len(g.cells) for g in rest), 'cell')}")
    if one.moving:
        now, later = cost(one.before_picks), cost(one.after_picks)
        lines += ["", f"total  {costs_of(now, later, len(one.to_choose), simulated=simulated)}"]
    lines += [f"next   {next_commands[one.file][0]}"] if one.file in next_commands else []
    return "\n".join(lines)


def _head(one: Comparison, paint: Paint) -> str:
    counts = ((len(one.of(kind)), kind.value) for kind in _ORDER)
    tally = ", ".join(f"{number:,} {word}" for number, word in counts if number) or "nothing"
    moved = f" (was {escape.visible(one.was)})" if one.was else ""
    state = ", a new recipe" if one.is_new else ", which is gone" if one.is_gone else ""
    name = paint(escape.line(one.name), Tone.STRONG)
    return f"{name}  {escape.visible(one.file)}{moved}{state}  {plural(len(one.cells), 'cell')}: {tally}"


def _notes(one: Comparison) -> list[str]:
    notes = []
    if one.base_problems:
        count = plural(len(one.base_problems), "problem")
        wrong = f"the base does not validate ({count}): compared with what its lock holds"
        if all_in_locks(one.base_problems):
            wrong = f"the lock of the base is not valid ({count}): what cannot be read of it counts as not made"
        notes.append(wrong)
        notes += problems.as_text(one.base_problems[:_EACH]).split("\n")
    if one.models:
        notes.append(f"described in another way now: {', '.join(map(escape.visible, one.models))}")
    if one.left_lock:
        notes.append(f"{escape.visible(one.left_lock)} was not moved along: what it holds would be paid for again")
    if one.unmade:
        notes.append(f"{plural(len(one.unmade), 'cell')} that nothing changed in {_are(one.unmade)} not made yet")
    return [*notes, *_rules(one)]


def _rules(one: Comparison) -> list[str]:
    """A limit that was raised, a check that asks for less."""
    if not one.rules:
        return []
    told = [f"{change.path}: {words(whole(change, one))}{place(change)}" for change in one.rules[:_RULES]]
    told += [f"… and {len(one.rules) - _RULES} more"] if len(one.rules) > _RULES else []
    return ["edited beside the requests:", *(f"  {escape.line(line, _LONGEST)}" for line in told)]


def _are(items: Sequence[object]) -> str:
    return "is" if len(items) == 1 else "are"


def _groups(one: Comparison) -> list[_Group]:
    places = {place for cell in one.cells.values() if cell.kind not in (Kind.NEW, Kind.REMOVED) for place in _at(cell)}
    steps: dict[tuple[str, Kind], dict[str, _Group]] = {}
    for cell in one.cells.values():
        if cell.kind is not Kind.UNCHANGED:
            why = reason(cell, one, places)
            step = steps.setdefault((cell.step, cell.kind), {})
            step.setdefault(why, _Group(cell.kind, why)).cells.append(cell)
    found = [group for step in steps.values() for group in _few(list(step.values()), one)]
    return sorted(found, key=lambda group: _ORDER.index(group.kind))


def _at(cell: ComparedCell) -> Iterable[tuple[str, str]]:
    return (("", cell.step), *cell.planned.cell.coordinates.items())


def _few(groups: list[_Group], one: Comparison) -> list[_Group]:
    """The reasons of a step: all where they are few, else by the field that was edited; a renamed step is one."""
    cells = [cell for group in groups for cell in group.cells]
    kind = groups[0].kind
    if kind is Kind.RENAMED and len(cells) > 1 and (old := _old_step(cells)):
        return [_Group(kind, f"was {old}", cells)]
    if len(groups) <= _EACH:
        return groups
    if kind in (Kind.RENDER, Kind.ACCEPTED):
        paths = list(dict.fromkeys(change.path for cell in cells for change in cell.fields[:1]))
        first = next((cell for cell in cells if cell.fields), cells[0])
        told = f", first {first.cell}: {_first(first, one)}" if first.fields else ""
        return [_Group(kind, f"{' and '.join(paths[:3])} changed{told}", cells)]
    return [_Group(kind, f"{len(groups)} reasons, the first: {groups[0].reason}", cells)]


def _old_step(cells: Sequence[ComparedCell]) -> str:
    """What the step of renamed cells was called, where nothing else of their names is another."""
    names = {(cell.was or "").removesuffix(cell.cell.removeprefix(cell.step)) for cell in cells}
    old = names.pop()
    return "" if names or "/" in old else old


def _first(cell: ComparedCell, one: Comparison) -> str:
    return sentence(cell.fields[0], one).removeprefix(f"{cell.fields[0].path}: ")


def _table(groups: Sequence[_Group], simulated: bool, paint: Paint) -> list[str]:
    lines = columns([_row(group, simulated) for group in groups], right=(2, 3))
    painted = zip(lines, groups, strict=True)
    return [
        paint(group.kind.value, _TONES[group.kind]) + line.removeprefix(group.kind.value) for line, group in painted
    ]


def _row(group: _Group, simulated: bool) -> tuple[str, ...]:
    first = group.cells[0]
    name = first.cell if len(group.cells) == 1 else first.step
    count = plural(len(group.cells), "cell") if len(group.cells) > 1 else ""
    spent = cost(group.cells)
    calls = plural(spent.calls, "call") if spent.calls else ""
    told = price(spent, simulated=simulated) if spent.calls else _free(group)
    notes = [group.reason, *_choices(group.cells)]
    why = "; ".join(note for note in notes if note)
    return group.kind.value, escape.visible(name), count, calls, told, escape.line(why, _LONGEST)


def _free(group: _Group) -> str:
    if group.kind not in (Kind.RENDER, Kind.NEW):
        return ""
    return "made" if all(cell.is_made for cell in group.cells) else "free"


def _choices(cells: Sequence[ComparedCell]) -> list[str]:
    stale = sum(cell.choosing is Choosing.STALE and cell.moves for cell in cells)
    needed = sum(cell.choosing is Choosing.NEEDED and cell.moves for cell in cells)
    return [f"{plural(number, 'pick')} {word}" for number, word in ((stale, "stale"), (needed, "needed")) if number]
