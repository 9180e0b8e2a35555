"""Commands over several pipelines: one after another, one result each, one exit code."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from flowrunner import escape
from flowrunner.commands import ending
from flowrunner.commands.output import print_json
from flowrunner.errors import FlowError, UsageError
from flowrunner.roots import root_of
from flowrunner.slotted import dataclass


@dataclass(frozen=True, slots=True)
class Ended:
    """One pipeline's exit code, and its document for machines; whether it is the `last` that is begun."""

    code: int
    document: Any = None
    last: bool = False


Do: TypeAlias = Callable[[Path], Ended]
Failed: TypeAlias = Callable[[Path, FlowError], Ended]
Look: TypeAlias = Callable[[Sequence[Path]], list[Ended]]
Rest: TypeAlias = Callable[[Sequence[Path], Sequence[Ended]], list[Ended]]


def each(
    arguments: argparse.Namespace,
    do: Do,
    failed: Failed,
    look: Look | None = None,
    rest: Rest | None = None,
) -> int:
    """Does it for every pipeline that `paths` mean; `failed` says what became of one that cannot be done. `look` sees
    all of several before the first is begun; where it says how they ended, none is. `rest` is given how those of
    several ended that were begun, and says it of the others."""
    paths, several = found(arguments.paths)
    ended = look(paths) if look and len(paths) > 1 else []
    for path in [] if ended else paths:
        try:
            ended.append(do(path))
        except FlowError as fault:
            ended.append(failed(path, fault))
        if ended[-1].last or ended[-1].code == ending.INTERRUPTED:
            break
    if rest and len(paths) > 1:
        ended += rest(paths, ended)
    if arguments.format == "json":
        documents = [one.document for one in ended]
        print_json({"pipelines": documents} if several else documents[0])
    return ending.combined(one.code for one in ended)


def found(given: Sequence[str]) -> tuple[list[Path], bool]:
    """The pipelines, and whether they are a list for machines: several paths, or a folder. A path that does not exist
    stands for itself, and is told when it is opened."""
    from flowrunner.project import pipelines_below

    paths: list[Path] = []
    for name in given:
        path = Path(name)
        below = pipelines_below(path) if _is_folder(path) else [path]
        if _is_folder(path):
            say(path, len(below))
        paths += below
    return list(dict.fromkeys(paths)), are_several(given)


def one(given: str) -> Path:
    """The pipeline that a path means where there can be only one. UsageError for a folder with several."""
    (first, *others), _ = found([given])
    if others:
        from flowrunner.limits import names

        message = f"{given} holds {len(others) + 1} pipelines, and this is done to one at a time"
        raise UsageError(message, f"name one of them: {names(list(map(str, (first, *others))))}")
    return first


def say(folder: Path, count: int) -> None:
    """How many pipelines a folder holds."""
    print(f"{count} pipeline{'' if count == 1 else 's'} in {escape.visible(str(folder))}", file=sys.stderr)


def name(path: Path) -> str:
    """A pipeline as documents name it, also one that cannot be opened: its path from the project's root."""
    folder = os.path.realpath(path.parent)
    return (Path(folder) / path.name).relative_to(root_of(folder)).as_posix()


def are_several(given: Sequence[str]) -> bool:
    """Whether the result is a list for machines."""
    return len(given) > 1 or _is_folder(Path(given[0]))


def _is_folder(path: Path) -> bool:
    """What may not be looked at is told as such when it is opened."""
    try:
        return path.is_dir()
    except PermissionError:
        return False
