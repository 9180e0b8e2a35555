"""Lists the cells that wait for a choice, or records one in the lock.

With PATH alone it lists, and exits 4 while something waits. The lines of --from are `CELL N[@DIGEST] [REASON]`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import escape
from flowrunner.commands import ending, pipelines
from flowrunner.commands.arguments import add_binding, add_format, command, options_of, paying
from flowrunner.commands.output import paint, print_json
from flowrunner.commands.parsing import takes_files, utf8
from flowrunner.commands.pipelines import Ended
from flowrunner.errors import FlowError, UsageError
from flowrunner.paint import Tone
from flowrunner.suggested import placed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowrunner.api import PipelineFile
    from flowrunner.picking import Candidate, WaitingCell, Wish
    from flowrunner.project import Options
    from flowrunner.store.locked import Pick

_WAITS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    shown = "a pipeline file, or a folder with one directly in it; to list, with any number"
    takes_files(parser.add_argument("path", metavar="PATH", help=shown))
    parser.add_argument("cell", metavar="CELL", nargs="?", help="the cell in which to choose, as the list names it")
    shown = "the number of the candidate, the start of its digest, or none"
    parser.add_argument("choice", metavar="N", nargs="?", help=shown)
    parser.add_argument("--why", metavar="TEXT", type=utf8, default="", help="the reason, kept in the lock")
    shown = "a file of choices, one a line; - is stdin"
    takes_files(parser.add_argument("--from", dest="source", metavar="FILE", help=shown))
    add_format(parser)
    add_binding(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.cell is None and arguments.source is None:
        return _list(arguments)
    return _record(arguments)


def _opened(path: Path, options: "Options") -> "PipelineFile":
    from flowrunner.api import PipelineFile
    from flowrunner.project import open_pipeline, open_project

    return PipelineFile(open_pipeline(open_project(path), path, options))


def _list(arguments: argparse.Namespace) -> int:
    options = options_of(arguments)
    if arguments.why:
        raise UsageError(
            "--why without a choice", f"write {command(arguments, Path(arguments.path), 'pick --why TEXT', 'CELL N')}"
        )

    def do(path: Path) -> Ended:
        from flowrunner.picking import waiting

        pipeline = _opened(path, options)
        found = waiting(pipeline)
        if arguments.format == "text":
            _show(arguments, path, pipeline, found)
        return Ended(_WAITS if found else 0, _document(pipeline, found))

    def failed(path: Path, fault: FlowError) -> Ended:
        return Ended(ending.told(fault), ending.document(fault, pipelines.name(path)))

    arguments.paths = [arguments.path]
    return pipelines.each(arguments, do, failed)


def _show(arguments: argparse.Namespace, path: Path, pipeline: "PipelineFile", found: list["WaitingCell"]) -> None:
    from flowrunner.picking import to_come
    from flowrunner.report.groups import plural

    name = escape.line(pipeline.name)
    if not found:
        later = to_come(pipeline)
        told = f": {plural(later, 'choice')} come{'s' if later == 1 else ''} once the pictures are made"
        print(f"nothing waits in {name}{told if later else ''}")
        if later:
            print(f"next  {command(arguments, path, 'run')}")
        return
    print(f"{plural(len(found), 'cell')} wait{'s' if len(found) == 1 else ''} in {paint()(name, Tone.STRONG)}\n")
    for cell in found:
        print("\n".join(_cell(cell, pipeline.opened.project.root)) + "\n")
    print(f"next  {_choosing(arguments, path, pipeline, found)}")


def _cell(cell: "WaitingCell", root: Path) -> list[str]:
    from flowrunner.decisions import Choice
    from flowrunner.report.columns import columns
    from flowrunner.report.text import OTHERS

    why = {Choice.NEW: "", Choice.STALE: "stale", Choice.NONE: "none will do"}[cell.state]
    reason = ": ".join(part for part in (why, escape.line(cell.why, 400)) if part)
    reason += f"; {OTHERS}" if cell.state is Choice.NONE else ""
    sheet = escape.visible(placed(root, cell.sheet)) if cell.sheet else "no sheet here: the pictures are missing"
    head = f"{paint()(escape.visible(cell.cell), Tone.NOTICE)}  {sheet}"
    rows = columns([_candidate(candidate, root) for candidate in cell.candidates], right=(0,))
    lines = [head, *([f"  {reason}"] if reason else [])]
    for candidate, row in zip(cell.candidates, rows, strict=True):
        lines += [f"  {row}", *(f"     {line}" for line in _verdicts(candidate))]
    return lines


def _verdicts(candidate: "Candidate") -> list[str]:
    """What its checks say against a candidate."""
    from flowrunner.checks.verdict import Result

    tones = {Result.WARN: Tone.NOTICE, Result.FAIL: Tone.BAD, Result.MISSING: Tone.QUIET}
    against = [verdict for verdict in candidate.verdicts if verdict.result is not Result.PASS]
    return [
        f"{paint()(verdict.result.value, tones[verdict.result])}  {escape.line(verdict.sentence, 300)}"
        for verdict in against
    ]


def _candidate(candidate: "Candidate", root: Path) -> tuple[str, ...]:
    artifact = candidate.artifact
    size = f"{artifact.width}x{artifact.height}"
    path = escape.visible(placed(root, candidate.path)) if candidate.path else "not here"
    return str(candidate.number), size, artifact.sha256[:6], path


def _document(pipeline: "PipelineFile", found: list["WaitingCell"]) -> dict[str, Any]:
    return {"pipeline": pipeline.opened.pipeline.file, "waiting": [_waiting(cell) for cell in found]}


def _waiting(cell: "WaitingCell") -> dict[str, Any]:
    from flowrunner.documents import check_document

    candidates = [
        {
            "n": candidate.number,
            "path": candidate.path or None,
            "sha256": candidate.artifact.sha256,
            "width": candidate.artifact.width,
            "height": candidate.artifact.height,
            "checks": [check_document(verdict, candidate.number) for verdict in candidate.verdicts],
        }
        for candidate in cell.candidates
    ]
    shown = {"cell": cell.cell, "state": cell.state.value, "why": cell.why, "sheet": cell.sheet or None}
    return shown | {"candidates": candidates}


def _record(arguments: argparse.Namespace) -> int:
    from flowrunner.picking import failures, record, waiting

    asked, path = _wishes(arguments), pipelines.one(arguments.path)
    pipeline = _opened(path, options_of(arguments))
    picks = record(pipeline, asked)
    after = _opened(path, options_of(arguments))
    left = waiting(after)
    if arguments.format == "json":
        print_json(_document(pipeline, left))
        return 0
    failed = failures(after)
    for cell, pick in picks.items():
        chosen = "none of them" if pick.image is None else f"{pick.image}  {pick.digest[:6]}"
        why = f"  {escape.line(pick.why, 200)}" if pick.why else ""
        print(f"pick  {escape.visible(cell)}  {chosen}{why}")
        if cell in failed:
            print(f"      = its checks fail it: {escape.line(failed[cell], 300)}; choose another, or loosen the check")
    print(f"next  {_next(arguments, path, after, picks, left)}")
    return 0


def _next(
    arguments: argparse.Namespace,
    path: Path,
    pipeline: "PipelineFile",
    picks: "Mapping[str, Pick]",
    left: list["WaitingCell"],
) -> str:
    """Another choice while one is open; then the run, which makes new candidates only where it is told to."""
    if not _first(left) and any(pick.image is not None for pick in picks.values()):
        return command(arguments, path, "run")
    return _choosing(arguments, path, pipeline, left)


def _choosing(
    arguments: argparse.Namespace, path: Path, pipeline: "PipelineFile", left: Sequence["WaitingCell"]
) -> str:
    """The first choice that is open; where all candidates were refused, what pays for others."""
    first = _first(left)
    if first:
        return command(arguments, path, "pick", f'{first} N --why "…"')
    return paying(arguments, path, pipeline.opened, [pipeline.opened.graph.cells[cell.cell] for cell in left])


def _first(left: Sequence["WaitingCell"]) -> str:
    """The first cell that nobody has answered for."""
    from flowrunner.decisions import Choice

    return next((cell.cell for cell in left if cell.state is not Choice.NONE), "")


def _wishes(arguments: argparse.Namespace) -> list["Wish"]:
    from flowrunner.picking import wish, wishes

    if arguments.source is not None:
        if arguments.cell is not None or arguments.why:
            raise UsageError("--from and a choice on the command line", "give one of them")
        found = wishes(_lines(arguments.source))
        if not found:
            raise UsageError(f"{arguments.source} holds no pick", "write CELL N[@DIGEST] [REASON], one a line")
        return found
    if arguments.choice is None:
        hint = command(arguments, Path(arguments.path), "pick", f"{arguments.cell} N")
        raise UsageError(f"which candidate of {arguments.cell}?", hint)
    return [wish(arguments.cell, arguments.choice, arguments.why)]


def _lines(source: str) -> list[str]:
    from flowrunner.files import TEXT_LIMIT

    try:
        data = sys.stdin.buffer.read(TEXT_LIMIT) if source == "-" else Path(source).read_bytes()[:TEXT_LIMIT]
        return data.decode("utf-8-sig").splitlines()
    except OSError as fault:
        raise UsageError(f"{source} cannot be read: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{source} is not UTF-8") from None
