"""Listens to `plan` and `run`, and keeps what they said where `unchanged` can tell it again.

Only what can be asked again is kept. Whatever a command has read must have been at rest when it began, and be reached
by no link: then what lies there afterwards is what it has read.
"""

import json
import os
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from flowrunner import unchanged
from flowrunner.decisions import Decision
from flowrunner.digest import sha256
from flowrunner.errors import StoreError
from flowrunner.pipeline import InputType
from flowrunner.project import SUFFIXES
from flowrunner.roots import marks, upwards
from flowrunner.settings import NAME as SETTINGS
from flowrunner.store.database import LEDGER
from flowrunner.store.durable import NEW, make_folder, write_all

if TYPE_CHECKING:
    from flowrunner.project import Opened
    from flowrunner.result import RunResult
    from flowrunner.store.ledger import Ledger

_MOST = 64
"""Answers that are kept of one project."""


class Watch:
    """One command while it is listened to. `words` are its command line."""

    def __init__(self, words: Sequence[str]) -> None:
        self._since = time.time_ns()
        self._name = unchanged.name_of(words)
        self._said: list[tuple[int, str]] = []
        self._answers: list[tuple[Opened, dict[str, Any]]] = []
        self._pipelines = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        before = sys.stdout, sys.stderr
        tees = [_Tee(stream, number, self._said) for number, stream in enumerate(before)]
        sys.stdout, sys.stderr = (cast("TextIO", tee) for tee in tees)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before

    def planned(self, given: Path, opened: "Opened", ledger: "Ledger") -> None:
        """A plan was made of the pipeline at the path `given`, from what this ledger knows."""
        self._pipelines += 1
        if ledger.is_as_found:
            self._take(given, opened, ledger, run="", made=())

    def ran(self, given: Path, result: "RunResult") -> None:
        """A run of it has ended."""
        self._pipelines += 1
        if _did_nothing(result):
            opened = result.opened
            with opened.project.workspace.ledger(create=False) as ledger:
                self._take(given, opened, ledger, run=result.run, made=_made(result))

    def keep(self, code: int) -> None:
        """Keeps what was said, with the exit code, if it can be told again."""
        if self._pipelines != 1 or not self._answers:
            return
        opened, answer = self._answers[0]
        text = json.dumps(answer | {"said": self._said, "code": code})
        run = answer["run"]
        if run and "".join(text for _, text in self._said).count(run) != 1:
            return
        with suppress(OSError, StoreError):
            opened.project.workspace.prepare()
            _write(opened.project.workspace.state / unchanged.FOLDER, self._name, text.encode())

    def _take(self, given: Path, opened: "Opened", ledger: "Ledger", *, run: str, made: Collection[str]) -> None:
        answer = _Reading(opened, self._since)
        places = {"places": {str(given): os.path.realpath(given)}, "run": run}
        if answer.of(ledger, made):
            self._answers.append((opened, answer.known | places))


