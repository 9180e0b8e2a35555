"""Repositories of git for tests of `diff`: pipelines whose cells were made by a performer that costs nothing."""

import asyncio
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from running_cases import Memories, Player, gives
from support import Result, cli, environment, project

from flowrunner.ended import CellResult
from flowrunner.jobs import Stop
from flowrunner.locking import locked
from flowrunner.planning import Planner
from flowrunner.project import open_pipeline, open_project, planner
from flowrunner.scheduler import Scheduler
from flowrunner.store.locked import Lock, Pick

DAY = "2026-01-02T03:04:05+00:00"


class Studio:
    """A repository with a main branch."""

    def __init__(self, root: Path, files: Mapping[str, str]) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.git("init", "-q", "-b", "main")
        self.write({".gitignore": "outputs/\n.flowrunner/\n", **files})

    @classmethod
    def at(cls, root: Path) -> "Studio":
        """One that is there already."""
        found = cls.__new__(cls)
        found.root = root
        return found

    def git(self, *words: str, check: bool = True) -> str:
        who = {f"GIT_{role}_{part}": text for role in ("AUTHOR", "COMMITTER") for part, text in _PERSON.items()}
        env = environment(self.root, {"GIT_CONFIG_NOSYSTEM": "1", **who})
        done = subprocess.run(["git", *words], cwd=self.root, env=env, capture_output=True, text=True, check=check)
        return done.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        project(self.root, files)

    def edit(self, name: str, before: str, after: str) -> None:
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after), encoding="utf-8")

    def commit(self, subject: str = "more") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def make(self, name: str, picks: Mapping[str, int] | None = None) -> None:
        """Runs a pipeline as far as its picks allow, and writes the lock."""
        for _ in range(2):
            path = self.root / name
            opened = open_pipeline(open_project(path, environment(self.root)), path)
            with opened.project.workspace.ledger(create=False) as ledger:
                making = planner(opened, ledger)
                results = asyncio.run(_run(making))
            made = locked(opened.lock, opened.graph, results, opened.given.record)
            opened.lock_file.update(lambda _, made=made: _picked(made, picks or {}))  # type: ignore[misc]

    def neutral(self, text: str) -> str:
        """A text without the ids of the commit and of pictures, which hang on this machine's Pillow."""
        text = text.replace(self.git("rev-parse", "--short=7", "HEAD"), "1a2b3c4")
        return re.sub(r"(picture |\.png \(|\.png \\\()[0-9a-f]{6}", r"\1aabbcc", text)

    def diff(self, *words: str) -> Result:
        return cli("diff", *words, cwd=self.root)


_PERSON = {"NAME": "Anna Berg", "EMAIL": "anna@example.invalid", "DATE": DAY}


async def _run(making: Planner) -> Mapping[str, CellResult]:
    scheduler = Scheduler(
        graph=making.graph,
        planner=making,
        performer=Player(gives, Memories(), None, stores=False),
        stop=Stop(),
        emit=lambda _: None,
        timeout_of=lambda _: 300.0,
    )
    await scheduler.run(list(making.graph.cells))
    return scheduler.results


def _picked(lock: Lock, picks: Mapping[str, int]) -> Lock:
    made = dict(lock.picks)
    for name, number in picks.items():
        if name in lock.cells:
            images = [image for sample in lock.cells[name].samples for image in sample.images]
            made[name] = Pick(
                image=number,
                digest=images[number - 1].sha256,
                by="Anna Berg",
                why="it reads",
                for_=lock.cells[name].key,
            )
    return Lock(inputs=lock.inputs, picks=made, accepts=lock.accepts, models=lock.models, cells=lock.cells)
