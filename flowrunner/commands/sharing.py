"""`store push` and `store pull`: pictures to and from the folder that a team shares."""

import argparse
import os
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flowrunner import escape
from flowrunner.commands.arguments import add_format
from flowrunner.commands.output import paint, print_json
from flowrunner.commands.parsing import takes_files
from flowrunner.errors import InvalidPipeline, UsageError
from flowrunner.paint import Tone

if TYPE_CHECKING:
    from flowrunner.project import Project
    from flowrunner.store.lockfile import LockFile
    from flowrunner.store.remote import Transfer, Wanted

_LACKING = 1
_MOST = 10
"""Pictures of one kind that are told one by one."""


def add_arguments(below: "argparse._SubParsersAction[Any]") -> None:
    push = below.add_parser(
        "push",
        help="copy pictures to the shared folder",
        description="Copies what the locks name to the shared folder: FLOWRUNNER_REMOTE, or [store] remote.",
    )
    pull = below.add_parser(
        "pull",
        help="copy pictures from the shared folder",
        description="Copies what the locks name and is not here from the shared folder: FLOWRUNNER_REMOTE, or [store] "
        "remote.",
    )
    for parser in (push, pull):
        shown = "pipelines or folders; without any, all locks of the project"
        takes_files(parser.add_argument("paths", metavar="PATH", nargs="*", help=shown))
        parser.add_argument("--dry-run", action="store_true", help="copy nothing; say what would be copied")
        add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    from flowrunner.project import open_project
    from flowrunner.store import remote

    project = open_project(Path(arguments.paths[0]) if arguments.paths else Path.cwd())
    place = _remote(project, arguments)
    asked = remote.wanted(_read(file) for file in _locks(project, arguments.paths))
    done = _transferred(project, arguments, place, asked)
    if arguments.format == "json":
        print_json(_document(arguments, place, done))
    else:
        _show(arguments, place, done)
    return 0 if done.is_whole else _LACKING


def _transferred(project: "Project", arguments: argparse.Namespace, place: Path, asked: "Wanted") -> "Transfer":
    from flowrunner.store import remote
    from flowrunner.store.inuse import share

    do = remote.push if arguments.what == "push" else remote.pull
    local = project.workspace.objects()
    shared = remote.folder(place, local)
    if arguments.dry_run:
        return do(local, shared, asked, dry_run=True)
    project.workspace.prepare()
    use = share(project.workspace.store)
    try:
        return do(local, shared, asked)
    finally:
        os.close(use)


def _remote(project: "Project", arguments: argparse.Namespace) -> Path:
    store = project.settings.store
    if store.remote is None:
        message = "no shared folder is named"
        raise UsageError(message, 'set FLOWRUNNER_REMOTE, or in flowrunner.toml [store] remote = "/mnt/pictures"')
    if store.read_only and arguments.what == "push":
        raise UsageError("flowrunner.toml says read_only: nothing is pushed from here", "pull only, or change it there")
    return project.root / store.remote


def _locks(project: "Project", paths: list[str]) -> list["LockFile"]:
    """The locks of what was really paid for: not those of simulated runs, nor of trials."""
    from flowrunner.store.workspace import STATE

    files = {file.name: file for file in project.workspace.lock_files() if not file.name.startswith(f"{STATE}/")}
    if not paths:
        return list(files.values())
    names = dict.fromkeys(name for path in paths for name in _meant(project, path, list(files)))
    return [files[name] for name in names]


def _meant(project: "Project", path: str, names: list[str]) -> list[str]:
    real = Path(path).resolve()
    if not real.exists():
        raise UsageError(f"{path} does not exist")
    if not real.is_relative_to(project.root):
        raise UsageError(f"{path} lies outside its project {project.root.name}")
    at = PurePosixPath(real.relative_to(project.root).as_posix())
    if real.is_dir():
        found = [name for name in names if PurePosixPath(name).is_relative_to(at)]
    else:
        found = [name for name in names if name == str(at) or _is_lock_of(PurePosixPath(name), at)]
    if not found:
        raise UsageError(f"{path} has no lock", "what is locked by a run can be shared")
    return found


def _is_lock_of(lock: PurePosixPath, pipeline: PurePosixPath) -> bool:
    """Also one of an --inputs file: `show@lamp.lock.yaml`."""
    stem = lock.name.removesuffix(".lock.yaml").partition("@")[0]
    return lock.parent == pipeline.parent and stem == pipeline.stem


def _read(file: "LockFile") -> tuple[str, Any]:
    lock, problems = file.read()
    if any(problem.is_error for problem in problems):
        raise InvalidPipeline(problems)
    return file.name, lock


def _document(arguments: argparse.Namespace, place: Path, done: "Transfer") -> dict[str, Any]:
    return {
        "remote": str(place),
        "dry_run": arguments.dry_run,
        "copied": {"files": done.copied, "bytes": done.bytes},
        "there": done.there,
        "missing": [{"sha256": digest, "named_by": list(places)} for digest, places in done.missing.items()],
        "damaged": done.damaged,
        "refused": done.refused,
    }


def _show(arguments: argparse.Namespace, place: Path, done: "Transfer") -> None:
    from flowrunner.report.groups import plural

    would = "would " if arguments.dry_run else ""
    way = "to" if arguments.what == "push" else "from"
    size = f"  {done.bytes / 1_000_000:,.1f} MB" if done.copied else ""
    there = f"; {done.there:,} {'was' if done.there == 1 else 'were'} there" if done.there else ""
    print(f"{would}{arguments.what}  {plural(done.copied, 'file')}{size}  {way} {escape.visible(str(place))}{there}")
    sys.stdout.flush()
    lost = [f"{digest[:12]} is on neither side: {', '.join(places[:3])}" for digest, places in done.missing.items()]
    _tell("missing", lost, "flowrunner store push where it is, or flowrunner plan: what another one would cost")
    _tell("damaged", done.damaged, "flowrunner store push from a store that has it whole")
    _tell("refused", done.refused, "run it live: what is simulated is not shared")


def _tell(word: str, sentences: list[str], hint: str) -> None:
    tone = paint()
    lines = [f"{tone(word, Tone.BAD)}: {escape.line(sentence, 1000)}" for sentence in sentences[:_MOST]]
    lines += [f"{word}: … and {len(sentences) - _MOST:,} more"] if len(sentences) > _MOST else []
    lines += [f"     = {hint}"] if sentences else []
    print("".join(f"{line}\n" for line in lines), end="", file=sys.stderr)
