"""The command line: a table of commands, of which only the chosen one is loaded.

Exceptions become sentences and exit codes in `commands.ending`; every one of them that a command does not tell by
itself ends up here. Nothing but `sys` is imported until it is known what is asked: `--version` and `--help` take the
time that Python takes.
"""

import sys

TYPE_CHECKING = False  # typing's own name for it would load typing
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from flowrunner.commands.parsing import Parser

SHELLS = ("bash", "zsh", "tcsh")
COMMANDS = {
    "init": "make a starter project",
    "validate": "find every mistake that can be found before paying",
    "plan": "say what would run, why, and for how much",
    "run": "do the plan; go on with whatever was begun",
    "pick": "choose among candidates, or list what waits for a choice",
    "accept": "let locked results stand for changed requests",
    "diff": "compare two revisions: which pictures change, why, and for how much",
    "check": "hold the pictures that the lock names against the checks of their steps",
    "graph": "draw the steps of a pipeline",
    "report": "write one page to review the pictures by",
    "models": "list the models, show one, or import a provider's OpenAPI",
    "schema": "write the schema by which editors complete and check pipelines",
    "runs": "list what ran and what it cost, or show one run",
    "store": "share pictures by a folder, clear away, find what is damaged",
    "whence": "tell what made a picture: recipe, cell, commit, parents, pick, price",
    "simulate": "serve the providers' published contracts on this machine, offline",
}
"""Each is a module of `flowrunner.commands` with `add_arguments(parser)` and `run(arguments) -> exit code`."""
_LISTED = "\n".join(f"  {name:<10} {does}" for name, does in COMMANDS.items())
HELP = f"""\
usage: flowrunner COMMAND …

Image generation and editing pipelines as checked-in YAML.

options:
  -h, --help                show this help message and exit
  --version                 show the version
  --print-completion SHELL  write a completion script: {", ".join(SHELLS)}

commands:
{_LISTED}

flowrunner COMMAND --help shows what a command takes.
"""


def main(words: "Sequence[str] | None" = None) -> int:
    """Runs a command line, by default that of the process; its exit code."""
    given = list(sys.argv[1:] if words is None else words)
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    try:
        code = _run(given)
        sys.stdout.flush()
    except SystemExit as end:  # argparse has shown a help text
        return int(end.code or 0)
    except BrokenPipeError:
        _silence()
        return 0
    except (Exception, KeyboardInterrupt) as fault:  # noqa: BLE001  # whatever it is, it is told in a sentence
        from flowrunner.commands import ending

        return ending.told(fault)
    finally:
        if words is None:  # the process ends, and need not look for garbage among all that it holds
            import gc

            gc.freeze()
    return code


def _run(words: list[str]) -> int:
    if words in ([], ["-h"], ["--help"]):
        sys.stdout.write(HELP)
        return 0
    if words == ["--version"]:
        from flowrunner import __version__

        print(f"flowrunner {__version__}")
        return 0
    if words[0].startswith("-"):
        return _top(words)
    return _command(*words)


def _command(name: str, *words: str) -> int:
    from flowrunner import unchanged

    told = unchanged.again((name, *words))
    if told is not None:
        return told
    path: str | None = None
    try:
        module = module_of(_known(name))
        arguments = _parser_of(name, module).parsed(words)
        arguments.words = (name, *words)
        path = getattr(arguments, "path", None)
        from flowrunner.commands.signals import terminable

        with terminable():
            code: int = module.run(arguments)
    except (Exception, KeyboardInterrupt) as fault:
        _tell_machines(words, path, fault)
        raise
    return code


def _known(name: str) -> str:
    if name in COMMANDS:
        return name
    from flowrunner.commands.parsing import nearest
    from flowrunner.errors import UsageError

    hint = nearest(name, list(COMMANDS)) or "flowrunner --help lists the commands"
    raise UsageError(f"there is no command {name}", hint)


def _tell_machines(words: tuple[str, ...], path: str | None, fault: BaseException) -> None:
    """One document stands on stdout also where a command has failed before it printed its own, or was never begun: its
    words were wrong."""
    from itertools import pairwise

    asked = "--format=json" in words or ("--format", "json") in pairwise(words)
    if isinstance(fault, BrokenPipeError) or not asked:
        return
    from flowrunner.commands import ending
    from flowrunner.commands.output import print_json

    print_json(ending.document_of_none(fault) if path is None else ending.document(fault, path))


def module_of(name: str) -> "ModuleType":
    """The module of a command."""
    from importlib import import_module

    return import_module(f"flowrunner.commands.{name}")


def _parser_of(name: str, module: "ModuleType") -> "Parser":
    from flowrunner.commands.parsing import Parser

    parser = Parser(prog=f"flowrunner {name}", description=module.__doc__, bare=getattr(module, "BARE", None))
    module.add_arguments(parser)
    return parser


def _top(words: list[str]) -> int:
    """The command line without a command, where it is more than one plain word."""
    arguments = _parser().parsed(words)
    if arguments.help:
        return _run(["--help"])
    if arguments.version:
        return _run(["--version"])
    print(_completion(arguments.print_completion))
    return 0


def _parser() -> "Parser":
    from flowrunner.commands.parsing import Parser

    parser = Parser(prog="flowrunner", usage="flowrunner COMMAND …", add_help=False)
    parser.add_argument("-h", "--help", action="store_true", help="show this help message and exit")
    parser.add_argument("--version", action="store_true", help="show the version")
    parser.add_argument("--print-completion", choices=SHELLS, metavar="SHELL", help="write a completion script")
    return parser


def _completion(shell: str) -> str:
    import shtab

    parser = _parser()
    below = parser.add_subparsers(metavar="COMMAND")
    for name, does in COMMANDS.items():
        module_of(name).add_arguments(below.add_parser(name, help=does))
    script: str = shtab.complete(parser, shell)
    return script


def _open_closed() -> None:
    """A stream that was closed before the command began is None, and its number would go to the next file: nothing is
    read there, and what is written there is lost."""
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    if not closed:
        return
    import os

    for name in closed:
        handle = os.open(os.devnull, os.O_RDWR)
        setattr(sys, name, os.fdopen(handle, "r" if name == "stdin" else "w", encoding="utf-8"))


def _silence() -> None:
    """The reader of stdout has gone: nothing is said about it, and nothing when the interpreter flushes at its end."""
    import os

    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
