"""Writes schemas/pipeline.schema.json of the project, by which editors complete, explain and check its pipelines.

It covers the built-in models and the project's own. A pipeline names it in its first line:
`# yaml-language-server: $schema=../schemas/pipeline.schema.json`.
"""

import argparse
import sys
from enum import StrEnum
from pathlib import Path

from flowrunner.commands.arguments import add_format
from flowrunner.commands.output import print_json

FILE = "schemas/pipeline.schema.json"
"""From the project's root."""


class State(StrEnum):
    """What became of the file, or would become of it."""

    SAME = "is up to date"
    STALE = "is not up to date"
    WRITTEN = "written"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if it is not up to date")
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    from flowrunner.store.workspace import find_root

    root = find_root(Path.cwd())
    new = text(root)
    path = root / FILE
    same = path.is_file() and path.read_bytes() == new.encode()
    state = State.SAME if same else State.STALE if arguments.check else State.WRITTEN
    if state is State.WRITTEN:
        from flowrunner.store.durable import replace

        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, new.encode())
    if arguments.format == "json":
        print_json({"file": FILE, "state": state.value})
    if state is State.STALE:
        print(f"{FILE} {state}\nnext  flowrunner schema", file=sys.stderr)
        return 1
    if arguments.format == "text":
        print(f"{FILE} {state}")
    return 0


def text(root: Path) -> str:
    """The schema of a project."""
    from flowrunner import editor
    from flowrunner.project import catalog_of

    return editor.text(catalog_of(root))
