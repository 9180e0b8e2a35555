"""Does the plan: pays for what is not known yet, and goes on with whatever was begun.

What was paid for once is not paid again. On a terminal it says what it will pay and asks once.
"""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from flowrunner import escape, problems
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
from flowrunner.commands.pipelines import Ended
from flowrunner.errors import FlowError, RunRefused, StoreError
from flowrunner.paint import is_terminal, paint_for
from flowrunner.slotted import dataclass, field, replace
from flowrunner.suggested import placed, spelled

if TYPE_CHECKING:
    from flowrunner.commands.question import Question
    from flowrunner.commands.session import Session
    from flowrunner.commands.together import Together
    from flowrunner.commands.watching import Watch
    from flowrunner.loading.cells import Cell
    from flowrunner.progress.facts import Facts
    from flowrunner.progress.shown import Progress
    from flowrunner.project import Opened
    from flowrunner.result import RunResult
    from flowrunner.store.records import RunRecord

__all__ = ["BARE", "add_arguments", "run"]

_ENDS = {"done": (0,), "waiting": (4,), "failed": (1,), "refused": (3,), "invalid": (2,), "interrupted": (130,)}
"""Exit codes in words."""
_NOT_BEGUN = RunRefused("not begun, since the command ended before", command="run")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_paths(parser)
    add_format(parser)
    add_binding(parser)
    add_run(parser)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """One command line, and what its runs share."""

    arguments: argparse.Namespace
    together: "Together"
    watch: "Watch"
    question: "Question"
    sessions: "list[Session]" = field(default_factory=list)


def run(arguments: argparse.Namespace) -> int:
    from flowrunner.commands.question import Question
    from flowrunner.commands.together import Together
    from flowrunner.commands.watching import Watch

    options, watch = options_of(arguments), Watch(arguments.words, arguments.paths)
    question = Question(_stream(arguments), options.max_usd)
    course = _Course(arguments=arguments, together=Together(options), watch=watch, question=question)
    sessions = course.sessions

    def do(path: Path) -> Ended:
        from flowrunner.collector import spared, uncollected
        from flowrunner.project import open_pipeline, open_project

        watch.begins()
        begun = len(sessions)
        try:
            with ExitStack() as stack:
                with uncollected():
                    opened = open_pipeline(open_project(path), path, course.together.options)
                    stack.enter_context(spared())
                ended = _run(course, path, opened)
            return replace(ended, last=course.question.declined)
        except KeyboardInterrupt as fault:
            if sessions[begun:]:
                return _halted(arguments, path, sessions[begun])
            return _interrupted(course, path, fault)
        finally:
            if pipelines.are_several(arguments.paths):
                course.together.ran(session.record() for session in sessions[begun:])

    def failed(path: Path, fault: FlowError) -> Ended:
        return Ended(ending.told(fault, spent=course.together.nothing()), _refused(arguments, path, fault))

    def look(paths: Sequence[Path]) -> list[Ended]:
        try:
            faults = Together(options).faults(paths, course.question.foresee)
        except KeyboardInterrupt as fault:
            return [_interrupted(course, paths[0], fault)]
        return _none_begun(arguments, paths, faults) if faults else []

    with watch.listening():
        code = pipelines.each(arguments, do, failed, look, partial(_rest, course))
    watch.keep(code)
    if any(session.halted for session in sessions):
        _leave(code)
    return code


def _rest(course: _Course, paths: Sequence[Path], ended: Sequence[Ended]) -> list[Ended]:
    """Says how several pipelines ended; of those that were not begun only machines are told."""
    if course.sessions and len(ended) > 1:
        codes = {path: one.code for path, one in zip(paths, ended, strict=False)}
        facts = course.sessions[-1].progress.facts
        course.sessions[-1].progress.say(facts.line("all", escape.line(_all(course, codes, len(paths)), 2000)))
    return [Ended(0, _refused(course.arguments, path, _NOT_BEGUN)) for path in paths[len(ended) :]]


