"""A plan as text for people: what it does, for which reason, for how much, and what to call next."""

from collections.abc import Sequence

from flowrunner import escape, money
from flowrunner.decisions import Choice, Cost, Decision, Plan, PlannedCell, cost
from flowrunner.paint import Paint, Tone, plain
from flowrunner.report.columns import columns
from flowrunner.report.groups import MOST, Group, groups, plural

_TONES = {
    Decision.RUN: Tone.ACTIVE,
    Decision.AWAIT: Tone.NOTICE,
    Decision.MISSING: Tone.BAD,
    Decision.REUSE: Tone.QUIET,
    Decision.SKIP: Tone.QUIET,
}
OTHERS = "a changed prompt or --force makes others"
"""What to do where no candidate will do."""
_WORDS = ("run", "await", "missing", "reuse", "skip")


def plan_text(
    found: Plan, *, simulated: bool, limits: str = "", next_command: str = "", cells: bool = False, paint: Paint = plain
) -> str:
    """The whole text, without a final line feed. `limits` says what may be spent, `next_command` what to call now;
    `cells` gives each cell a line of its own."""
    listed = groups(found, each_cell=cells)
    shown = listed if cells else listed[:MOST]
    lines = [_head(found, paint), "", *_table(shown, simulated=simulated, paint=paint)]
    if len(shown) < len(listed):
        lines.append(f"… and {plural(len(listed) - len(shown), 'more line')}: --cells shows every cell")
    lines += ["", f"total  {costs(found, simulated=simulated)}"]
    lines += [f"lack   {remedy(found.anew, simulated=simulated)}"] if found.lost else []
    lines += [f"limit  {limits}"] if limits else []
    lines += [f"next   {next_command}"] if next_command else []
    return "\n".join(lines)


def costs(found: Plan, *, simulated: bool, cap: money.Nano | None = None) -> str:
    """What will be paid, in one phrase: `4 calls, about $0.189, cap $5.00; after 1 pick 3 more, about $0.101`."""
    return costs_of(
        cost(found.before_picks), cost(found.after_picks), len(found.open_picks), simulated=simulated, cap=cap
    )


def costs_of(now: Cost, later: Cost, picks: int, *, simulated: bool, cap: money.Nano | None = None) -> str:
    """The same of what is paid now, and of what after `picks` choices."""
    phrase = _counted(plural(now.calls, "call"), now, simulated=simulated) if now.calls else "nothing to pay"
    phrase += f", cap {money.cap(cap)}" if cap is not None else ""
    if later.calls:
        more = f"{later.calls:,} more" if now.calls else plural(later.calls, "call")
        phrase += f"; after {plural(picks, 'pick')} {_counted(more, later, simulated=simulated)}"
    return phrase


def remedy(cells: Sequence[PlannedCell], *, simulated: bool) -> str:
    """What to do about locked pictures that are not here, where these cells would have to be made anew; never unasked,
    since a new one is another picture."""
    known = [cell.anew for cell in cells if cell.anew is not None]
    anew = Cost(sum(known), len(cells) - len(known), len(cells))
    cost = price(anew, simulated=simulated) if known else "an unknown price"
    fetched = "" if simulated else "fetch what is missing with flowrunner store pull, or "
    return f"{fetched}pay {cost} for different pictures with --force"


def _counted(calls: str, of: Cost, *, simulated: bool) -> str:
    """`4 calls, about $0.189`, or `2 calls of unknown price`."""
    return f"{calls} of unknown price" if of.known is None else f"{calls}, {price(of, simulated=simulated)}"


def price(of: Cost, *, simulated: bool) -> str:
    """`about $0.189`, `about $0.126 and 2 calls of unknown price`, `price unknown`."""
    told = about(of.known, simulated=simulated)
    return (
        f"{told} and {plural(of.unpriced, 'call')} of unknown price" if of.unpriced and of.known is not None else told
    )


def about(amount: money.Nano | None, *, simulated: bool) -> str:
    """An estimate: `about $0.047`, `simulated $0.047`, `price unknown`."""
    if amount is None:
        return "price unknown"
    return f"{'simulated' if simulated else 'about'} {money.about(amount)}"


def is_settled(found: Plan) -> bool:
    """Nothing is left to do: all is reused or skipped, and no choice is open."""
    return not found.of(Decision.RUN, Decision.AWAIT, Decision.MISSING) and not waits(found)


def waits(found: Plan) -> list[PlannedCell]:
    """Cells that have their candidates and wait for a choice."""
    return [cell for cell in found.of(Decision.REUSE) if cell.pick is not None and cell.pick.choice is not Choice.MADE]


def _head(found: Plan, paint: Paint) -> str:
    pipeline = found.graph.pipeline
    counts = [(len(found.of(Decision(word))), word) for word in _WORDS]
    tally = ", ".join(f"{number:,} {word}" for number, word in counts if number)
    name = paint(escape.line(pipeline.name), Tone.STRONG)
    return f"{name}  {escape.visible(pipeline.file)}  {plural(len(found.cells), 'cell')}: {tally or 'nothing'}"


def _table(listed: Sequence[Group], *, simulated: bool, paint: Paint) -> list[str]:
    lines = columns([_row(group, simulated=simulated) for group in listed], right=(2, 3))
    return [_painted(line, group, paint) for line, group in zip(lines, listed, strict=True)]


def _row(group: Group, *, simulated: bool) -> tuple[str, ...]:
    cells = plural(len(group.cells), "cell") if len(group.cells) > 1 else ""
    calls = plural(group.calls, "call") if group.calls else ""
    told = price(group.cost, simulated=simulated) if group.calls else ""
    if group.decision in (Decision.RUN, Decision.AWAIT) and group.is_local:
        told = "free"
    return group.decision.value, escape.visible(group.name), cells, calls, told, escape.line(group.reason, 160)


def _painted(line: str, group: Group, paint: Paint) -> str:
    word = group.decision.value
    return paint(word, _TONES[group.decision]) + line.removeprefix(word)
