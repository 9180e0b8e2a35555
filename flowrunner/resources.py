"""Where the files lie that come with flowrunner: the schemas, the example pipelines, the action for pull requests."""

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).parent
_OWN = {"actions": ".github/actions"}
"""Folders that have another place in a checkout."""


def folder(name: Literal["schemas", "pipelines", "actions"]) -> Path:
    """A checkout's own folder, beside the package and its pyproject.toml; else the copy inside the installed one."""
    checkout = _PACKAGE.parent
    own = checkout / _OWN.get(name, name)
    return own if own.is_dir() and (checkout / "pyproject.toml").is_file() else _PACKAGE / "_data" / name
