"""Listens to `plan` and `run`, and keeps what they said where `unchanged` can tell it again.

Only what can be asked again is kept. Whatever a command has read must have been at rest when it began, and be reached
by no link: then what lies there afterwards is what it has read.
"""

import json
import os
import stat
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from flowrunner import unchanged
from flowrunner.decisions import Decision
from flowrunner.errors import StoreError
from flowrunner.previews import folder_of
from flowrunner.project import SUFFIXES
from flowrunner.roots import marks, upwards
from flowrunner.settings import NAME as SETTINGS
from flowrunner.slotted import replace
from flowrunner.store import sealed
from flowrunner.store.database import LEDGER

if TYPE_CHECKING:
    from flowrunner.project import Opened
    from flowrunner.result import RunResult
    from flowrunner.store.ledger import Ledger
    from flowrunner.store.workspace import Workspace

_MOST = 64
"""Answers that are kept of one project."""


class Watch:
    """One command while it is listened to. `words` are its command line, `paths` those among them."""

    def __init__(self, words: Sequence[str], paths: Sequence[str]) -> None:
        self._since = time.time_ns()
        self._name = unchanged.name_of(words)
        self._paths = paths
        self._said: list[tuple[int, str]] = []
        self._state: Workspace | None = None
        self._begun = 0
        self._answers: list[dict[str, Any]] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        before = sys.stdout, sys.stderr
        tees = [_Tee(stream, number, self._said) for number, stream in enumerate(before)]
        sys.stdout, sys.stderr = (cast("TextIO", tee) for tee in tees)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before

    def begins(self) -> None:
        """Another pipeline is looked at."""
        self._begun += 1

    def planned(self, opened: "Opened", ledger: "Ledger") -> None:
        """A plan was made of it, from what this ledger knows."""
        if ledger.is_as_found:
            self._take(opened, ledger)

    def ran(self, result: "RunResult") -> None:
        """A run of it has ended."""
        if _did_nothing(result):
            with result.opened.project.workspace.ledger(create=False) as ledger:
                self._take(result.opened, ledger, result.run, _made(result))

    def keep(self, code: int) -> None:
        """Keeps what was said, with the exit code, if it can be told again."""
        if self._state is None or len(self._answers) < self._begun or not self._tells_runs_apart():
            return
        with suppress(OSError, StoreError):
            shelves = {path: unchanged.shelf(path) for path in self._paths if Path(path).is_dir()}
            places = {path: os.path.realpath(path) for path in self._paths}
            for answer in self._answers:
                answer["ledger"]["stamps"] = self._stamps(Path(answer["ledger"]["store"]))
            kept = {"answers": self._answers, "shelves": shelves, "places": places, "said": self._said, "code": code}
            if self._rested(shelves):
                self._state.prepare_state()
                folder = self._state.state / unchanged.FOLDER
                sealed.write(folder / self._name, json.dumps(kept).encode())
                _clear(folder)

    def _take(self, opened: "Opened", ledger: "Ledger", run: str = "", made: Collection[str] | None = None) -> None:
        reading = _Reading(opened, self._since)
        self._state = self._state or opened.project.workspace
        if reading.of(ledger, made):
            self._answers.append(reading.known | {"run": run})

    def _stamps(self, store: Path) -> dict[str, list[int]]:
        """Those of a ledger that nobody has written to since the command began; nothing where somebody has. It is asked
        once the ledger is closed: whoever reads it last takes its empty log away."""
        paths = [str(path) for path in (store / LEDGER, store / f"{LEDGER}-wal")]
        found = {path: unchanged.stamp_of(path) for path in paths}
        return found if all(unchanged.is_settled(stamp, self._since) for stamp in found.values()) else {}

    def _tells_runs_apart(self) -> bool:
        """Whether the name of each run stands in what was said just once, where it is named."""
        said = "".join(text for _, text in self._said)
        return all(said.count(answer["run"]) == 1 for answer in self._answers if answer["run"])

    def _rested(self, shelves: Mapping[str, Collection[str]]) -> bool:
        paths = [str(Path(folder, name)) for folder, names in shelves.items() for name in names]
        return all(unchanged.is_settled(unchanged.stamp_of(path), self._since) for path in paths)


