"""A comparison of two revisions as one comment of a pull request, for a reviewer with a phone: the verdict first, then
what is asked, what was edited word by word, and folded away the graph and every picture.

It has at most `LONGEST` characters; what does not fit is counted. Everything from outside is literal text in it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from flowrunner import escape
from flowrunner.changes import Change
from flowrunner.comparing.compared import Choosing, ComparedCell, Comparison, Ends, Kind, Unread, all_in_locks, cost
from flowrunner.comparing.texts import Fate, Piece, around
from flowrunner.report.causes import Cause, causes, steps_of
from flowrunner.report.diff_text import choice, ends_told
from flowrunner.report.drawings import drawing, entities
from flowrunner.report.groups import plural
from flowrunner.report.text import OTHERS, price
from flowrunner.report.verdict import pictures, statement, verdict, whole

LONGEST = 60_000
"""Characters; GitHub takes 65,536."""
_ROOM = (200, 60, 20, 8, 3)
"""Rows of a list, tried from many to few until all fits."""
_CONTEXT = 60
"""Code points shown on each side of changed words."""
_MOST_WORDS = 1200
"""Code points of one piece of a changed text."""
_MOST_BOXES = 40
"""Steps of a recipe that is drawn."""

_CODE = re.compile(r"\\[uU][0-9a-f]{4}")
_SPELLED = "\\u… stands for what cannot be seen, or only looks like a letter"
_CLASSES = {
    "edited": "fill:#fde68a,stroke:#b45309,stroke-width:2px,color:#1f2937",
    "follows": "fill:#fef3c7,stroke:#d97706,stroke-dasharray:4 3,color:#1f2937",
    "new": "fill:#bbf7d0,stroke:#15803d,stroke-width:2px,color:#1f2937",
}
"""How a step is drawn, legible on light and on dark."""

Found = Sequence[Comparison | Unread]


def diff_markdown(ends: Ends, found: Found, *, simulated: bool, next_commands: Mapping[str, Sequence[str]]) -> str:
    """The comment, without a final line feed. `next_commands` says what to call for a recipe, by its file: first
    what makes pictures, then what chooses."""
    for room in _ROOM:
        text = "\n\n".join(part for part in _parts(ends, found, simulated, next_commands, room) if part)
        if len(text) <= LONGEST:
            return text
    kept = text[: LONGEST - 200]
    return f"{kept[: kept.rfind(chr(10))]}\n\n… and more than a comment holds: `flowrunner diff` shows all of it."


def _parts(
    ends: Ends, found: Found, simulated: bool, next_commands: Mapping[str, Sequence[str]], room: int
) -> Iterator[str]:
    unread = [one for one in found if isinstance(one, Unread)]
    compared = [one for one in found if isinstance(one, Comparison)]
    told = [one for one in compared if one.is_changed or one.is_gone or one.base_problems]
    yield f"### {verdict(compared, unread, simulated=simulated)}"
    yield from (_unread(one, room) for one in unread[:room])
    yield _asked(told, next_commands, room)
    yield _table(told, simulated, room)
    yield _edited(told, room)
    yield _rules(compared, room)
    yield _notes(compared, room)
    yield from (_drawn(one) for one in told[: max(1, room // 20)] if room >= 20)
    yield from (_listed(one, simulated, room) for one in told[:room])
    yield _foot(ends, simulated=simulated)


def _unread(one: Unread, room: int) -> str:
    lines = [f"{'The lock of ' if one.by_lock else ''}**{escape.markdown(one.file)}** is not valid as it is now:"]
    for problem in one.problems[: min(room, 10)]:
        place = f" ({escape.markdown(problem.span.file)}, line {problem.span.line})" if problem.span else ""
        hint = f": {_cut(problem.hint)}" if problem.hint else ""
        lines.append(f"- {_cut(problem.message)}{place}{hint}")
    lines += [] if one.problems else [f"- {_cut(one.fault.message)}"]
    return "\n".join([lines[0], "", *lines[1:], *_more(len(one.problems) - min(room, 10), "- and {} more")])


def _asked(found: Sequence[Comparison], next_commands: Mapping[str, Sequence[str]], room: int) -> str:
    """The choices that the change asks for, and how to make them."""
    waiting = [(one, cell) for one in found for cell in one.to_choose if not cell.planned.is_refused]
    refused = [cell for one in found for cell in one.to_choose if cell.planned.is_refused]
    run = [one for one in found if one.file in next_commands]
    lines = []
    if waiting:
        count = len(waiting)
        lines.append(f"**{plural(count, 'choice')} {'is' if count == 1 else 'are'} needed**{_when(waiting)}:")
        lines.append("")
        lines += [f"- {_choice(cell)}" for _, cell in waiting[: min(room, 12)]]
        lines += [*_more(count - min(room, 12), "- and {} more"), ""]
    if refused:
        named = _named([cell.cell for cell in refused], min(room, 12))
        lines += [f"**No candidate would do** of {named}: {OTHERS.replace('--force', '`--force`')}.", ""]
    return "\n".join([*lines, *_commands([line for one in run for line in next_commands[one.file]], room)]).strip()


def _when(waiting: Sequence[tuple[Comparison, ComparedCell]]) -> str:
    made = sum(not cell.planned.calls_open for _, cell in waiting)
    if made == len(waiting):
        return ""
    return ", once the pictures are made" if not made else ", some once the pictures are made"


def _choice(cell: ComparedCell) -> str:
    """`scene/lamp`, one of 4; before, Anna Berg chose 3: it reads."""
    many = cell.planned.bound.candidates if cell.planned.bound else len(cell.planned.calls)
    told = f"**{escape.markdown(cell.cell)}**, {f'one of {many}' if many > 1 else 'yes or no'}"
    old = cell.chosen
    if cell.choosing is Choosing.STALE and old is not None and old.image is not None:
        told += f" (of the old ones {_cut(choice(old))})"
    return told


def _commands(lines: Sequence[str], room: int) -> list[str]:
    """Commands in a fence that none of them can close."""
    kept = [escape.visible(line) for line in lines[: min(room, 5)]]
    if not kept:
        return []
    fence = "`" * max(3, 1 + max((len(run) for line in kept for run in re.findall(r"`+", line)), default=0))
    return [f"{fence}sh", *kept, *_more(len(lines) - len(kept), "# and {} more"), fence]


def _table(found: Sequence[Comparison], simulated: bool, room: int) -> str:
    if not found:
        return ""
    lines = ["| recipe | pictures | price |", "| --- | --- | ---: |"]
    for one in found[:room]:
        told = pictures(list(one.cells.values())) or "none"
        lines.append(f"| {_recipe(one)} | {told} | {_price(one, simulated)} |")
    return "\n".join([*lines, *_more(len(found) - room, "| and {} more | | |")])


def _recipe(one: Comparison) -> str:
    state = " (new)" if one.is_new else " (gone)" if one.is_gone else ""
    return f"{_cut(one.name, 60)}{state}"


def _price(one: Comparison, simulated: bool) -> str:
    now, later = cost(one.before_picks), cost(one.after_picks)
    parts = [price(now, simulated=simulated)] if now.calls else []
    if later.calls:
        parts.append(
            f"{price(later, simulated=simulated)} after the {'choice' if len(one.to_choose) == 1 else 'choices'}"
        )
    if parts:
        return ", then ".join(parts)
    return "nothing to pay" if one.moving else ""


def _edited(found: Sequence[Comparison], room: int) -> str:
    told = causes(found)
    if not told:
        return ""
    many = len({one.file for one in found}) > 1
    blocks = [_cause(cause, many=many) for cause in told[:room]]
    return "\n\n".join(["#### What was edited", *blocks, *_more(len(told) - room, "… and {} more edits.")])


def _rules(found: Sequence[Comparison], room: int) -> str:
    """What was edited beside the requests: a limit that was raised, a check that asks for less."""
    edits = [(one, change) for one in found for change in one.rules]
    if not edits:
        return ""
    many = len({one.file for one, _ in edits}) > 1
    lines = [_rule(change, one, many=many) for one, change in edits[:room]]
    return "\n".join(["#### Edited beside the requests", "", *lines, *_more(len(edits) - room, "- and {} more")])


def _rule(change: Change, one: Comparison, *, many: bool) -> str:
    recipe = f" in {_cut(one.name, 60)}" if many else ""
    place = _written(change)
    at = f"<br><sub>{escape.markdown(place)}</sub>" if place else ""
    name = escape.markdown(escape.exposed(change.path))
    return f"- **{name}**{recipe}: {marked(whole(change, one))}{at}"


def _cause(cause: Cause, *, many: bool) -> str:
    head = _title(cause)
    recipes = f" in {_named([one.name for one in cause.recipes])}" if many else ""
    count = len(cause.cells)
    if cause.change is not None:
        names = cause.steps if count > 1 else [cell.cell for _, cell in cause.cells]
        head += f" of {_named(names)}{recipes}, {plural(count, 'picture')}"
    else:
        head += f"{recipes}, {plural(count, 'picture')}: {_named([cell.cell for _, cell in cause.cells])}"
    if cause.followers:
        steps = escape.markdown(steps_of(cell for _, cell in cause.followers))
        verb = "follows" if len(cause.followers) == 1 else "follow"
        head += f"; {len(cause.followers):,} more {verb} ({steps})"
    return f"{head}\n> {_words(cause)}{_place(cause)}" if cause.change is not None else head


def _title(cause: Cause) -> str:
    if cause.change is not None:
        accepted = " (accepted: the picture stays)" if cause.kind is Kind.ACCEPTED else ""
        return f"**{escape.markdown(_field(cause.change.path))}**{accepted}"
    word = "is gone" if cause.kind is Kind.REMOVED else "is new"
    return f"**{escape.markdown(escape.exposed(cause.label))}** {word}"


def _field(path: str) -> str:
    """A field as a reviewer calls it."""
    return {"picture": "the picture itself", "pick": "the choice", "variants": "the number of variants"}.get(path, path)


def _words(cause: Cause) -> str:
    assert cause.change is not None
    said = statement(cause.change, cause.cells[0][0])
    if said:
        return escape.markdown(escape.exposed(said))
    return marked(around(cause.row, _CONTEXT))


def _place(cause: Cause) -> str:
    change = cause.change
    assert change is not None
    cell = cause.cells[0][1]
    told = _written(change)
    if not told and not cell.repicked:
        return ""
    told = "; ".join(part for part in (choice(cell.picked) if cell.repicked else "", told) if part)
    told = f"as in {cause.cells[0][1].cell}; {told}" if len(cause.cells) > 1 else told
    told += f"; {_SPELLED}" if any(_CODE.search(escape.visible(piece.text)) for piece in cause.row) else ""
    return f"<br><sub>{escape.markdown(told)}</sub>"


def _written(change: Change) -> str:
    """Where it is written, and where it was if that is elsewhere."""
    new = f"{change.span.file}, line {change.span.line}" if change.span else ""
    old = f"{change.was.file}, line {change.was.line}" if change.was else ""
    return new if old in ("", new) else f"{new}; before: {old}" if new else f"before: {old}"


def marked(found: Sequence[Piece]) -> str:
    """Pieces of two texts as Markdown: ~~what went~~ and **what came**. Where Markdown would not take the marks, beside
    other letters or blanks, HTML stands."""
    texts = [_line(piece.text) for piece in found]
    shown = []
    for at, (piece, text) in enumerate(zip(found, texts, strict=True)):
        beside = at > 0 and found[at - 1].fate is Fate.GONE
        left = texts[at - 1][-1:] if at else ""
        right = texts[at + 1][:1] if at + 1 < len(texts) else ""
        parted = piece.fate is Fate.GONE and at + 1 < len(found) and found[at + 1].fate is Fate.NEW
        shown.append(_mark(piece.fate, text, left, " " if parted else right, beside=beside))
    return "".join(shown)


def _mark(fate: Fate, text: str, left: str, right: str, *, beside: bool) -> str:
    if fate is Fate.KEPT:
        return escape.markdown(text)
    core = text.strip()
    head, tail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :] if core else ""
    if not core:
        core, head = "␣" * max(1, len(text)), ""
    mark, tag = ("~~", "del") if fate is Fate.GONE else ("**", "strong")
    # What went and what came stand side by side, and need a blank between them.
    gap = " " if beside and not left.isspace() and not head else ""
    opens = core[0].isalnum() and not (left.isalnum() and not head and not gap)
    closes = core[-1].isalnum() and not (right.isalnum() and not tail)
    inner = escape.markdown(core)
    body = f"{mark}{inner}{mark}" if opens and closes else f"<{tag}>{inner}</{tag}>"
    return f"{head}{gap}{body}{tail}"


def _line(text: str) -> str:
    """One line of Markdown: of several lines of a text the ends are shown."""
    shown = text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS]}…"
    return re.sub(r"[ \t]*\n[ \t]*", " ↵ ", shown)


def _notes(found: Sequence[Comparison], room: int) -> str:
    lines = []
    for one in found:
        name = f"**{_cut(one.name, 60)}**"
        if one.was:
            lines.append(f"- {name} lies in {escape.markdown(one.file)} now, before in {escape.markdown(one.was)}.")
        renamed = one.of(Kind.RENAMED)
        if renamed:
            first = renamed[0]
            rest = f" and {plural(len(renamed) - 1, 'picture')} more" if len(renamed) > 1 else ""
            lines.append(
                f"- {name}: {escape.markdown(first.was or '')} is called {escape.markdown(first.cell)} now{rest}; "
                "the pictures stay."
            )
        if one.base_problems:
            problem = one.base_problems[0]
            at = f" ({escape.markdown(problem.span.file)}, line {problem.span.line})" if problem.span else ""
            what, then = name, "It is compared with the pictures that were made of it."
            if all_in_locks(one.base_problems):
                what, then = f"the lock of {name}", "What cannot be read of it counts as not made."
            lines.append(f"- {what} was not valid before: {_cut(problem.message)}{at}. {then}")
        if one.left_lock:
            lines.append(
                f"- {name}: {escape.markdown(one.left_lock)} was not moved along; what it holds would be paid again."
            )
        if one.models:
            names = _named(one.models)
            lines.append(f"- {name}: {names} {'is' if len(one.models) == 1 else 'are'} described in another way now.")
    unmade = [f"{_cut(one.name, 60)} ({plural(len(one.unmade), 'picture')})" for one in found if one.unmade]
    if unmade:
        rest = f" and {plural(len(unmade) - 5, 'recipe')} more" if len(unmade) > 5 else ""
        lines.append(f"- Not touched by this, and not made yet: {', '.join(unmade[:5])}{rest}.")
    return "\n".join([*lines[:room], *_more(len(lines) - room, "- and {} more")])


def _drawn(one: Comparison) -> str:
    """The steps of a recipe as a graph, folded; what changes is marked."""
    if one.graph is None or one.is_new or len(one.graph.steps) > _MOST_BOXES:
        return ""
    if all(cell.kind is Kind.UNCHANGED for cell in one.cells.values()):
        return ""
    drawn = drawing(one.graph)
    names = {box.step: f"s{number}" for number, box in enumerate(drawn.boxes, 1)}
    lines, used = ["flowchart LR"], set()
    for box in drawn.boxes:
        kind, told = _box([cell for cell in one.cells.values() if cell.step == box.step])
        used.add(kind)
        label = "<br/>".join([f"<b>{entities(box.step)}</b>", *([told] if told else [])])
        lines.append(f'    {names[box.step]}["{label}"]{f":::{kind}" if kind else ""}')
    lines += [
        f"    {names[arrow.source]} {'-->' if arrow.flows else '-.->'} {names[arrow.target]}" for arrow in drawn.arrows
    ]
    lines += [f"    classDef {kind} {style}" for kind, style in _CLASSES.items() if kind in used]
    return _folded(f"{_short(one.name)}: where it is in the recipe", ["```mermaid", *lines, "```"])


def _box(cells: Sequence[ComparedCell]) -> tuple[str, str]:
    """A step's class and its words."""
    edited = sum(cell.kind is Kind.RENDER and bool(cell.fields) for cell in cells)
    follow = sum(cell.kind is Kind.RENDER and not cell.fields for cell in cells)
    new = sum(cell.kind is Kind.NEW for cell in cells)
    gone = sum(cell.kind is Kind.REMOVED for cell in cells)
    counts = ((edited, "edited"), (follow, "follows" if follow == 1 else "follow"), (new, "new"))
    told = ", ".join(f"{number} {word}" for number, word in counts if number)
    kind = "edited" if edited or gone else "new" if new else "follows" if follow else ""
    told = f"{told} of {len(cells) - gone}" if told and len(cells) - gone > 1 else told
    return kind, ", ".join(part for part in (told, f"{gone} gone" if gone else "") if part)


