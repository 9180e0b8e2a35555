"""Where the files lie that come with flowrunner: the schemas and the example pipelines."""

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).parent


def folder(name: Literal["schemas", "pipelines"]) -> Path:
    """A checkout's own folder, beside the package and its pyproject.toml; else the copy inside the installed one."""
    checkout = _PACKAGE.parent
    own = checkout / name
    return own if own.is_dir() and (checkout / "pyproject.toml").is_file() else _PACKAGE / "_data" / name
