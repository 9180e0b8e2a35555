"""Folders with pipelines in them, in the state in which a command is to find them."""

import shutil
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .clean import Environment
from .dags import pipeline
from .measure import checked, launch
from .served import Picture

FILE = "show.yaml"
LOCK = "show.lock.yaml"
STARTED = "started"
"""The folder in which `init` is measured; it is never there before."""
PICTURE = 4_000_000
"""Bytes of each picture that a pipeline of the shape `edits` sends."""
LARGE = 200_000_000
"""Bytes of a folder that is not left lying."""
PREPARING = 1800
"""Seconds for the run that makes a project's results."""


class State(StrEnum):
    """What a command finds beside the pipeline."""

    NEW = "nothing was ever run or planned"
    DONE = "everything is done"
    COMMENTED = "everything is done, and a comment in the pipeline is new"
    EDITED = "everything is done and committed, and every prompt is new"


@dataclass(frozen=True, slots=True)
class Project:
    """A pipeline by its shape and its number of cells."""

    shape: str
    cells: int


class Places:
    """The folders of one table, made when they are asked for."""

    def __init__(self, folder: Path, environment: Environment) -> None:
        self.folder = folder
        self.environment = environment
        self._comments = 0
        self._left = 0

    def of(self, project: Project, state: State) -> Path:
        """The project's folder, brought into the state."""
        edited = "-edited" if state is State.EDITED else ""
        folder = self.folder / f"{project.shape}-{project.cells}{edited}"
        if state is State.NEW and folder.exists():
            self._clear(folder)
        if not folder.exists():
            _write(folder, pipeline(project.shape, project.cells))
            for number in range(project.cells if project.shape == "edits" else 0):
                (folder / f"p{number}.png").write_bytes(b"".join(Picture(PICTURE, number).pieces(0)))
        if state is not State.NEW and not (folder / LOCK).exists():
            self._run(folder)
            if state is State.EDITED:
                self._edit(folder)
        shutil.rmtree(folder / STARTED, ignore_errors=True)
        if state is State.EDITED:
            self._git(folder, "checkout", "--quiet", LOCK)
        if state is State.COMMENTED:
            self._comments += 1
            text = pipeline(project.shape, project.cells)
            (folder / FILE).write_text(f"{text}# {self._comments}\n", encoding="utf-8")
        return folder

    def _clear(self, folder: Path) -> None:
        """Small files are left where they are until the end: for minutes ext4 steps around the inodes of files that
        were just removed, which makes each new file cost as much again."""
        if sum(path.lstat().st_size for path in folder.rglob("*")) > LARGE:
            shutil.rmtree(folder)
        else:
            self._left += 1
            folder.rename(folder.with_name(f"{folder.name}-left-{self._left}"))

    def _run(self, folder: Path) -> None:
        words = [self.environment.program("python"), "-m", "bench.inside", "run", FILE]
        checked(launch(words, cwd=folder, env=self.environment.variables(), timeout=PREPARING), timeout=PREPARING)

    def _edit(self, folder: Path) -> None:
        for words in (["init", "--quiet"], ["add", FILE, LOCK], ["commit", "--quiet", "--message", "measured"]):
            self._git(folder, *words)
        text = (folder / FILE).read_text(encoding="utf-8")
        (folder / FILE).write_text(text.replace("prompt: ", "prompt: another "), encoding="utf-8")

    def _git(self, folder: Path, *words: str) -> None:
        who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        subprocess.run(["git", *who, *words], cwd=folder, env=self.environment.variables(), check=True)


def _write(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "flowrunner.toml").touch()
    (folder / FILE).write_text(text, encoding="utf-8")
