"""Small projects and command lines for tests."""

import asyncio
import io
import json
import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flowrunner import cli as command_line


@dataclass(frozen=True)
class Result:
    """What a command line gave."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


@dataclass
class Time:
    """A clock that goes on only while someone sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@contextmanager
def disk_order(*names: str) -> Iterator[list[str]]:
    """The calls of these functions of `os`, in their order."""
    order: list[str] = []

    def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **options: Any) -> Any:
            order.append(name)
            return real(*values, **options)

        return call

    with ExitStack() as patches:
        for name in names:
            patches.enter_context(patch.object(os, name, noted(name, getattr(os, name))))
        yield order


def project(folder: Path, files: Mapping[str, str]) -> Path:
    """Writes files below a folder and makes it a project; the texts may be indented."""
    for name, text in {"flowrunner.toml": "", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def picture(path: Path, size: tuple[int, int] = (64, 48), colour: str = "#4477aa") -> Path:
    """A plain picture; the ending of its name says which kind."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without keys, settings or colours of the machine."""
    return {"PATH": os.environ["PATH"], "HOME": str(home / ".home"), "LC_ALL": "C.UTF-8", **(more or {})}


def cli(*words: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = "") -> Result:
    """Runs a command line in this process, in a folder, with a clean environment and no terminal."""
    out, err = io.StringIO(), io.StringIO()
    typed = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    clean = patch.dict(os.environ, environment(cwd, env), clear=True)
    with chdir(cwd), clean, patch("sys.stdin", typed), redirect_stdout(out), redirect_stderr(err):
        code = command_line.main(words)
    return Result(code, out.getvalue(), err.getvalue())


def golden(path: Path, text: str) -> None:
    """Compares a text with the file that holds it as it should be; GOLDEN=write in the environment writes the file."""
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def pipeline(folder: Path, text: str, files: Mapping[str, str] | None = None) -> Path:
    """A pipeline `show.yaml` for aimlapi, whose text begins after that, with a picture `photo.png` beside it."""
    head = "flowrunner: 1\nprovider: aimlapi\n"
    project(folder, {"show.yaml": head + textwrap.dedent(text), **(files or {})})
    picture(folder / "photo.png", (800, 600))
    return folder / "show.yaml"