class _Reading:
    """What an answer follows from, as it lies there now. `known` is what is kept of it."""

    def __init__(self, opened: "Opened", since: int) -> None:
        self.opened = opened
        self.root = opened.project.root
        self.since = since
        self.absent: list[str] = []
        self.known: dict[str, Any] = {"root": str(self.root), "absent": self.absent}

    def of(self, ledger: "Ledger", made: Collection[str]) -> bool:
        """Reads all of it, and the stamps of the files that were `made`; whether it can be asked again."""
        if not _is_plain(self.opened):
            return False
        project, pipeline = self.opened.project, self.root / self.opened.pipeline.file
        read = [self._place(path) for path in sorted(project.asked.texts)]
        read += [*self._optional(SETTINGS), *self._optional(self.opened.lock_name), *self._models()]
        seen = [self._place(path) for path in sorted(project.asked.images)]
        if not self._all_at_rest([*read, *seen, *made]):
            return False
        self._marks(pipeline)
        objects = project.workspace.objects()
        folders = {folder for path in (*read, *seen) for folder in upwards(str(Path(path).parent))}
        self.known |= {
            "pipeline": str(pipeline),
            "seal": unchanged.stamp_of(str(pipeline)),
            "files": {path: unchanged.digest_of(path) for path in read},
            "stamps": {path: unchanged.stamp_of(path) for path in (*seen, *made)},
            "folders": sorted(folder for folder in folders if Path(folder).is_relative_to(self.root)),
            "lists": project.asked.lists,
            "pictures": {str(objects.path(one)): here for one, here in sorted(project.asked.pictures.items())},
        }
        return self._asked(ledger)

    def _place(self, path: str) -> str:
        return str(self.root / path)

    def _optional(self, name: str) -> list[str]:
        path = self._place(name)
        if os.path.lexists(path):
            return [path]
        self.absent.append(path)
        return []

    def _models(self) -> list[str]:
        """The project's own model files."""
        self.known["models"] = unchanged.tree(self._place(unchanged.MODELS))
        return [path for path in self.known["models"] if path.endswith(".json")]

    def _marks(self, pipeline: Path) -> None:
        """What makes its folder the project, and no other one nearer to the pipeline; and no twin beside it."""
        self.known["present"] = []
        self.absent += [str(pipeline.with_suffix(suffix)) for suffix in SUFFIXES if suffix != pipeline.suffix]
        for place in upwards(str(pipeline.parent)):
            here = [mark for mark in marks(place) if Path(mark).exists()]
            self.absent += [mark for mark in marks(place) if mark not in here]
            self.known["present"] += here
            if here:
                return

    def _all_at_rest(self, paths: Collection[str]) -> bool:
        return all(
            os.path.realpath(path) == path and unchanged.is_settled(unchanged.stamp_of(path), self.since)
            for path in paths
        )

    def _asked(self, ledger: "Ledger") -> bool:
        store, keys = self.opened.project.workspace.store, sorted(self.opened.project.asked.keys)
        if not ledger.unsettled(simulated=self.opened.options.simulate).isdisjoint(keys):
            return False  # what becomes of it depends on processes, too
        stamps = {str(path): unchanged.stamp_of(str(path)) for path in (store / LEDGER, store / f"{LEDGER}-wal")}
        settled = all(unchanged.is_settled(stamp, self.since) for stamp in stamps.values())
        name = self.opened.pipeline.name
        self.known["ledger"] = {
            "store": str(store),
            "stamps": stamps if settled else {},
            "keys": keys,
            "name": name,
            "answer": ledger.fingerprint(keys, name),
        }
        return True


def _is_plain(opened: "Opened") -> bool:
    """Whether all that its plan follows from is known by `Asked`: no trial, no picture from elsewhere or by a path that
    may be a link, no check that looks into pictures, nowhere that must not be written."""
    given = [spec.type for name, spec in opened.pipeline.inputs.items() if name in opened.given.record]
    file = opened.options.inputs_file
    return not (
        opened.edition.trial
        or opened.given.outside
        or InputType.IMAGE in given
        or (file is not None and not Path(os.path.realpath(file)).is_relative_to(opened.project.root))
        or any(step.checks for step in opened.pipeline.steps.values())
        or opened.project.workspace.is_read_only
    )


def _did_nothing(result: "RunResult") -> bool:
    """Whether a run has found everything as it is to be."""
    return not (
        result.plan.of(Decision.RUN, Decision.MISSING)
        or any(not cell.behind_pick for cell in result.plan.of(Decision.AWAIT))
        or result.lock_written
        or result.previews
        or result.refusal
        or result.notes
        or any(found.failures for found in result.results.values())
    )


def _made(result: "RunResult") -> list[str]:
    """Every file that it publishes."""
    published = result.published
    listed = [*published.candidates.values(), *published.outputs.values(), list(published.sheets.values())]
    root = result.opened.project.root
    return sorted({str(root / path) for paths in listed for path in paths if path})


def _write(folder: Path, name: str, text: bytes) -> None:
    """In one step, and without waiting for the disk: a torn file does not have its digest."""
    if folder.is_symlink():
        return
    make_folder(folder)
    draft = folder / f".{os.getpid()}.draft"
    draft.unlink(missing_ok=True)
    handle = os.open(draft, NEW, 0o600)
    try:
        write_all(handle, b"\n".join((sha256(text).encode(), text)))
    finally:
        os.close(handle)
    draft.rename(folder / name)
    kept = sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime_ns)
    for path in kept[:-_MOST]:
        path.unlink(missing_ok=True)


class _Tee(TextIOBase):
    """A stream that is listened to."""

    def __init__(self, stream: TextIO, number: int, said: list[tuple[int, str]]) -> None:
        self._stream = stream
        self._number = number
        self._said = said

    def write(self, text: str, /) -> int:
        self._said.append((self._number, text))
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()
