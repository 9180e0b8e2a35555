"""Command lines that are suggested: for the same pipeline and inputs, as one calls them from where one stands."""

import shlex
from collections.abc import Iterable
from pathlib import Path


def command_line(
    verb: str, path: Path | str, words: Iterable[str], *, inputs: Iterable[str], file: Path | str | None, simulate: bool
) -> list[str]:
    """`flowrunner VERB PATH WORDS`, the options of `verb` behind them, then what says which inputs are meant. `words`
    stand as they are; it is made harmless by whoever shows it."""
    name, *options = verb.split()
    line = ["flowrunner", name, shlex.quote(spelled(path)), *words, *options]
    line += [f"-i {shlex.quote(given)}" for given in inputs]
    line += [f"--inputs {shlex.quote(str(file))}"] if file else []
    return line + (["--simulate"] if simulate and "--simulate" not in options else [])


def spelled(path: Path | str) -> str:
    """A path as a command line takes it: one that begins like an option says that it lies here."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def placed(root: Path, path: str) -> str:
    """A path from the project's root, as it is reached from here."""
    here, whole = Path.cwd(), Path(root, path)
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
