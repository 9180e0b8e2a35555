"""Command lines: argparse with our own sentences, and options that may stand anywhere among the paths."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from flowrunner import money, spelling
from flowrunner.errors import UsageError
from flowrunner.files import is_text
from flowrunner.paint import width

FILES: Mapping[str, str] = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}
"""What shtab takes for "complete the names of files" (its own `FILE`, which would have to be imported)."""
_SENTENCES = {
    "expected one argument": "a value is missing",
    "expected at least one argument": "a value is missing",
    "ignored explicit argument": "it takes no value",
    "not allowed with argument": "it excludes another one that was given",
}
_REQUIRED = re.compile(r"the following arguments are required: (.*)")


class Parser(argparse.ArgumentParser):
    """`parsed` gives the namespace or raises UsageError; `--help` and `--version` raise SystemExit as ever."""

    def __init__(self, *, bare: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        """`bare` are options whose value, written with = only, may be left out, and what then stands for it."""
        kwargs |= {"allow_abbrev": False, "exit_on_error": False}
        kwargs.setdefault("formatter_class", _formatter)
        super().__init__(**kwargs)
        self.bare = bare or {}

    def parsed(self, words: Sequence[str]) -> argparse.Namespace:
        try:
            namespace, left = self._read([f"{word}={self.bare[word]}" if word in self.bare else word for word in words])
        except argparse.ArgumentError as fault:
            raise self._mistake(_named(fault), self._help()) from None
        if left:
            raise self._unknown(left[0])
        return namespace

    def _read(self, words: list[str]) -> tuple[argparse.Namespace, list[str]]:
        # The plain parser takes no options among paths, and this one no commands below a command.
        if self._subparsers is None:
            return self._read_mixed(words)
        if words and words[0].startswith("-") and words[0].partition("=")[0] not in self.options:
            raise self._unknown(words[0])
        return self.parse_known_args(words)

    def _read_mixed(self, words: list[str]) -> tuple[argparse.Namespace, list[str]]:
        """Most command lines mix nothing, and the plain parser takes a third of the time."""
        with suppress(argparse.ArgumentError, UsageError):
            namespace, left = self.parse_known_args(words)
            if not left:
                return namespace, left
        return self.parse_known_intermixed_args(words)

    def error(self, message: str) -> NoReturn:
        raise self._mistake(_worded(message), self._help())

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        if isinstance(action.choices, Mapping):  # of commands below this one
            raise self._mistake(f"there is no command {value}", nearest(value, choices) or self._help())
        message = f"{value} is none of {', '.join(choices)}"
        raise argparse.ArgumentError(action, message)

    def _unknown(self, word: str) -> UsageError:
        if not word.startswith("-") or word == "-":
            return self._mistake(f"nothing takes {word!r}", self._help())
        option = word.partition("=")[0]
        return self._mistake(f"there is no option {option}", nearest(option, self.options) or self._help())

    def _mistake(self, message: str, hint: str) -> UsageError:
        return UsageError(f"{self.prog}: {message}", hint)

    def _help(self) -> str:
        return f"{self.prog} --help shows what it takes"

    @property
    def options(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings]


def _formatter(prog: str) -> argparse.HelpFormatter:
    """The width is looked up here: argparse asks shutil, which loads every compression there is."""
    shown = width(sys.stdout, os.environ) or 80
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=shown - 2)


def _named(fault: argparse.ArgumentError) -> str:
    message = _worded(fault.message)
    return f"{fault.argument_name}: {message}" if fault.argument_name else message


def _worded(message: str) -> str:
    required = _REQUIRED.fullmatch(message)
    if required:
        return f"{required[1]} is missing"
    return next((ours for theirs, ours in _SENTENCES.items() if message.startswith(theirs)), message)


def nearest(word: str, words: Sequence[str]) -> str:
    """`did you mean --simulate?`; empty where nothing is close."""
    found = spelling.nearest(word, words)
    return f"did you mean {found}?" if found else ""


def whole(low: int, high: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number."""

    def read(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,9}", text) and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from {low} to {high}")

    return read


def utf8(text: str) -> str:
    """The type of an option whose words are written to files: what is no text would be found when all is paid."""
    if is_text(text):
        return text
    raise argparse.ArgumentTypeError(f"{text} is not UTF-8")


def dollars(text: str) -> money.Nano:
    """The type of an option that takes an amount."""
    try:
        return money.parse(text.removeprefix("$"))
    except ValueError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def seconds(text: str) -> float:
    """The type of an option that takes a time."""
    if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text):
        return float(text)
    raise argparse.ArgumentTypeError(f"{text} is not a number of seconds from 0 to 9999, without a unit")


def takes_files(action: argparse.Action) -> None:
    """Lets a shell complete the names of files for an argument."""
    action.complete = FILES  # type: ignore[attr-defined]  # shtab looks for it
