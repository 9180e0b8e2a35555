"""A plan as Markdown, for a comment or a job summary: one short table."""

from flowrunner import escape
from flowrunner.decisions import Plan
from flowrunner.report.groups import MOST, Group, groups, plural
from flowrunner.report.text import costs, price

_MOST_REASON = 160


def plan_markdown(found: Plan, *, simulated: bool, cells: bool = False) -> str:
    """Heading and table, without a final line feed. Everything that a pipeline says is literal text in it."""
    pipeline = found.graph.pipeline
    listed = groups(found, each_cell=cells)
    shown = listed if cells else listed[:MOST]
    name = f"**{escape.markdown(pipeline.name)}** ({escape.markdown(pipeline.file)})"
    lines = [f"{name}: {costs(found, simulated=simulated)}", "", "| | cells | calls | price | why |"]
    lines += ["| --- | --- | ---: | ---: | --- |", *(_row(group, simulated=simulated) for group in shown)]
    if len(shown) < len(listed):
        lines += ["", f"… and {plural(len(listed) - len(shown), 'more line')}."]
    return "\n".join(lines)


def _row(group: Group, *, simulated: bool) -> str:
    count = f" ({len(group.cells):,})" if len(group.cells) > 1 else ""
    told = price(group.cost, simulated=simulated) if group.calls else ""
    why = escape.markdown(_cut(group.reason))
    return f"| {group.decision} | {escape.markdown(group.name)}{count} | {group.calls or ''} | {told} | {why} |"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_REASON else f"{text[:_MOST_REASON]}…"
