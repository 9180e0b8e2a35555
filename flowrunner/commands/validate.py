"""Finds every mistake that can be known before paying. No network, no key; inputs need no values."""

import argparse
import sys
from pathlib import Path

from flowrunner import problems
from flowrunner.commands import ending, pipelines
from flowrunner.commands.arguments import add_paths
from flowrunner.commands.output import print_json
from flowrunner.errors import FlowError, InvalidPipeline
from flowrunner.problems import Problem


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_paths(parser)
    parser.add_argument("--strict", action="store_true", help="warnings are errors, and so are acceptances")
    shown = "text, json, or github: annotations of a workflow (default: text)"
    parser.add_argument("--format", choices=("text", "json", "github"), default="text", help=shown)


def run(arguments: argparse.Namespace) -> int:
    paths, found = _below(arguments.paths)
    found = problems.tidy([*found, *(one for path in paths for one in _validated(path, strict=arguments.strict))])
    if arguments.format == "json":
        print_json({"problems": problems.as_json(found)})
    else:
        _show(found, len(paths), arguments.format)
    return 2 if any(problem.is_error for problem in found) else 0


def _below(given: list[str]) -> tuple[list[Path], list[Problem]]:
    """The pipelines that the paths mean, and what is wrong with folders that hold none: it stands in the one list."""
    paths: dict[Path, None] = {}
    faults = []
    for name in given:
        try:
            paths |= dict.fromkeys(pipelines.found([name])[0])
        except FlowError as fault:
            faults.append(_told(fault, Path(name)))
    return list(paths), faults


def _validated(path: Path, *, strict: bool) -> list[Problem]:
    from flowrunner.project import checked, open_pipeline, open_project

    try:
        return checked(open_pipeline(open_project(path), path), strictly=strict)
    except InvalidPipeline as fault:
        return problems.strict(fault.problems) if strict else fault.problems
    except FlowError as fault:
        return [_told(fault, path)]


def _told(fault: FlowError, path: Path) -> Problem:
    return Problem(code="file", message=fault.message, hint=fault.hint, file=str(path))


def _show(found: list[Problem], files: int, form: str) -> None:
    if form == "github":
        lines, end = problems.as_annotations(found), sys.stderr
    else:
        lines, end = problems.as_text(found), sys.stdout
    if found:
        print(lines)
    tally = ending.tally(found) if found else problems.tally(found, files)
    print(f"{tally}. {ending.NOTHING}" if any(problem.is_error for problem in found) else tally, file=end)
