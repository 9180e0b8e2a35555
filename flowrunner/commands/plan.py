"""Says which cells would run, are reused, wait, are skipped or missing; why; and for how much. No network, no key."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import money, problems
from flowrunner.commands import ending, pipelines
from flowrunner.commands.arguments import BARE, add_binding, add_format, add_paths, add_run, command, missed, options_of
from flowrunner.commands.output import paint
from flowrunner.commands.pipelines import Ended
from flowrunner.errors import FlowError

if TYPE_CHECKING:
    from flowrunner.decisions import Plan
    from flowrunner.errors import RunRefused
    from flowrunner.project import Opened

__all__ = ["BARE", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_paths(parser)
    add_format(parser, "markdown")
    parser.add_argument("--cells", action="store_true", help="a line for every cell")
    add_binding(parser)
    add_run(parser)


def run(arguments: argparse.Namespace) -> int:
    from flowrunner.commands.watching import Watch

    options, watch = options_of(arguments), Watch(arguments.words, arguments.paths)

    def do(path: Path) -> Ended:
        from flowrunner.limits import refusal
        from flowrunner.project import looking, open_pipeline, open_project, planned

        watch.begins()
        opened = open_pipeline(open_project(path), path, options)
        with opened.project.workspace.ledger(create=False) as ledger:
            found = planned(opened, looking(opened, ledger), bytes_needed=not options.frozen)
            spent = ledger.spent(opened.pipeline.name)
            watch.planned(opened, ledger)
        refused = refusal(opened, found, spent)
        _warn(opened, found)
        if arguments.format == "json":
            return Ended(ending.code(refused) if refused else 0, _document(found, refused))
        _show(arguments, path, opened, found, spent, refused)
        return Ended(ending.code(refused) if refused else 0)

    with watch.listening():
        code = pipelines.each(arguments, do, _failed)
    watch.keep(code)
    return code


def _failed(path: Path, fault: FlowError) -> Ended:
    return Ended(ending.told(fault, spent=ending.NOTHING), ending.document(fault, path.as_posix()))


def _document(found: "Plan", refused: "RunRefused | None") -> dict[str, Any]:
    from flowrunner.documents import plan_document

    told = {"message": refused.message, "hint": refused.hint} if refused else None
    return plan_document(found) | {"refusal": told}


def _warn(opened: "Opened", found: "Plan") -> None:
    warnings = problems.tidy([*opened.warnings, *found.problems])
    if warnings:
        print(problems.as_text(warnings), file=sys.stderr)


def _show(
    arguments: argparse.Namespace,
    path: Path,
    opened: "Opened",
    found: "Plan",
    spent: money.Nano,
    refused: "RunRefused | None",
) -> None:
    from flowrunner.report.text import plan_text

    simulated = opened.options.simulate
    if arguments.format == "markdown":
        from flowrunner.report.markdown import plan_markdown

        print(plan_markdown(found, simulated=simulated, cells=arguments.cells))
        if refused:
            ending.told(refused, spent=ending.NOTHING)
        return
    text = plan_text(
        found,
        simulated=simulated,
        limits=_limits(opened, spent),
        next_command="" if refused else _next(arguments, path, opened, found),
        cells=arguments.cells,
        paint=paint(),
    )
    print(text)
    if refused:
        sys.stdout.flush()
        ending.told(refused, spent=ending.NOTHING, next_command=command(arguments, path, refused.command))


def _limits(opened: "Opened", spent: money.Nano) -> str:
    """What may be spent by this run, and what is left of `total_usd`."""
    from flowrunner.limits import own_limit

    budget, own = opened.pipeline.budget, own_limit(opened)
    parts = [f"{money.cap(own[0])} for this run"] if own else []
    if budget.total_usd is not None and not opened.options.simulate:
        parts.append(f"{money.about(spent)} of {money.cap(budget.total_usd)} is spent by all runs")
    return "; ".join(parts)


def _next(arguments: argparse.Namespace, path: Path, opened: "Opened", found: "Plan") -> str:
    from flowrunner.decisions import Decision
    from flowrunner.report.text import waits

    missing = found.of(Decision.MISSING)
    if found.of(Decision.RUN) or any(not cell.behind_pick for cell in found.of(Decision.AWAIT)):
        forced = "".join(f" --force {shlex.quote(selector)}" for selector in arguments.force)
        return command(arguments, path, f"run{forced}")
    if missing:
        return missed(arguments, path, opened, missing[0].cell.id)
    return command(arguments, path, "pick") if waits(found) else ""
