"""Arguments that several commands share, and what they mean."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import escape, money
from flowrunner.commands.parsing import dollars, takes_files, utf8, whole
from flowrunner.errors import UsageError
from flowrunner.suggested import command_line, spelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowrunner.decisions import PlannedCell
    from flowrunner.loading.cells import Cell
    from flowrunner.project import Opened, Options

BARE = {"--allow-unpriced": "*"}
"""Options whose value may be left out."""
_SELECTED = 8
"""Selectors that a suggested command line names; it is suggested again for what they leave."""


def add_paths(parser: argparse.ArgumentParser) -> None:
    shown = "a pipeline file, or a folder with pipelines directly in it"
    takes_files(parser.add_argument("paths", metavar="PATH", nargs="+", help=shown))


def add_format(parser: argparse.ArgumentParser, *others: str) -> None:
    choices = ("text", "json", *others)
    parser.add_argument("--format", choices=choices, default="text", help=f"{', '.join(choices)} (default: text)")


def add_format_below(parser: argparse.ArgumentParser) -> None:
    """The same for a command below one that has it already: what stands before both counts until it is said again."""
    shown = "text, json (default: text)"
    parser.add_argument("--format", choices=("text", "json"), default=argparse.SUPPRESS, help=shown)


def add_binding(parser: argparse.ArgumentParser) -> None:
    """What says which inputs, and so which lock, are meant."""
    shown = "a value for an input; may be repeated"
    parser.add_argument("-i", dest="inputs", metavar="NAME=VALUE", action="append", default=[], help=shown)
    shown = "a YAML file of inputs, with a lock and outputs of its own"
    takes_files(parser.add_argument("--inputs", dest="inputs_file", metavar="FILE", type=utf8, help=shown))
    shown = "with simulated replies and prices: offline, free, with a lock and outputs of its own"
    parser.add_argument("--simulate", action="store_true", help=shown)


def add_run(parser: argparse.ArgumentParser) -> None:
    """The options of `run`, which `plan` takes too: a command line becomes the other's by one word."""
    shown = "take no warnings, and no results accepted for changed requests"
    parser.add_argument("--strict", action="store_true", help=shown)
    parser.add_argument("--frozen", action="store_true", help="pay for nothing: everything has to be in the lock")
    shown = "only these cells and what they need: step, step/lamp, step/*/de, locale=de; may be repeated"
    parser.add_argument("--only", metavar="SEL", action="append", default=[], help=shown)
    shown = "pay anew for these cells; may be repeated"
    parser.add_argument("--force", metavar="SEL", action="append", default=[], help=shown)
    parser.add_argument("--concurrency", metavar="N", type=whole(1, 256), help="calls at once to each provider")
    shown = "the most that the command may cost, in dollars, all its pipelines together"
    parser.add_argument("--max-usd", metavar="X", type=dollars, help=shown)
    shown = "the most calls that the command may pay, all its pipelines together"
    parser.add_argument("--max-calls", metavar="N", type=whole(0, 10**6), help=shown)
    shown = "under a limit in dollars, let calls of unknown price pass: those of MODEL, or all"
    parser.add_argument("--allow-unpriced", metavar="[=MODEL]", action="append", default=[], help=shown)
    shown = "what to do about calls that may have been billed and gave no picture (default: stop)"
    parser.add_argument("--on-unknown", choices=("stop", "resend"), default="stop", help=shown)
    shown = "keep given inputs that differ in the pipeline's own lock, instead of making a trial"
    parser.add_argument("--lock", action="store_true", help=shown)
    parser.add_argument("--yes", action="store_true", help="do not ask before paying")
    shown = "where the pictures go (default: outputs/ at the project's root)"
    takes_files(parser.add_argument("--output", metavar="DIR", type=utf8, help=shown))


def options_of(arguments: argparse.Namespace) -> "Options":
    """The Options that a command line means. UsageError for an input that is none."""
    from flowrunner.project import Options

    given: dict[str, Any] = {"inputs": _inputs(arguments.inputs), "simulate": arguments.simulate}
    given["inputs_file"] = Path(arguments.inputs_file) if arguments.inputs_file else None
    if "frozen" not in arguments:
        return Options(**given)
    return Options(
        **given,
        strict=arguments.strict,
        frozen=arguments.frozen,
        only=tuple(arguments.only),
        force=tuple(arguments.force),
        lock=arguments.lock,
        concurrency=arguments.concurrency,
        max_usd=arguments.max_usd,
        max_calls=arguments.max_calls,
        allow_unpriced=frozenset(arguments.allow_unpriced),
        resend=arguments.on_unknown == "resend",
        output=Path(arguments.output) if arguments.output else None,
    )


def _inputs(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or not name:
            raise UsageError(f"-i {line} is no input", "write -i NAME=VALUE")
        if name in found:
            raise UsageError(f"-i {name} is given twice")
        found[name] = value
    return found


def command(arguments: argparse.Namespace, path: Path, verb: str, *words: str) -> str:
    """A command line for the same pipeline, inputs and limits: `command(…, "run --simulate")` as one calls it next.
    `words` stand behind the path, as they are."""
    name, *options = verb.split()
    line = command_line(
        verb, path, words, inputs=arguments.inputs, file=arguments.inputs_file, simulate=arguments.simulate
    )
    line += _limits(arguments, options) if name in ("run", "plan") and "frozen" in arguments else []
    return escape.visible(" ".join(line))


def _limits(arguments: argparse.Namespace, said: list[str]) -> list[str]:
    """What was asked of the run, but for what must not be done twice: paying anew, and paying for what is unknown."""
    given = [f"--only {shlex.quote(selector)}" for selector in arguments.only]
    given += [f"--max-usd {money.text(arguments.max_usd)}"] if arguments.max_usd is not None else []
    given += [f"--max-calls {arguments.max_calls}"] if arguments.max_calls is not None else []
    given += [f"--allow-unpriced={shlex.quote(model)}" for model in arguments.allow_unpriced]
    given += ["--strict"] if arguments.strict else []
    given += ["--lock"] if arguments.lock else []
    given += [f"--output {shlex.quote(arguments.output)}"] if arguments.output else []
    return [one for one in given if one not in said]


def missed(arguments: argparse.Namespace, path: Path, opened: "Opened", anew: "Sequence[PlannedCell]") -> str:
    """What to call where locked pictures are not here: whoever can fetch them need not pay for others."""
    if opened.project.settings.store.remote is not None and not opened.options.simulate:
        return f"flowrunner store pull {escape.visible(shlex.quote(spelled(path)))}"
    return paying(arguments, path, opened, [one.cell for one in anew])


def paying(arguments: argparse.Namespace, path: Path, opened: "Opened", cells: "Sequence[Cell]") -> str:
    """What to call to pay anew for these cells."""
    forced = "".join(f" --force {selector}" for selector in _selectors(opened, cells))
    return command(arguments, path, f"run{forced}")


def _selectors(opened: "Opened", cells: "Sequence[Cell]") -> list[str]:
    """What selects these cells and no others, a step where it is all of its cells; the first few of many."""
    left: dict[str, set[str]] = {}
    for cell in opened.graph.cells.values():
        left.setdefault(cell.step.id, set()).add(cell.id)
    names = {cell.id for cell in cells}
    found = (cell.step.id if left[cell.step.id] <= names else cell.id for cell in cells)
    return list(dict.fromkeys(found))[:_SELECTED]