def _all(course: _Course, codes: Mapping[Path, int], count: int) -> str:
    """`3 pipelines: 2 done, 1 waiting (hero.yaml); 7 calls, …`: what each has said of itself may be far above."""
    from flowrunner.limits import names

    ended = {word: [spelled(path) for path, code in codes.items() if code in of] for word, of in _ENDS.items()}
    told = [
        f"{len(paths)} {word}{'' if word == 'done' else f' ({names(paths)})'}" for word, paths in ended.items() if paths
    ]
    told += [f"{count - len(codes)} not begun"] if count > len(codes) else []
    cost = course.together.cost()
    return f"{count} pipelines: {', '.join(told)}{f'; {cost}' if cost else ''}"


def _interrupted(course: _Course, path: Path, fault: KeyboardInterrupt) -> Ended:
    """Interrupted before anything of a pipeline was sent."""
    told = ending.told(fault, spent=course.together.nothing())
    return Ended(told, _shape(None, pipelines.name(path), course.arguments, "interrupted"))


def _none_begun(arguments: argparse.Namespace, paths: Sequence[Path], faults: Mapping[Path, FlowError]) -> list[Ended]:
    """Of several pipelines some cannot be run: what is wrong with them, and that the others are not begun either."""
    from flowrunner.limits import names

    bad = names([str(path) for path in faults])
    others = RunRefused(f"not begun, since {bad} of the same command cannot be run", command="run")
    ended = []
    for path in paths:
        fault = faults.get(path, others)
        code = ending.told(fault, spent=ending.NOTHING) if path in faults else ending.code(fault)
        ended.append(Ended(code, _refused(arguments, path, fault)))
    left = [str(path) for path in paths if path not in faults]
    if left:
        print(escape.line(f"left  {names(left)}  {others.message}", 1000), file=sys.stderr)
    return ended


