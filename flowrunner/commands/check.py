"""Runs the checks of the steps on the pictures that the lock names. Nothing is sent, nothing is paid."""

import argparse
import sys
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from flowrunner import escape, problems
from flowrunner.commands import ending, pipelines
from flowrunner.commands.arguments import add_binding, add_format, add_paths, command, options_of
from flowrunner.commands.output import paint
from flowrunner.commands.pipelines import Ended
from flowrunner.errors import FlowError
from flowrunner.paint import Tone
from flowrunner.suggested import placed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flowrunner.checks.verdict import Verdict
    from flowrunner.inspection import Inspected, Inspection

Row: TypeAlias = tuple[str, str, str, str]
_MOST = 100
"""Lines for what does not hold."""
_TONES = {"pass": Tone.GOOD, "warn": Tone.NOTICE, "fail": Tone.BAD, "missing": Tone.BAD}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_paths(parser)
    add_format(parser)
    add_binding(parser)


def run(arguments: argparse.Namespace) -> int:
    options = options_of(arguments)

    def do(path: Path) -> Ended:
        from flowrunner.inspection import inspect
        from flowrunner.project import open_pipeline, open_project

        opened = open_pipeline(open_project(path), path, options)
        if opened.warnings:
            print(problems.as_text(problems.tidy(opened.warnings)), file=sys.stderr)
        found = inspect(opened)
        if arguments.format == "text":
            print("\n".join(_text(arguments, path, found)))
        return Ended(found.exit_code, _document(found))

    return pipelines.each(arguments, do, _failed)


def _failed(path: Path, fault: FlowError) -> Ended:
    return Ended(ending.told(fault, spent=ending.NOTHING), ending.document(fault, pipelines.name(path)))


def _text(arguments: argparse.Namespace, path: Path, found: "Inspection") -> list[str]:
    table = _table(found)
    return [_head(found), *([""] if table else []), *table, *_tail(arguments, path, found)]


def _table(found: "Inspection") -> list[str]:
    """A line for each check that does not hold, with the place of its heat map; what holds is put together by step."""
    from flowrunner.report.columns import columns

    told = [(one, verdict) for one in found.pictures for verdict in one.verdicts]
    against = [(one, verdict) for one, verdict in told if verdict.result.value != "pass"]
    rows = [(verdict.result.value, _label(one), verdict.check, verdict.measured) for one, verdict in against[:_MOST]]
    maps = [verdict.heatmap for _, verdict in against[:_MOST]]
    passed = list(_passed((one.step, verdict) for one, verdict in told if verdict.result.value == "pass"))
    lines = []
    for row, heatmap in zip_longest(columns([_harmless(row) for row in (*rows, *passed)]), maps, fillvalue=""):
        word = row.partition(" ")[0]
        lines.append(paint()(word, _TONES[word]) + row.removeprefix(word))
        lines += [f"      = see {escape.visible(placed(found.opened.project.root, heatmap))}"] if heatmap else []
    more = len(against) - _MOST
    return [*lines, f"… and {more:,} more that do not hold: --format json has all of them"] if more > 0 else lines


def _passed(told: "Iterable[tuple[str, Verdict]]") -> "Iterator[Row]":
    """What holds, a line for each check of a step: its value, or the first of several."""
    groups: dict[tuple[str, str], list[str]] = {}
    for step, verdict in told:
        groups.setdefault((step, verdict.check), []).append(verdict.measured)
    for (step, check), words in groups.items():
        alike = len(set(words)) == 1
        count = f"{len(words)} pictures{'' if alike else ', the first'}: " if len(words) > 1 else ""
        yield "pass", step, check, f"{count}{words[0]}"


def _harmless(row: "Row") -> "Row":
    word, name, check, words = row
    return word, escape.visible(name), check, escape.line(words, 300)


def _label(one: "Inspected") -> str:
    return f"{one.cell} #{one.candidate}" if one.of > 1 else one.cell


def _head(found: "Inspection") -> str:
    from flowrunner.checks.verdict import Result
    from flowrunner.report.groups import plural

    pipeline = found.opened.pipeline
    counts = [(found.count(result), result.value) for result in Result]
    tally = ", ".join(f"{number:,} {word}" for number, word in counts if number)
    checks = sum(len(one.verdicts) for one in found.pictures)
    name = paint()(escape.line(pipeline.name), Tone.STRONG)
    looked_at = f"{plural(len(found.pictures), 'picture')}, {plural(checks, 'check')}: {tally}"
    none = "no picture to check" if found.opened.has_checks else "no step has a check"
    return f"{name}  {escape.visible(pipeline.file)}  {looked_at if checks else none}"


def _tail(arguments: argparse.Namespace, path: Path, found: "Inspection") -> list[str]:
    """What could not be looked at, and what to do about it."""
    from flowrunner.limits import names
    from flowrunner.report.groups import plural

    lines = []
    if found.unmade:
        cells = f"{plural(len(found.unmade), 'cell')} with checks, and no picture in {found.opened.lock_name}"
        lines.append(f"left  {escape.visible(f'{cells}: {names(found.unmade)}')}")
    if found.missing:
        lines.append(f"lack  {plural(len(found.missing), 'picture')}: use the store that has them, FLOWRUNNER_STORE")
    following = _next(found)
    lines += [f"next  {command(arguments, path, following)}"] if following else []
    return ["", *lines] if lines else []


def _next(found: "Inspection") -> str:
    if found.failed:
        return "plan"
    if found.to_make:
        return "run"
    return "pick" if found.waiting or found.unmade else ""


def _document(found: "Inspection") -> dict[str, Any]:
    from flowrunner.checks.verdict import Result
    from flowrunner.documents import check_document

    return {
        "pipeline": found.opened.pipeline.file,
        "checks": [
            {"cell": one.cell, "picked": one.picked, "sha256": one.artifact.sha256}
            | check_document(verdict, one.candidate)
            for one in found.pictures
            for verdict in one.verdicts
        ],
        "failed": [{"cell": name, "reason": reason} for name, reason in found.failed.items()],
        "waiting": list(found.waiting),
        "unmade": list(found.unmade),
        "totals": {result.value: found.count(result) for result in Result},
    }
