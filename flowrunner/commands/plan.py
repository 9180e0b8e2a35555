"""Says which cells would run, are reused, wait, are skipped or missing; why; and for how much. No network, no key."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import money, problems
from flowrunner.commands import ending, pipelines
from flowrunner.commands.arguments import (
    BARE,
    add_binding,
    add_format,
    add_paths,
    add_run,
    command,
    missed,
    options_of,
    paying,
)
from flowrunner.commands.output import paint
from flowrunner.commands.pipelines import Ended
from flowrunner.errors import FlowError

if TYPE_CHECKING:
    from flowrunner.commands.together import Looked
    from flowrunner.decisions import Plan, PlannedCell
    from flowrunner.errors import RunRefused
    from flowrunner.project import Opened

__all__ = ["BARE", "add_arguments", "run"]

_MISSED = 3
"""As a run ends that lacks pictures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_paths(parser)
    add_format(parser, "markdown")
    parser.add_argument("--cells", action="store_true", help="a line for every cell")
    add_binding(parser)
    add_run(parser)


def run(arguments: argparse.Namespace) -> int:
    from flowrunner.commands.together import Together
    from flowrunner.commands.watching import Watch

    together, watch = Together(options_of(arguments)), Watch(arguments.words, arguments.paths)
    shown: list[Path] = []

    def do(path: Path) -> Ended:
        watch.begins()
        found = together.look(path, watch.planned)
        _warn(found.opened, found.plan)
        code = ending.code(found.refused) if found.refused else _MISSED if found.plan.lost else 0
        if arguments.format != "json":
            if shown:
                print()
            shown.append(path)
            _show(arguments, path, found)
        if found.refused:
            sys.stdout.flush()
            following = command(arguments, path, found.refused.command)
            ending.told(found.refused, spent=ending.NOTHING, next_command=following)
        return Ended(code, _document(found.plan, found.refused) if arguments.format == "json" else None)

    with watch.listening():
        code = pipelines.each(arguments, do, _failed)
    watch.keep(code)
    return code


def _failed(path: Path, fault: FlowError) -> Ended:
    return Ended(ending.told(fault, spent=ending.NOTHING), ending.document(fault, pipelines.name(path)))


def _document(found: "Plan", refused: "RunRefused | None") -> dict[str, Any]:
    from flowrunner.documents import plan_document

    told = {"message": refused.message, "hint": refused.hint} if refused else None
    return plan_document(found) | {"refusal": told}


def _warn(opened: "Opened", found: "Plan") -> None:
    warnings = problems.tidy([*opened.warnings, *found.problems])
    if warnings:
        print(problems.as_text(warnings), file=sys.stderr)


def _show(arguments: argparse.Namespace, path: Path, looked: "Looked") -> None:
    from flowrunner.report.text import plan_text

    opened, found = looked.opened, looked.plan
    simulated = opened.options.simulate
    if arguments.format == "markdown":
        from flowrunner.report.markdown import plan_markdown

        print(plan_markdown(found, simulated=simulated, cells=arguments.cells))
        return
    text = plan_text(
        found,
        simulated=simulated,
        limits=_limits(opened, looked.spent),
        next_command="" if looked.refused else _next(arguments, path, opened, found),
        cells=arguments.cells,
        paint=paint(),
    )
    print(text)


def _limits(opened: "Opened", spent: money.Nano) -> str:
    """What may be spent by this run, and what is left of `total_usd`."""
    from flowrunner.limits import own_limit

    budget, own = opened.pipeline.budget, own_limit(opened)
    parts = [f"{money.cap(own[0])} for this run"] if own else []
    if budget.total_usd is not None and not opened.options.simulate:
        parts.append(f"{money.exact(spent)} of {money.cap(budget.total_usd)} is spent by all runs")
    return "; ".join(parts)


def _next(arguments: argparse.Namespace, path: Path, opened: "Opened", found: "Plan") -> str:
    from flowrunner.decisions import Decision, Held
    from flowrunner.report.text import waits

    missing, runs = found.of(Decision.MISSING), found.of(Decision.RUN)
    if runs and all(map(_is_stuck, runs)):
        doubtful = any(call.held not in (None, Held.MODERATED) for cell in runs for call in cell.calls)
        return command(arguments, path, "run --on-unknown resend") if doubtful else ""
    if runs or any(not cell.behind_pick for cell in found.of(Decision.AWAIT)):
        forced = "".join(f" --force {shlex.quote(selector)}" for selector in arguments.force)
        return command(arguments, path, f"run{forced}{' --on-unknown resend' if opened.options.resend else ''}")
    if missing:
        return missed(arguments, path, opened, found.anew)
    waiting = waits(found)
    if waiting and all(cell.is_refused for cell in waiting):
        return paying(arguments, path, opened, [cell.cell for cell in waiting])
    if waiting:
        return command(arguments, path, "pick")
    unlocked = any(cell.cell.id not in opened.lock.cells for cell in found.of(Decision.REUSE))
    return command(arguments, path, "run") if unlocked else ""  # it pays nothing, and writes the lock


def _is_stuck(cell: "PlannedCell") -> bool:
    """Whether a run does nothing for a cell: its calls were sent before, and are not sent again unasked."""
    from flowrunner.decisions import Decision, Held

    calls = [call for call in cell.calls if call.decision is Decision.RUN]
    return bool(calls) and all(call.held not in (None, Held.REPLY) for call in calls)
