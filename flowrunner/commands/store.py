"""Looks after the store: `gc` clears away what nothing needs, `fsck` finds what is damaged or lost, `push` and `pull`
share pictures by a folder."""

import argparse
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import escape
from flowrunner.commands import sharing
from flowrunner.commands.arguments import add_format
from flowrunner.commands.output import paint, print_json
from flowrunner.commands.parsing import whole
from flowrunner.errors import UsageError
from flowrunner.paint import Tone

if TYPE_CHECKING:
    from flowrunner.checks.clearing import Cleared
    from flowrunner.store.findings import Finding
    from flowrunner.store.gc import Sweep
    from flowrunner.store.workspace import Workspace

_FOUND = 1
_HOUR = 3600.0
_ALIKE = 10
"""Findings of one kind that are shown one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    below = parser.add_subparsers(dest="what", metavar="gc|fsck|push|pull", required=True)
    shown = "Moves what nothing needs into the trash, and deletes what has been there for long enough."
    gc = below.add_parser("gc", help="clear away what nothing needs", description=shown)
    gc.add_argument("--dry-run", action="store_true", help="change nothing; say what would be done")
    shown = "what is younger than that is needed, and the trash keeps things for as long (default: 24)"
    gc.add_argument("--grace", metavar="HOURS", type=whole(0, 24 * 366), default=24, help=shown)
    add_format(gc)
    shown = "Reads everything in the store, and says what is damaged, lost or out of place. It changes nothing."
    add_format(below.add_parser("fsck", help="find what is damaged or lost", description=shown))
    sharing.add_arguments(below)


def run(arguments: argparse.Namespace) -> int:
    if arguments.what in ("push", "pull"):
        return sharing.run(arguments)
    from flowrunner.project import open_project

    workspace = open_project(Path.cwd()).workspace
    return _sweep(arguments, workspace) if arguments.what == "gc" else _check(arguments, workspace)


def _sweep(arguments: argparse.Namespace, workspace: "Workspace") -> int:
    from flowrunner.checks.clearing import Cleared
    from flowrunner.store import gc
    from flowrunner.store.roots import named_by_locks

    if workspace.is_read_only and not arguments.dry_run:
        raise UsageError(f"the store is read-only: {workspace.store}", "sweep it where it can be written")
    do = gc.plan_sweep if arguments.dry_run else gc.sweep
    done = do(workspace.store, partial(named_by_locks, workspace), grace=arguments.grace * _HOUR)
    cleared = Cleared() if done.busy else _cleared(workspace, dry_run=arguments.dry_run)
    if arguments.format == "json":
        print_json(_swept(done, cleared, dry_run=arguments.dry_run))
    else:
        print("".join(f"{line}\n" for line in _lines(done, cleared, arguments)), end="")
    if done.busy:
        print(f"error: {escape.line(done.busy, 1000)}\n     = try again when it has ended", file=sys.stderr)
    return _FOUND if done.busy else 0


def _cleared(workspace: "Workspace", *, dry_run: bool) -> "Cleared":
    """What was found and copied of pictures that are gone and that no lock names, in all projects of the store."""
    from flowrunner.checks import clearing
    from flowrunner.report.page import kept
    from flowrunner.store.roots import named_by_locks

    objects, named = workspace.objects(), named_by_locks(workspace)

    def is_needed(digest: str) -> bool:
        return digest in named or objects.knows(digest)

    states = [project.state for project in workspace.sharing()]
    found = (part.clear(state, is_needed, dry_run=dry_run) for state in states for part in (clearing, kept))
    return sum(found, clearing.Cleared())


def _swept(done: "Sweep", cleared: "Cleared", *, dry_run: bool) -> dict[str, Any]:
    from flowrunner.store.gc import Fate

    amounts = {fate.value: {"files": done.files[fate], "bytes": done.bytes[fate]} for fate in Fate}
    amounts["cleared"] = {"files": cleared.files, "bytes": cleared.bytes}
    return {"dry_run": dry_run, **amounts, "busy": done.busy or None}


def _lines(done: "Sweep", cleared: "Cleared", arguments: argparse.Namespace) -> list[str]:
    from flowrunner.report.columns import columns
    from flowrunner.store.gc import Fate

    if not done.files and not cleared.files:
        return [] if done.busy else ["there is nothing to sweep"]
    said = {
        Fate.KEPT: "needed",
        Fate.MOVED: f"into the trash, where they stay for {arguments.grace} hours at least",
        Fate.WAITING: "in the trash, and not for long enough",
        Fate.DELETED: "out of the trash, for good",
        Fate.RESTORED: "out of the trash: needed again",
    }
    would = "would be " if arguments.dry_run else ""
    amounts = [(fate.value, done.files[fate], done.bytes[fate], said[fate]) for fate in Fate]
    amounts.append(
        ("cleared", cleared.files, cleared.bytes, "verdicts, heat maps and copies of pictures that are gone")
    )
    rows = [(f"{would}{what}", *_amount(files, size), why) for what, files, size, why in amounts if files]
    return columns(rows, right=(1, 2))


def _amount(files: int, size: int) -> tuple[str, str]:
    from flowrunner.report.groups import plural

    return plural(files, "file"), f"{size / 1_000_000:,.1f} MB"


def _check(arguments: argparse.Namespace, workspace: "Workspace") -> int:
    from flowrunner.store.fsck import Severity, check

    found = check(workspace.store, workspace.lock_files())
    if arguments.format == "json":
        print_json({"findings": [_finding(one) for one in found]})
    else:
        print("\n".join([*_shown(found), _tally(found)]))
    return _FOUND if any(one.severity is Severity.ERROR for one in found) else 0


def _finding(one: "Finding") -> dict[str, str]:
    return {
        "kind": one.kind.value,
        "severity": one.severity.value,
        "where": one.where,
        "message": one.message,
        "hint": one.hint,
    }


def _shown(found: list["Finding"]) -> list[str]:
    """Each finding with what to do; of many that are alike only the first."""
    alike = Counter((one.severity, one.kind) for one in found)
    seen: Counter[tuple[str, str]] = Counter()
    tone, lines = paint(), []
    for one in found:
        key = (one.severity, one.kind)
        seen[key] += 1
        if seen[key] <= _ALIKE:
            word = tone(one.severity.value, Tone.BAD if one.severity.value == "error" else Tone.NOTICE)
            lines += [f"{word}: {escape.line(one.message, 1000)}  [{one.kind}]", f"     = {escape.line(one.hint, 600)}"]
        elif seen[key] == alike[key]:
            lines += [f"{one.severity}: {seen[key] - _ALIKE:,} more like that  [{one.kind}]"]
    return lines


def _tally(found: list["Finding"]) -> str:
    from flowrunner.report.groups import plural

    if not found:
        return "nothing is damaged and nothing is lost"
    count = Counter(one.severity.value for one in found)
    nouns = {"error": "error", "warning": "warning", "info": "note"}
    return ", ".join(plural(count[severity], noun) for severity, noun in nouns.items() if count[severity])
