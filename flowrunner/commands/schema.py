"""Writes schemas/pipeline.schema.json of the project, by which editors complete, explain and check its pipelines.

It covers the built-in models and the project's own. A pipeline names it in its first line:
`# yaml-language-server: $schema=../schemas/pipeline.schema.json`.
"""

import argparse
import sys
from pathlib import Path

FILE = "schemas/pipeline.schema.json"
"""From the project's root."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if it is not up to date")


def run(arguments: argparse.Namespace) -> int:
    from flowrunner.store.workspace import find_root

    root = find_root(Path.cwd())
    new = text(root)
    path = root / FILE
    same = path.is_file() and path.read_bytes() == new.encode()
    if arguments.check and not same:
        print(f"{FILE} is not up to date\nnext  flowrunner schema", file=sys.stderr)
        return 1
    if not same:
        from flowrunner.store.durable import replace

        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, new.encode())
    print(f"{FILE} {'is up to date' if same else 'written'}")
    return 0


def text(root: Path) -> str:
    """The schema of a project."""
    from flowrunner import editor
    from flowrunner.project import catalog_of

    return editor.text(catalog_of(root))