def _listed(one: Comparison, simulated: bool, room: int) -> str:
    cells = [cell for cell in one.cells.values() if cell.kind is not Kind.UNCHANGED]
    if not cells:
        return ""
    lines = ["| picture | why | price |", "| --- | --- | ---: |"]
    for cell in cells[:room]:
        spent = cost([cell])
        told = price(spent, simulated=simulated) if spent.calls else _made(cell)
        lines.append(f"| {escape.markdown(cell.cell)} | {_why(cell)} | {told} |")
    lines += _more(len(cells) - room, "| and {} more | | |")
    return _folded(f"{_short(one.name)}: {plural(len(cells), 'picture')}", lines)


def _made(cell: ComparedCell) -> str:
    if not cell.moves:
        return ""
    return "made" if cell.is_made else "free"


def _why(cell: ComparedCell) -> str:
    if cell.kind is Kind.NEW:
        return ", ".join(part for part in ("new", _cut(choice(cell.picked))) if part)
    if cell.kind is Kind.REMOVED:
        return "gone"
    if cell.kind is Kind.RENAMED:
        return f"was {escape.markdown(cell.was or '')}"
    parts = [_named([_field(change.path) for change in cell.fields])] if cell.fields else []
    parts += [f"follows {_named(cell.because)}"] if cell.because else []
    if cell.moves and cell.picked is not None:
        parts.append(_cut(choice(cell.picked)))
    if cell.kind is Kind.ACCEPTED and cell.planned.accepted is not None:
        parts.append(_cut(cell.planned.accepted.reason))
    return ", ".join(parts)


def _foot(ends: Ends, *, simulated: bool) -> str:
    prices = "Prices are simulated" if simulated else "Prices are the most that it may cost"
    return f"<sub>{escape.markdown(ends_told(ends))}. {prices}; nothing was sent, nothing was paid.</sub>"


def _folded(title: str, lines: Sequence[str]) -> str:
    return "\n".join(
        [f"<details><summary>{escape.summary(escape.exposed(title))}</summary>", "", *lines, "", "</details>"]
    )


def _named(names: Sequence[str], most: int = 3) -> str:
    listed = list(dict.fromkeys(names))
    shown = ", ".join(escape.markdown(escape.exposed(name[:80])) for name in listed[:most])
    return shown + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _cut(text: str, most: int = 200) -> str:
    """Foreign text in a paragraph or a table."""
    shown = " ".join(text.split()) if "\n" in text else text
    return escape.markdown(escape.exposed(shown if len(shown) <= most else f"{shown[:most]}…"))


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:60]}…"


def _more(number: int, told: str) -> list[str]:
    return [told.format(f"{number:,}")] if number > 0 else []
