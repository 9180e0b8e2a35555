"""Lets the locked result of a changed request stand, with a reason: after a typo was mended, say.

It holds for exactly the request as it is now; when anything else in it changes, it is void. --undo takes it back, and
so does deleting its line in the lock.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import escape
from flowrunner.commands import pipelines
from flowrunner.commands.arguments import add_binding, add_format, command, options_of
from flowrunner.commands.output import print_json
from flowrunner.commands.parsing import takes_files, utf8
from flowrunner.errors import UsageError

if TYPE_CHECKING:
    from flowrunner.accepting import Given
    from flowrunner.api import PipelineFile
    from flowrunner.changes import Change

_MOST = 12
"""Cells that are told one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    takes_files(
        parser.add_argument("path", metavar="PATH", help="a pipeline file, or a folder with one directly in it")
    )
    shown = "the cells: step, step/lamp, step/*/de, locale=de; those that have not changed are passed over"
    parser.add_argument("selectors", metavar="SEL", nargs="*", help=shown)
    parser.add_argument("--why", metavar="TEXT", type=utf8, default="", help="the reason, kept in the lock")
    parser.add_argument("--undo", action="store_true", help="take back what was accepted")
    add_format(parser)
    add_binding(parser)


def run(arguments: argparse.Namespace) -> int:
    path = Path(arguments.path)
    if not arguments.selectors:
        raise UsageError("which cells?", command(arguments, path, "accept --why TEXT", "SEL"))
    if arguments.undo:
        if arguments.why:
            raise UsageError("--undo takes no --why", "leave one of them out")
        return _undo(arguments, pipelines.one(arguments.path))
    if not arguments.why.strip():
        raise UsageError("why may the locked result stand?", "say it, for whoever reviews it: --why TEXT")
    return _accept(arguments, pipelines.one(arguments.path))


def _accept(arguments: argparse.Namespace, path: Path) -> int:
    from flowrunner.accepting import accept

    pipeline = _opened(arguments, path)
    found = accept(pipeline, arguments.selectors, arguments.why)
    if arguments.format == "json":
        print_json(_document(pipeline, found))
        return 0
    for one in found[:_MOST]:
        print(f"accept  {escape.visible(one.cell)}  {_changed(one.changes)}")
    if len(found) > _MOST:
        print(f"accept  … and {len(found) - _MOST:,} more cells")
    print(f"next  {command(arguments, path, 'plan')}")
    return 0


def _undo(arguments: argparse.Namespace, path: Path) -> int:
    from flowrunner.accepting import undo

    pipeline = _opened(arguments, path)
    names = undo(pipeline, arguments.selectors)
    if arguments.format == "json":
        print_json({"pipeline": pipeline.opened.pipeline.file, "accepted": [], "undone": names})
        return 0
    for name in names[:_MOST]:
        print(f"undo  {escape.visible(name)}  its locked result no longer stands for a changed request")
    if len(names) > _MOST:
        print(f"undo  … and {len(names) - _MOST:,} more cells")
    print(f"next  {command(arguments, path, 'plan')}")
    return 0


def _opened(arguments: argparse.Namespace, path: Path) -> "PipelineFile":
    from flowrunner.api import PipelineFile
    from flowrunner.project import open_pipeline, open_project

    return PipelineFile(open_pipeline(open_project(path), path, options_of(arguments)))


def _changed(changes: "tuple[Change, ...]") -> str:
    """The first change in words, and how many more there are."""
    first = escape.line(changes[0].sentence, 200) if changes else "sent in another way"
    return first + (f", and {len(changes) - 1} more" if len(changes) > 1 else "")


def _document(pipeline: "PipelineFile", found: "list[Given]") -> dict[str, Any]:
    return {"pipeline": pipeline.opened.pipeline.file, "accepted": [_given(one) for one in found], "undone": []}


def _given(one: "Given") -> dict[str, Any]:
    said = one.said
    changed = [{"path": change.path, "before": change.before, "after": change.after} for change in one.changes]
    shown = {"cell": one.cell, "by": said.by or None, "why": said.why, "stands": said.stands, "for": said.for_}
    return shown | {"fields": changed}
