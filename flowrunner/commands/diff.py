"""Compares two revisions in rendered requests: which pictures change, why, and for how much. No network, no key.

The base is by default where the branch left the main branch, the head the work tree.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner.commands import ending, pipelines
from flowrunner.commands.arguments import add_binding, add_format, add_paths, command, options_of
from flowrunner.commands.output import paint, print_json
from flowrunner.errors import FlowError
from flowrunner.suggested import placed

if TYPE_CHECKING:
    from flowrunner.comparing.compared import Comparison
    from flowrunner.diffing import Diff


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_paths(parser)
    shown = "the revision to compare with (default: the merge base with the main branch)"
    parser.add_argument("--base", metavar="REV", help=shown)
    parser.add_argument("--head", metavar="REV", help="the revision that is compared (default: the work tree)")
    add_format(parser, "markdown")
    add_binding(parser)


def run(arguments: argparse.Namespace) -> int:
    from flowrunner.diffing import diff

    paths = [Path(path) for path in arguments.paths]
    try:
        found = diff(paths, base=arguments.base, head=arguments.head, options=options_of(arguments))
    except FlowError as fault:
        if arguments.format == "json":
            print_json(ending.document(fault, pipelines.name(paths[0])))
        return ending.told(fault, spent=ending.NOTHING)
    _count(paths, found)
    if arguments.format == "json":
        documents = _documents(found)
        several = pipelines.are_several(arguments.paths)
        print_json({"pipelines": documents} if several else documents[0])
    else:
        print(_text(arguments, found))
    return 2 if found.unread else 0


def _count(paths: list[Path], found: "Diff") -> None:
    """How many pipelines a folder holds, in either revision."""
    for path in paths:
        if path.is_dir():
            place = path.resolve()
            pipelines.say(path, sum((found.root / one.file).parent == place for one in found.compared))


def _text(arguments: argparse.Namespace, found: "Diff") -> str:
    from flowrunner.report.diff_markdown import diff_markdown
    from flowrunner.report.diff_text import diff_text

    following = {one.file: _next(arguments, found.root, one) for one in found.comparisons}
    following = {file: lines for file, lines in following.items() if lines}
    if arguments.format == "markdown":
        return diff_markdown(found.ends, found.compared, simulated=arguments.simulate, next_commands=following)
    return diff_text(found.ends, found.compared, simulated=arguments.simulate, next_commands=following, paint=paint())


def _next(arguments: argparse.Namespace, root: Path, one: "Comparison") -> list[str]:
    """What makes the change true: making pictures, then choosing."""
    path = Path(placed(root, one.file))
    is_open = any(cell.planned.calls_open and not cell.planned.behind_pick for cell in one.moving)
    lines = [command(arguments, path, "run")] if is_open else []
    cells = [cell.cell for cell in one.to_choose if not cell.planned.is_refused]
    return lines + [command(arguments, path, "pick", f'{cell} N --why "…"') for cell in cells[:1]]


def _documents(found: "Diff") -> list[dict[str, Any]]:
    from flowrunner.comparing.compared import Unread
    from flowrunner.report.diff_document import diff_document

    return [
        ending.document(one.fault, one.file) if isinstance(one, Unread) else diff_document(found.ends, one)
        for one in found.compared
    ]