class _Reading:
    """What an answer follows from, as it lies there now. `known` is what is kept of it."""

    def __init__(self, opened: "Opened", since: int) -> None:
        self.opened = opened
        self.root = opened.project.root
        self.since = since
        self.absent: list[str] = []
        self.known: dict[str, Any] = {"root": str(self.root), "absent": self.absent, "trees": {}}

    def of(self, ledger: "Ledger", published: Collection[str] | None) -> bool:
        """Reads all of it, and the stamps of the files that a run has `published`; whether it can be asked again."""
        if not _is_plain(self.opened):
            return False
        made = [] if published is None else [*published, *self._previews()]
        project, pipeline = self.opened.project, self.root / self.opened.pipeline.file
        read = [self._place(path) for path in sorted(project.asked.texts)]
        read += [path for name in (SETTINGS, *self._locks()) for path in self._optional(name)] + self._models()
        seen = [*(self._place(path) for path in sorted(project.asked.images)), *sorted(project.asked.files)]
        stamps = {path: unchanged.stamp_of(path) for path in (*read, *seen, *made)}
        if not self._all_at_rest(stamps):
            return False
        self._marks(pipeline)
        objects = project.workspace.objects()
        folders = {folder for path in (*read, *seen) for folder in upwards(str(Path(path).parent))}
        self.known |= {
            "pipeline": str(pipeline),
            "seal": unchanged.stamp_of(str(pipeline)),
            "files": {path: unchanged.digest_of(path) for path in read},
            "stamps": {path: stamps[path] for path in (*seen, *made)},
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

    def _locks(self) -> set[str]:
        """A trial knows what the pipeline's own lock says, too."""
        own = replace(self.opened.edition, trial=None)
        return {self.opened.lock_name, self.opened.project.workspace.lock_name(self.opened.pipeline.file, own)}

    def _models(self) -> list[str]:
        """The project's own model files."""
        folder = self._place(unchanged.MODELS)
        found = self.known["trees"][folder] = unchanged.tree(folder)
        return [path for path in found if path.endswith(".json")]

    def _previews(self) -> list[str]:
        """The small pictures beside the lock, which a run looks after."""
        folder = str(folder_of(self.opened.lock_file.path))
        found = self.known["trees"][folder] = unchanged.tree(folder)
        return found

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

    def _all_at_rest(self, stamps: Mapping[str, Sequence[int]]) -> bool:
        folders = {path.rpartition(os.sep)[0] for path in stamps}
        at_rest = all(map(self._is_at_rest, stamps.values()))
        return at_rest and all(os.path.realpath(folder) == folder for folder in folders)

    def _is_at_rest(self, stamp: Sequence[int]) -> bool:
        return not stamp or (not stat.S_ISLNK(stamp[0]) and unchanged.is_settled(stamp, self.since))

    def _asked(self, ledger: "Ledger") -> bool:
        store, keys = self.opened.project.workspace.store, sorted(self.opened.project.asked.keys)
        if not ledger.unsettled(simulated=self.opened.options.simulate).isdisjoint(keys):
            return False  # what becomes of it depends on processes, too
        name = self.opened.pipeline.name
        self.known["ledger"] = {
            "store": str(store),
            "keys": keys,
            "name": name,
            "answer": ledger.fingerprint(keys, name),
        }
        return True


def _is_plain(opened: "Opened") -> bool:
    """Whether `Asked` knows all that its plan follows from: no picture from elsewhere or by way of a link; and whether
    anything may be written there."""
    file = opened.options.inputs_file
    return not (
        opened.given.outside
        or opened.given.linked
        or (file is not None and not Path(os.path.realpath(file)).is_relative_to(opened.project.root))
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
    lists = [*published.candidates.values(), *published.outputs.values()]
    listed = [*published.picked.values(), *published.sheets.values(), *(path for paths in lists for path in paths)]
    root = result.opened.project.root
    return sorted({str(root / path) for path in listed if path})


def _clear(folder: Path) -> None:
    """Removes the oldest answers, where there are too many."""
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