def _leave(code: int) -> None:
    """Ends the process while threads still draw: whoever interrupts twice does not wait for them. All is written."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(course: _Course, path: Path, opened: "Opened") -> Ended:
    from flowrunner.commands.session import Session

    arguments = course.arguments
    stream = _stream(arguments)
    facts = _facts(opened, stream)
    progress = _progress(facts, stream)
    if opened.warnings:
        found = problems.tidy(opened.warnings)
        progress.say(facts.line("note", f"{ending.tally(found)}: flowrunner validate {_quoted(path)}"))
    session = Session(opened, progress, asks=course.question if _asks(arguments, stream) else None)
    course.sessions.append(session)
    try:
        result = session.run()
    except Exception as fault:  # noqa: BLE001  # whatever it was, it is said what was paid
        return _given_up(course, path, session, fault)
    if result is None:
        return _halted(arguments, path, session)
    following = _close(arguments, path, session, result)
    if not following.startswith("git"):  # which a commit answers, of which nothing that is kept would know
        course.watch.ran(result)
    return Ended(result.exit_code, result.document)


def _stream(arguments: argparse.Namespace) -> TextIO:
    """Where people read what happens."""
    return sys.stderr if arguments.format == "json" else sys.stdout


def _facts(opened: "Opened", stream: TextIO) -> "Facts":
    from flowrunner.limits import own_limit
    from flowrunner.progress.facts import Facts

    limit = own_limit(opened)
    return Facts(
        simulated=opened.options.simulate,
        cap=limit[0] if limit else None,
        paint=paint_for(stream, os.environ),
        mask=opened.project.operator.mask,
        place=lambda path: placed(opened.project.root, path),
    )


def _progress(facts: "Facts", stream: TextIO) -> "Progress":
    from flowrunner.progress.shown import Lines, Live

    if not is_terminal(stream, os.environ):
        return Lines(facts, partial(_say, stream))
    from rich.console import Console

    return Live(facts=facts, console=Console(file=stream, highlight=False, emoji=False), clock=time.monotonic)


def _say(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


def _asks(arguments: argparse.Namespace, stream: TextIO) -> bool:
    return not arguments.yes and not arguments.simulate and sys.stdin.isatty() and is_terminal(stream, os.environ)


def _close(arguments: argparse.Namespace, path: Path, session: "Session", result: "RunResult") -> str:
    """Says how it ended, and what is to be called next, which is given back."""
    from flowrunner.progress.summary import summary

    facts = session.progress.facts
    for text in summary(result, session.waits, facts):
        session.progress.say(text)
    following = _next(arguments, path, session, result)
    if following:
        session.progress.say(facts.line("next", following))
    return following


def _next(arguments: argparse.Namespace, path: Path, session: "Session", result: "RunResult") -> str:
    """The one command that goes on from here; nothing where all is done and written down."""
    from flowrunner.call import Billed
    from flowrunner.ended import Status
    from flowrunner.store.records import RunStatus

    if result.status is RunStatus.WAITING:
        return _choosing(arguments, path, session, result)
    failures = [failure for found in result.results.values() for failure in found.failures]
    doubtful = [one for one in failures if one.refund or one.billed is Billed.MAYBE]
    if doubtful:
        earlier = doubtful[0].run if all(one.known for one in doubtful) else ""
        return f"flowrunner runs show {earlier or result.run}"
    anew = _anew(result) or _lacking(result)
    if anew:
        return paying(arguments, path, result.opened, anew)
    if result.of(Status.MISSING):
        return missed(arguments, path, result.opened, result.plan.anew)
    if result.status is RunStatus.REFUSED or (failures and all(one.moderated for one in failures)):
        return command(arguments, path, "plan")
    if any("--simulate" in one.hint for one in failures):  # a simulator has answered a live run, and would again
        return command(arguments, path, "run --simulate")
    failed = result.of(Status.FAILED, Status.UNKNOWN)
    if failed and all(one.failed_checks for one in failed):
        return command(arguments, path, "check")
    if result.status is not RunStatus.DONE:
        elsewhere = result.published.elsewhere and not failed  # the same run would find the same in the way
        return command(_with(arguments, output="DIR") if elsewhere else arguments, path, "run")
    if result.simulated:  # the same in earnest
        return command(_with(arguments, simulate=False), path, "plan")
    lock = _quoted(session.progress.facts.place(result.opened.lock_name))
    written = result.lock_written or _is_accepted_anew(result)
    changed = [lock] if written and not result.opened.edition.trial else []
    changed += [_quoted(session.progress.facts.place(result.previews))] if result.previews else []
    return f"git add {' '.join(changed)}" if changed else ""


def _with(arguments: argparse.Namespace, **other: Any) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(arguments), **other})


def _is_accepted_anew(result: "RunResult") -> bool:
    """Whether results stand by a lock that no commit has: `accept` wrote it, and this run had nothing to write. Where
    there is no repository a commit cannot be waited for."""
    from flowrunner import git

    if not any(found.planned and found.planned.accepted for found in result.results.values()):
        return False
    root = result.opened.project.root
    committed = git.content(root, "HEAD", result.opened.lock_name)
    try:
        lock = result.opened.lock_file.content()
    except StoreError:  # the run is over, and what it paid is still to be told
        return False
    return committed != lock and (committed is not None or git.is_here(root))


def _anew(result: "RunResult") -> "list[Cell]":
    """Cells whose pictures are lost for good, and those that were forced and whose replies are kept: unless they are
    forced again, what was there before stands."""
    forced = result.opened.forced()
    return [
        found.cell
        for name, found in result.results.items()
        if any(one.gone or (one.kept and name in forced) for one in found.failures)
    ]


def _lacking(result: "RunResult") -> "list[Cell]":
    """Cells of which fewer pictures came than a cell needs, where cells fail for nothing else: they would again."""
    from flowrunner.ended import Status

    failed = result.of(Status.FAILED, Status.UNKNOWN)
    if any(one.failures or one.failed_checks for one in failed):
        return []
    waiting = {image.cell for one in failed if one.planned and one.planned.bound for image in one.planned.bound.pending}
    needed = waiting | {one.cell.id for one in failed}
    return [one.cell for name, one in result.results.items() if None in one.candidates and name in needed]


def _choosing(arguments: argparse.Namespace, path: Path, session: "Session", result: "RunResult") -> str:
    """The first choice that is open; where all candidates were refused, what pays for others."""
    planned = {name: found.planned for name, found in result.results.items() if found.planned is not None}
    refused = [one.cell for one in planned.values() if one.is_refused]
    names = {cell.id for cell in refused}
    first = next((one.cell for one in session.waits if one.cell not in names), "")
    if refused and not first:
        return paying(arguments, path, result.opened, refused)
    return command(arguments, path, "pick", *([f'{first} N --why "…"'] if first else []))


def _quoted(path: Path | str) -> str:
    return escape.visible(shlex.quote(spelled(path)))


def _given_up(course: _Course, path: Path, session: "Session", fault: Exception) -> Ended:
    """Refused, or stopped by a store that cannot be written or by a bug: before anything was sent, or in the middle."""
    arguments, begun = course.arguments, session.record()
    document = _refused(arguments, path, fault, session.opened)
    following = command(arguments, path, fault.command if isinstance(fault, RunRefused) else "run")
    if begun is None and session.has_begun:
        return Ended(ending.told(fault, spent=ending.LOST), document | {"status": "failed", "paid_usd": None})
    if begun is None:
        next_command = following if isinstance(fault, RunRefused) else ""
        return Ended(ending.told(fault, spent=course.together.nothing(), next_command=next_command), document)
    spent = f"{_cost(session, begun)}: flowrunner runs show {begun.id}"
    document |= {"run": begun.id, "status": "failed", **_known(begun)}
    return Ended(ending.told(fault, spent=spent, next_command=following), document)


def _cost(session: "Session", begun: "RunRecord") -> str:
    from flowrunner.report.groups import billed

    charges = session.progress.facts.charges(begun.paid, begun.unstated)
    return billed(begun.calls, charges, begun.maybe_billed, begun.unread)


def _halted(arguments: argparse.Namespace, path: Path, session: "Session") -> Ended:
    """Interrupted twice: what was under way is written down as perhaps billed."""
    facts = session.progress.facts
    begun = session.record()
    if begun is None:
        session.progress.say(facts.line("end", "interrupted", ending.LOST if session.has_begun else ending.NOTHING))
        shape = _shape(None, session.opened.pipeline.file, arguments, "interrupted")
        return Ended(ending.INTERRUPTED, shape | ({"paid_usd": None} if session.has_begun else {}))
    session.progress.say(facts.line("end", "interrupted", _cost(session, begun)))
    verb = f"flowrunner runs show {begun.id}" if begun.maybe_billed else command(arguments, path, "run")
    session.progress.say(facts.line("next", verb))
    shape = _shape(begun.id, session.opened.pipeline.file, arguments, "interrupted")
    return Ended(ending.INTERRUPTED, shape | _known(begun))


def _known(begun: "RunRecord") -> dict[str, Any]:
    """What the ledger says of the cells and the money of a run that did not come to its end."""
    from flowrunner.documents import spent_document

    return {"cells": (begun.document or {}).get("cells", []), **spent_document(begun)}


def _refused(
    arguments: argparse.Namespace, path: Path, fault: Exception, opened: "Opened | None" = None
) -> dict[str, Any]:
    file = opened.pipeline.file if opened else pipelines.name(path)
    return _shape(None, file, arguments, "refused") | ending.document(fault, file)


def _shape(run_id: str | None, file: str, arguments: argparse.Namespace, status: str) -> dict[str, Any]:
    """The document of a run that has no results."""
    return {
        "run": run_id,
        "pipeline": file,
        "simulated": arguments.simulate,
        "status": status,
        "cells": [],
        "outputs": {},
        "paid_calls": 0,
        "paid_usd": "0.00",
        "unstated": 0,
        "maybe_billed": [],
        "drifts": [],
    }
