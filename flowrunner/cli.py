"""The command line: a table of commands, of which only the chosen one is loaded.

Exceptions become sentences and exit codes in `commands.ending`; every one of them that a command does not tell by
itself ends up here.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from flowrunner.commands import ending
from flowrunner.commands.parsing import Parser, nearest
from flowrunner.errors import UsageError

SHELLS = ("bash", "zsh", "tcsh")


@dataclass(frozen=True, slots=True)
class Command:
    """A module of `flowrunner.commands` with `add_arguments(parser)` and `run(arguments) -> exit code`."""

    name: str
    help: str

    @property
    def module(self) -> ModuleType:
        return import_module(f"flowrunner.commands.{self.name}")

    def parser(self) -> Parser:
        module = self.module
        bare = getattr(module, "BARE", None)
        parser = Parser(prog=f"flowrunner {self.name}", description=module.__doc__, bare=bare)
        module.add_arguments(parser)
        return parser


COMMANDS = (
    Command("init", "make a starter project"),
    Command("validate", "find every mistake that can be found before paying"),
    Command("plan", "say what would run, why, and for how much"),
    Command("run", "do the plan; go on with whatever was begun"),
    Command("pick", "choose among candidates, or list what waits for a choice"),
    Command("accept", "let locked results stand for changed requests"),
    Command("diff", "compare two revisions: which pictures change, why, and for how much"),
    Command("check", "hold the pictures that the lock names against the checks of their steps"),
    Command("graph", "draw the steps of a pipeline"),
    Command("report", "write one page to review the pictures by"),
    Command("models", "list the models, show one, or import a provider's OpenAPI"),
    Command("schema", "write the schema by which editors complete and check pipelines"),
    Command("runs", "list what ran and what it cost, or show one run"),
    Command("store", "share pictures by a folder, clear away, find what is damaged"),
    Command("whence", "tell what made a picture: recipe, cell, commit, parents, pick, price"),
    Command("simulate", "serve the providers' published contracts on this machine, offline"),
)


def main(words: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of the process; its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    try:
        code = _run(list(sys.argv[1:] if words is None else words))
        sys.stdout.flush()
    except SystemExit as end:  # argparse has shown a help text
        return int(end.code or 0)
    except BrokenPipeError:
        _silence()
        return 0
    except (Exception, KeyboardInterrupt) as fault:  # noqa: BLE001  # whatever it is, it is told in a sentence
        return ending.told(fault)
    return code


def _run(words: list[str]) -> int:
    if not words or words[0].startswith("-"):
        return _top(words)
    name, *rest = words
    command = next((command for command in COMMANDS if command.name == name), None)
    if command is None:
        hint = nearest(name, [command.name for command in COMMANDS]) or "flowrunner --help lists the commands"
        raise UsageError(f"there is no command {name}", hint)
    arguments = command.parser().parsed(rest)
    code: int = command.module.run(arguments)
    return code


def _top(words: list[str]) -> int:
    """The command line without a command."""
    parser = _parser()
    arguments = parser.parsed(words or ["--help"])
    if arguments.version:
        from flowrunner import __version__

        print(f"flowrunner {__version__}")
    elif arguments.print_completion:
        print(_completion(arguments.print_completion))
    else:
        parser.print_help()
    return 0


def _parser() -> Parser:
    listed = "\n".join(f"  {command.name:<10} {command.help}" for command in COMMANDS)
    parser = Parser(
        prog="flowrunner",
        usage="flowrunner COMMAND …",
        description="Image generation and editing pipelines as checked-in YAML.",
        epilog=f"commands:\n{listed}\n\nflowrunner COMMAND --help shows what a command takes.",
    )
    parser.add_argument("--version", action="store_true", help="show the version")
    shown = "write a completion script to stdout"
    parser.add_argument("--print-completion", choices=SHELLS, metavar="SHELL", help=f"{shown}: {', '.join(SHELLS)}")
    return parser


def _completion(shell: str) -> str:
    import shtab

    parser = _parser()
    below = parser.add_subparsers(metavar="COMMAND")
    for command in COMMANDS:
        command.module.add_arguments(below.add_parser(command.name, help=command.help))
    script: str = shtab.complete(parser, shell)
    return script


def _silence() -> None:
    """The reader of stdout has gone: nothing is said about it, and nothing when the interpreter flushes at its end."""
    import os

    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
