"""Makes a starter project: a pipeline that runs at once with --simulate, settings, a schema for editors, CI workflows.

No file that is there is overwritten; .gitignore and .gitattributes get the lines that they lack.
"""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from flowrunner import escape
from flowrunner.commands import starter
from flowrunner.commands.arguments import add_format
from flowrunner.commands.output import print_json
from flowrunner.commands.parsing import takes_files
from flowrunner.errors import UsageError
from flowrunner.suggested import spelled

_FIRST = "pipelines/first.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    shown = "the project's folder, made where it is not there (default: this one)"
    takes_files(parser.add_argument("folder", metavar="DIR", nargs="?", default=".", help=shown))
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    root = Path(arguments.folder)
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is not a folder", "name a new folder, or one that is there")
    root.mkdir(parents=True, exist_ok=True)
    became = {name: "made" if _made(root / name, text) else "kept" for name, text in _files(root).items()}
    for name, lines in {".gitignore": starter.IGNORED, ".gitattributes": starter.ATTRIBUTES}.items():
        became[name] = _completed(root / name, lines)
    if arguments.format == "json":
        print_json({"files": [{"path": str(root / name), "state": state} for name, state in became.items()]})
        return 0
    print("".join(f"{state:<8}  {escape.visible(str(root / name))}\n" for name, state in became.items()), end="")
    print(f"next      flowrunner run {shlex.quote(spelled(root / _FIRST))} --simulate")
    return 0


def _files(root: Path) -> Mapping[str, str]:
    from flowrunner import __version__
    from flowrunner.commands import schema

    return {
        _FIRST: starter.PIPELINE,
        "flowrunner.toml": starter.SETTINGS,
        schema.FILE: schema.text(root),
        ".github/actions/flowrunner/action.yml": _action(),
        ".github/workflows/flowrunner.yml": starter.REVIEW.replace("VERSION", __version__),
        ".github/workflows/pictures.yml": starter.SPENDING.replace("VERSION", __version__),
    }


def _action() -> str:
    from flowrunner.resources import folder

    return (folder("actions") / "flowrunner" / "action.yml").read_text(encoding="utf-8")


def _made(path: Path, text: str) -> bool:
    """Whether the file was made; one that is there, be it a link to nowhere, stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _completed(path: Path, lines: Sequence[str]) -> str:
    """Adds the lines that a file lacks: what became of the file, in a word."""
    if _made(path, "".join(f"{line}\n" for line in lines)):
        return "made"
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    missing = [line for line in lines if line not in (known.strip() for known in text.splitlines())]
    if not missing:
        return "kept"
    with path.open("a", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.write(("" if text.endswith("\n") or not text else "\n") + "".join(f"{line}\n" for line in missing))
    return "added to"
